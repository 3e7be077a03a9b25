"""Runs under settings of a GPU: an executor that sets them before each run, and puts them back in the end."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.executors.device_journal import begin, forget, put_back, put_back_what_was_left
from wattleak.executors.device_settings import (
    CLOCKED_GPU,
    CLOCKS_BEFORE,
    LIMITED_GPU,
    ClockSetting,
    PowerLimitSetting,
    changed_gpus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wattleak.executors.device_settings import DeviceSetting
    from wattleak.model import Clock, Executor, Measurement, PlannedRun, RunContext, Variant


class LimitedExecutor:
    """An executor whose runs happen under the settings of their variant."""

    def __init__(self, executor: Executor, settings: Sequence[DeviceSetting]) -> None:
        self._executor = executor
        self._settings = tuple(settings)

    @property
    def clock(self) -> Clock:
        return self._executor.clock

    def run(self, variant: Variant, planned: PlannedRun, context: RunContext) -> tuple[Measurement, str | None]:
        """Set, run, and see whether it held: a run under other settings cannot count.

        The reference program of wattleak has none, and runs under those of the run before it.
        """
        own = [
            (setting, variant.env[setting.variable]) for setting in self._settings if setting.variable in variant.env
        ]
        for setting, level in own:
            setting.set(level)
        measurement, failure = self._executor.run(variant, planned, context)
        for setting, level in own:
            failure = failure or setting.deviation(level)
        return measurement, failure


@contextmanager
def limited(variants: Sequence[Variant], told: Callable[[str], None]) -> Iterator[Callable[[Executor], Executor]]:
    """Inside, settings of a GPU may change; after it, and after any death of this process, they are as they were.

    Variants without settings change nothing. `told` hears what an earlier, killed process had left to put back. Raises
    UsageError, before anything is changed, when the driver does not let us.
    """
    gpus = changed_gpus(variants)
    if not gpus:
        yield lambda executor: executor
        return
    for sentence in put_back_what_was_left():
        told(sentence)
    if len(gpus) > 1:
        raise UsageError("a search changes one GPU", "leave all but one out")
    (uuid,) = gpus
    env = variants[0].env
    with ExitStack() as stack:
        limit = PowerLimitSetting(uuid) if LIMITED_GPU in env else None
        if limit is not None:
            stack.callback(limit.close)
        clocks = ClockSetting(uuid, env[CLOCKS_BEFORE]) if CLOCKED_GPU in env else None
        if clocks is not None:
            stack.callback(clocks.close)
        settings: list[DeviceSetting] = [setting for setting in (limit, clocks) if setting is not None]
        device = next(one.device for one in (limit, clocks) if one is not None)
        path = begin(uuid, device, None if limit is None else limit.before_w, None if clocks is None else clocks.before)
        try:
            for setting in settings:
                setting.ask()
        except BaseException:
            forget(path)
            raise
        guard = subprocess.Popen(
            [sys.executable, "-P", "-m", "wattleak.executors.device_guard", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield lambda executor: LimitedExecutor(executor, settings)
        finally:
            put_back(path)
            guard.communicate()  # closes its pipe; it finds nothing left to do, and ends
