"""What steps cost: from the runs of marks in a Trace to figures per step. Pure, standard library only.

The stretch between two marks of a thread belongs to the mark that ends it, so names that take turns share out the
time without overlap. Energy and CPU-seconds of a name are those of the process tree in the union of its runs: ranks
that step at once share what the tree used. Where names took turns too fast or too often, a name has its share of the
time, up to twice that and down to nothing. Quantiles come from the durations that the journal kept: exact up to 64
steps of a run, within 1/128 of a rank beyond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.attribution import attribute
from wattleak.analysis.cpu_time import cpu_in
from wattleak.analysis.estimates import by_time, scaled, summed_if_all_known
from wattleak.model import StepCost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Estimate, StepRun, Trace

_MOST_STRETCHES = 64  # attributed one by one; more are attributed as one, and shared out by time


def step_costs(trace: Trace) -> tuple[StepCost, ...]:
    """One entry for each name, the one with the most marks first."""
    names = dict.fromkeys(run.name for run in trace.steps)
    costs = [_cost(trace, name, [run for run in trace.steps if run.name == name]) for name in names]
    return tuple(sorted(costs, key=lambda cost: -cost.count))


def quantile(runs: Sequence[StepRun], rank: float) -> float | None:
    """Duration at a rank from 0 to 1 over all timed steps, each kept duration weighing the steps it stands for.

    Between two kept durations it goes in a straight line, as the median of an even number does.
    """
    weighed = sorted((value, run.timed / len(run.durations_s)) for run in runs for value in run.durations_s)
    if not weighed:
        return None
    total = sum(weight for _, weight in weighed)
    place, passed = rank * total, 0.0
    before: tuple[float, float] | None = None
    for value, weight in weighed:
        middle = passed + weight / 2
        if middle >= place:
            if before is None:
                return value
            share = (place - before[0]) / (middle - before[0])
            return before[1] + share * (value - before[1])
        before = (middle, value)
        passed += weight
    return weighed[-1][0]


def union(runs: Sequence[StepRun]) -> list[tuple[float, float]]:
    """The stretches in which at least one of the runs went on."""
    merged: list[tuple[float, float]] = []
    for start_s, end_s in sorted((run.start_s, run.end_s) for run in runs if run.timed):
        if merged and start_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_s))
        else:
            merged.append((start_s, end_s))
    return merged


def _cost(trace: Trace, name: str, runs: list[StepRun]) -> StepCost:
    stretches = union(runs)
    covered_s = sum(end - start for start, end in stretches)
    spanned_s = sum(run.end_s - run.start_s for run in runs)
    mixed = sum(run.inside_s for run in runs) / spanned_s if spanned_s else 1.0  # below 1: names took turns too fast
    duration_s = covered_s * mixed
    timed = sum(run.timed for run in runs)
    samples = sum(run.samples for run in runs)
    energy_j = _by_time(_energy(trace, stretches, covered_s), mixed) if timed else None
    cpu = _by_time(cpu_in(trace, stretches), mixed) if timed else None
    return StepCost(
        name=name,
        count=sum(run.count for run in runs),
        writers=len({run.writer for run in runs}),
        duration_s=duration_s,
        steps_per_s=timed / duration_s if duration_s > 0 else None,
        median_s=quantile(runs, 0.5),
        p95_s=quantile(runs, 0.95),
        samples=samples or None,
        energy_per_step_j=_scaled(energy_j, 1 / timed) if timed else None,
        cpu_per_step_s=_scaled(cpu, 1 / timed) if timed else None,
        energy_per_sample_j=_scaled(energy_j, 1 / samples) if samples and timed else None,
    )


def _energy(trace: Trace, stretches: list[tuple[float, float]], covered_s: float) -> Estimate | None:
    if len(stretches) > _MOST_STRETCHES:
        whole_s = stretches[-1][1] - stretches[0][0]
        return _by_time(attribute(trace, stretches[0][0], stretches[-1][1]).total_j, covered_s / whole_s)
    return summed_if_all_known([attribute(trace, start_s, end_s).total_j for start_s, end_s in stretches])


def _by_time(whole: Estimate | None, share: float) -> Estimate | None:
    return whole if whole is None or share >= 1.0 else by_time(whole, share)


def _scaled(estimate: Estimate | None, factor: float) -> Estimate | None:
    return None if estimate is None else scaled(estimate, factor)
