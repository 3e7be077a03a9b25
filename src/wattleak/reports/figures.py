"""The runs of an experiment as rows for tables and charts: which of them count, in which order they were made.

Which runs count, and how a figure is read from a run, is decided by `analysis`; nothing is decided again here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks, not_counted
from wattleak.analysis.metrics import METRICS, metric_origin, metric_value
from wattleak.model import CONTROL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.model import Experiment, Run

STATUSES = ("counted", "warm-up", "failed", "not counted")

_KNOWN = frozenset(metric.name for metric in METRICS)


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run, where it stands in time, and whether it counts."""

    run: Run
    order: int  # from 1, by the time at which the runs began
    status: str  # one of STATUSES
    why_not: str  # empty for a run that counts
    values: Mapping[str, float]  # metric -> value in SI; absent where it was not read


def run_rows(experiment: Experiment) -> tuple[RunRow, ...]:
    """All runs in the order in which they began, warm-ups, failures and superseded attempts included."""
    reasons = {run.id: why for run, why in not_counted(experiment)}
    distinct = {run.id: run for run in experiment.runs if run.variant != CONTROL}.values()
    ordered = sorted(distinct, key=lambda run: run.measurement.started_at)  # ISO 8601 in UTC sorts as time does
    return tuple(
        RunRow(run, order, _status(run, counts=run.id not in reasons), reasons.get(run.id, ""), _values(run))
        for order, run in enumerate(ordered, start=1)
    )


def block_changes(experiment: Experiment, reference: str, candidate: str, metric: str) -> tuple[float, ...]:
    """Relative change of a metric in each block that counts, candidate over reference minus one."""
    changes = []
    for block in counting_blocks(experiment):
        if not {reference, candidate} <= block.runs.keys():
            continue  # one of them was dropped at a look
        before, after = (_values(block.runs[name]).get(metric) for name in (reference, candidate))
        if before and after is not None:
            changes.append(after / before - 1)
    return tuple(changes)


def origin_of(experiment: Experiment, metric: str) -> str:
    """The least firm origin of a metric among the runs that have it; some run must."""
    return str(metric_origin([run.measurement for run in experiment.runs], metric).value)


def _values(run: Run) -> dict[str, float]:
    read = {name: metric_value(run.measurement, name) for name in _KNOWN}
    return {name: value for name, value in read.items() if value is not None}


def _status(run: Run, *, counts: bool) -> str:
    if counts:
        return "counted"
    if run.failure is not None:
        return "failed"
    return "warm-up" if run.block < 0 else "not counted"
