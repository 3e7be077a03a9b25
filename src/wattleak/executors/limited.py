"""Runs under a power limit: an executor that sets the GPU's limit before each run, and puts it back in the end."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wattleak.executors.device_journal import begin, put_back, put_back_what_was_left
from wattleak.meters.power_limit import PowerLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wattleak.model import Clock, Executor, Measurement, PlannedRun, RunContext, Variant

WATTS = "WATTLEAK_POWER_LIMIT_W"
DEVICE = "WATTLEAK_POWER_LIMIT_GPU"
"""Environment of a variant that runs under a limit: watts, and the UUID of the GPU. The program may read them."""

_SAME_W = 0.5


class LimitedExecutor:
    """An executor whose runs happen under the power limit of their variant."""

    def __init__(self, executor: Executor, limits: PowerLimits, uuid: str) -> None:
        self._executor = executor
        self._limits = limits
        self._uuid = uuid

    @property
    def clock(self) -> Clock:
        return self._executor.clock

    def run(self, variant: Variant, planned: PlannedRun, context: RunContext) -> tuple[Measurement, str | None]:
        """Set, run, and see whether the limit held: a run under another one cannot count."""
        if WATTS not in variant.env:  # the reference program of wattleak
            return self._executor.run(variant, planned, context)
        watts = float(variant.env[WATTS])
        self._limits.set(self._uuid, watts)
        measurement, failure = self._executor.run(variant, planned, context)
        now_w = self._limits.of(self._uuid).now_w
        if failure is None and abs(now_w - watts) > _SAME_W:
            failure = f"somebody set the power limit to {now_w:g} W while the run asked for {watts:g} W"
        return measurement, failure


@contextmanager
def limited(variants: Sequence[Variant], told: Callable[[str], None]) -> Iterator[Callable[[Executor], Executor]]:
    """Inside, power limits may change; after it, and after any death of this process, they are as they were.

    Variants without a limit change nothing. `told` hears what an earlier, killed process had left to put back. Raises
    UsageError, before anything is changed, when the driver does not let us.
    """
    devices = {variant.env[DEVICE] for variant in variants if DEVICE in variant.env and WATTS in variant.env}
    if not devices:
        yield lambda executor: executor
        return
    for sentence in put_back_what_was_left():
        told(sentence)
    (uuid,) = devices
    limits = PowerLimits()
    try:
        before = limits.of(uuid)
        limits.set(uuid, before.now_w)  # changes nothing: the driver says here whether it lets us
        path = begin(uuid, before.name, before.now_w)
        guard = subprocess.Popen(
            [sys.executable, "-P", "-m", "wattleak.executors.device_guard", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield lambda executor: LimitedExecutor(executor, limits, uuid)
        finally:
            put_back(path)
            guard.communicate()  # closes its pipe; it finds nothing left to do, and ends
    finally:
        limits.close()
