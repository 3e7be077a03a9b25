"""The noise of this machine: one fixed program run again and again, in fresh processes, through the recorder.

The control workload is a loop over integers that allocates nothing, reads nothing and uses one thread. It takes some
tenths of a second, so an experiment with longer runs is, as a rule, steadier; one that uses disk, GPU or all CPUs may
be less so. It says what this machine does now: another hour or another node differs more.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

from wattleak.analysis.metrics import METRICS, readings_alike
from wattleak.analysis.noise import Spread, spread_of
from wattleak.errors import MeasurementError
from wattleak.executors.local import LocalExecutor
from wattleak.model import Origin, PlannedRun, RunContext, Variant

if TYPE_CHECKING:
    from collections.abc import Callable

    from wattleak.meters.probe import Probed
    from wattleak.model import Measurement

ITERATIONS = 3_000_000  # a third of a second or so: twenty pairs in the default time
PROGRAM = f"x = 1\nfor i in range({ITERATIONS}): x = (x * 1103515245 + 12345) & 2147483647"
"""A linear congruential generator (the constants of the C standard's example): fixed work that nothing can skip."""

FEWEST_PAIRS = 6
MOST_PAIRS = 60
_COMPARED = ("cpu_s", "duration_s", "energy_j", "gpu_energy_j")
_COUNTED = frozenset({Origin.COUNTER, Origin.SAMPLED})


@dataclass(frozen=True, slots=True)
class Noise:
    """What the control workload showed."""

    workload: str
    pairs: int
    duration_s: float  # of everything, the discarded first run included
    spreads: tuple[Spread, ...]


def measure_noise(probed: Probed, budget_s: float, watch: Callable[[int, float], None] | None = None) -> Noise:
    """Run pairs of the control workload for about `budget_s` seconds, but at least 6 and at most 60 pairs.

    The first run is discarded. `watch` is told the pairs so far and the fraction of the budget that is spent. Energy
    is compared only where a counter (or a sampled sensor) saw it: a modelled energy is a function of CPU time.

    Raises:
        MeasurementError: a run failed.
    """
    started_s = time.monotonic()
    pairs: list[tuple[Measurement, Measurement]] = []
    with tempfile.TemporaryDirectory(prefix="wattleak-noise-") as folder:
        executor = LocalExecutor(Path(folder), probed)
        _once(executor, -1, 0)
        while len(pairs) < MOST_PAIRS:
            pairs.append((_once(executor, len(pairs), 0), _once(executor, len(pairs), 1)))
            spent_s = time.monotonic() - started_s
            if watch is not None:
                watch(len(pairs), spent_s / budget_s)
            if len(pairs) >= FEWEST_PAIRS and spent_s + spent_s / len(pairs) > budget_s:
                break
    return Noise(
        workload=f"{ITERATIONS:,} steps of an integer loop in Python {sys.version_info.major}.{sys.version_info.minor}",
        pairs=len(pairs),
        duration_s=time.monotonic() - started_s,
        spreads=tuple(found for name in _COMPARED if (found := _spread(name, pairs)) is not None),
    )


def _once(executor: LocalExecutor, block: int, position: int) -> Measurement:
    variant = Variant("control", (sys.executable, "-I", "-S", "-c", PROGRAM))
    planned = PlannedRun(block=block, position=position, variant=variant.name, seed=0)
    # The id names the recorder's socket: two doctors at once must not meet.
    context = RunContext(experiment="doctor-noise", run_id=token_hex(4), quality_regex=None, timeout_s=120.0)
    measurement, failure = executor.run(variant, planned, context)
    if failure is not None:
        raise MeasurementError(
            f"the control workload failed: {failure}",
            "wattleak measure -- python3 -c pass shows more; --quick skips it",
        )
    return measurement


def _spread(name: str, pairs: list[tuple[Measurement, Measurement]]) -> Spread | None:
    readings = readings_alike([run for pair in pairs for run in pair], name)
    if isinstance(readings, str) or not readings:
        return None
    if name not in {"cpu_s", "duration_s"} and any(reading.origin not in _COUNTED for reading in readings):
        return None
    values = [reading.value for reading in readings]
    origin = readings[0].origin
    return spread_of(name, origin, list(zip(values[::2], values[1::2], strict=True)))


assert {*_COMPARED} <= {metric.name for metric in METRICS}
