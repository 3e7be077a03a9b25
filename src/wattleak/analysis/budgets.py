"""Budgets: what one run of a job may cost, and whether runs of it keep that.

    [tool.wattleak.budgets]          # every job
    cpu = "30 s"
    peak_memory = "2 GiB"

    [tool.wattleak.budgets.train]    # the job `train`, in place of the line above or beside it
    energy_j = 150                   # the unit ends the name: a plain number

A budget is judged by an interval, never by one number. That of a typical run is the Hodges-Lehmann interval of the
logarithms (`analysis.effect.signed_rank_interval`), and it is widened by the range of the readings themselves: a meter
that is wrong is wrong in every run, so more runs narrow the first and never the second.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from wattleak.analysis.metrics import METRICS, least_firm, metric, readings_alike
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.metrics import Reading
    from wattleak.model import Estimate, Measurement, Origin

_SHORT = {
    "energy": "energy_j",
    "gpu_energy": "gpu_energy_j",
    "attributed_energy": "attributed_energy_j",
    "cpu": "cpu_s",
    "duration": "duration_s",
    "peak_memory": "peak_memory_b",
    "read": "read_b",
    "written": "written_b",
    "carbon": "carbon_g",
}
_UNITS: Mapping[str, Mapping[str, float]] = {
    "s": {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "J": {"mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "Wh": 3600.0, "kWh": 3.6e6},
    "B": {
        "B": 1.0,
        **{f"{prefix}B": 1000.0**power for power, prefix in enumerate(("k", "M", "G", "T"), 1)},
        **{f"{prefix}iB": 1024.0**power for power, prefix in enumerate(("K", "M", "G", "T"), 1)},
    },
    "g": {"mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6},
}
_AMOUNT = re.compile(r"^\s*([0-9][0-9_]*\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+)\s*([A-Za-z]*)\s*$")
_EXAMPLE = 'energy = "150 J", cpu_s = 30, peak_memory = "2 GiB", duration = "5 min", carbon = "20 g"'


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that one run may cost, in the SI unit that ends the name of the metric."""

    metric: str
    most: float
    written: str  # as the user wrote it: 150 J


@dataclass(frozen=True, slots=True)
class Budgets:
    """Budgets of every job, and of jobs by name."""

    every: tuple[Budget, ...] = ()
    jobs: tuple[tuple[str, tuple[Budget, ...]], ...] = ()

    def of(self, job: str | None) -> tuple[Budget, ...]:
        """What holds for a job: its own budgets, and those of every job for metrics that it has none of."""
        own = dict(self.jobs).get(job or "", ())
        taken = {budget.metric for budget in own}
        return (*(budget for budget in self.every if budget.metric not in taken), *own)


class BudgetState(StrEnum):
    KEPT = "kept"
    EXCEEDED = "exceeded"
    NOT_ENOUGH_RUNS = "not_enough_runs"
    NOT_TRUSTWORTHY = "not_trustworthy"  # no reading, or one whose own range holds the budget


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """One budget against some runs. `low` and `high` bound what a typical run truly costs (95 %)."""

    budget: Budget
    state: BudgetState
    runs: int
    value: float | None = None  # of a typical run; None: nothing was read
    low: float | None = None
    high: float | None = None
    origin: Origin | None = None
    why: str = ""  # what stands in the way of an answer, in words


def parse_budgets(table: object) -> Budgets:
    """Read the table `[tool.wattleak.budgets]`.

    Raises:
        UsageError: an unknown key or unit, with the nearest known one, or an amount that is none.
    """
    if not isinstance(table, dict):
        raise UsageError("budgets must be a table", f"write [tool.wattleak.budgets] and below it {_EXAMPLE}")
    every = tuple(parse_budget(str(key), value) for key, value in table.items() if not isinstance(value, dict))
    jobs = tuple(
        (str(job), tuple(parse_budget(str(key), value, f"{job}.") for key, value in own.items()))
        for job, own in table.items()
        if isinstance(own, dict)
    )
    for job, budgets in (("", every), *jobs):
        doubled = {b.metric for b in budgets if sum(other.metric == b.metric for other in budgets) > 1}
        if doubled:
            where = f" of job {job}" if job else ""
            raise UsageError(f"two budgets{where} for {', '.join(sorted(doubled))}", "leave one of them")
    return Budgets(every, jobs)


def parse_budget(key: str, value: object, place: str = "") -> Budget:
    """Read one line: `energy = "150 J"`, or `energy_j = 150` where the name ends with the unit. Raises UsageError."""
    plain = key.replace("-", "_")
    known = {name: name for name in (item.name for item in METRICS)} | _SHORT
    if plain not in known:
        near = get_close_matches(plain, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"for instance {_EXAMPLE}"
        raise UsageError(f"there is no budget {place + key!r}", hint)
    measured = metric(known[plain])
    units = _UNITS.get(measured.unit, {})
    amount, symbol = _amount(value)
    if amount is None or not 0.0 < amount < math.inf:
        raise UsageError(f"budget {place}{key} = {value!r} is no amount above 0", f"for instance {_EXAMPLE}")
    if symbol not in units and (symbol or plain in _SHORT):
        near = [unit for unit in units if unit.lower() == symbol.lower()] or get_close_matches(symbol, units, n=1)
        what = f"has an unknown unit {symbol!r}" if symbol else "has no unit"
        hint = f"did you mean {near[0]}?" if near else f"use one of {', '.join(units)}, or {measured.name} = {value}"
        raise UsageError(f"budget {place}{key} = {value!r} {what}", hint)
    return Budget(
        measured.name, amount * units.get(symbol, 1.0), f"{value} {measured.unit if not symbol else ''}".strip()
    )


def _amount(value: object) -> tuple[float | None, str]:
    if isinstance(value, bool):
        return None, ""
    match = _AMOUNT.match(str(value))
    return (float(match[1]), match[2]) if match else (None, "")


def check_budget(budget: Budget, measurements: Sequence[Measurement], level: float = 0.95) -> BudgetCheck:
    """Judge one budget by complete runs of one job.

    Exceeded and kept need the whole interval on that side. Otherwise not enough runs; or, where the interval of the
    runs alone would decide and the range of the readings does not let it, not trustworthy: no number of runs helps.
    """
    count = len(measurements)
    if not count:
        return BudgetCheck(budget, BudgetState.NOT_TRUSTWORTHY, 0, why="no run is complete")
    readings = readings_alike(measurements, budget.metric)
    if isinstance(readings, str):
        return BudgetCheck(budget, BudgetState.NOT_TRUSTWORTHY, count, why=readings)
    from wattleak.analysis.effect import hodges_lehmann, signed_rank_interval  # noqa: PLC0415 - loads scipy

    values = [reading.value for reading in readings]
    origin = least_firm(reading.origin for reading in readings)
    if max(values) == 0.0:
        return BudgetCheck(budget, BudgetState.KEPT, count, 0.0, 0.0, 0.0, origin)
    if min(values) <= 0.0:
        why = "it is zero in some runs and not in others, so there is no interval"
        return BudgetCheck(
            budget, BudgetState.NOT_ENOUGH_RUNS, count, sorted(values)[count // 2], None, None, origin, why
        )
    logs = [math.log(value) for value in values]
    value = math.exp(hodges_lehmann(logs))
    inside = signed_rank_interval(logs, level)
    if inside is None:
        needed = _runs_needed(level)
        return BudgetCheck(
            budget, BudgetState.NOT_ENOUGH_RUNS, count, value, None, None, origin, f"the interval needs {needed} runs"
        )
    below, above = _reading_range(measurements, readings, budget.metric)
    low, high = math.exp(inside.low) * below, math.exp(inside.high) * above
    state, why = BudgetState.NOT_ENOUGH_RUNS, "the budget lies inside the interval"
    if low > budget.most:
        state, why = BudgetState.EXCEEDED, ""
    elif high <= budget.most:
        state, why = BudgetState.KEPT, ""
    elif math.exp(inside.low) > budget.most or math.exp(inside.high) <= budget.most:
        state = BudgetState.NOT_TRUSTWORTHY
        why = f"the range of a {origin.value} reading holds the budget, and more runs do not make it narrower"
    return BudgetCheck(budget, state, count, value, low, high, origin, why)


def _runs_needed(level: float) -> int:
    from wattleak.analysis.feasibility import blocks_needed  # noqa: PLC0415 - beside the other

    return blocks_needed(level, 1)


def _reading_range(measurements: Sequence[Measurement], readings: Sequence[Reading], name: str) -> tuple[float, float]:
    """How far the truth may lie from the readings, as multiples of them: the mean over the runs of either end."""
    ranges = [_range(measurement, reading, name) for measurement, reading in zip(measurements, readings, strict=True)]
    return sum(low for low, _ in ranges) / len(ranges), sum(high for _, high in ranges) / len(ranges)


def _range(measurement: Measurement, reading: Reading, name: str) -> tuple[float, float]:
    if name == "carbon_g" and measurement.carbon_g is not None:
        return measurement.carbon_g.low_g / reading.value, measurement.carbon_g.high_g / reading.value
    if not name.endswith("_j"):
        return 1.0, 1.0  # kept by the kernel, to far less than runs differ
    attributed = measurement.attributed_energy_j
    parts = [item.energy_j for item in measurement.energy if item.channel.name in reading.channels]
    if attributed is not None and (name == "attributed_energy_j" or not _is_sum(reading.value, parts)):
        parts = [attributed]
    return sum(part.low for part in parts) / reading.value, sum(part.high for part in parts) / reading.value


def _is_sum(value: float, parts: Sequence[Estimate]) -> bool:
    return math.isclose(value, sum(part.value for part in parts), rel_tol=1e-9)
