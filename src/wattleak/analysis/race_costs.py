"""What every run of a race cost, in a figure that sets the same work against the same work. Pure."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import is_good
from wattleak.analysis.metrics import METRICS, least_firm, metric, per_name, readings_alike
from wattleak.analysis.short_plan import with_primary
from wattleak.model import CONTROL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.analysis.blocks import Block
    from wattleak.analysis.racing import Costs
    from wattleak.model import Experiment, Origin

_NAMES = frozenset(known.name for known in METRICS)
_SAME_WORK = 1.05  # ratio of samples of two runs; below it a last batch that was dropped explains the difference


def normalised(experiment: Experiment, blocks: Sequence[Block]) -> Experiment:
    """The experiment with the metric that sets the same work against the same work.

    A short plan has its rule (analysis.short_plan). Whole runs are compared as they are, unless they all say how many
    samples they worked through and it is not the same number: then the figure per sample decides. No cost is looked at.
    """
    design = experiment.plan.design
    ran = tuple(item for item in design.variants if any(item.name in block.runs for block in blocks))
    if not ran:
        return experiment
    if design.short is not None:
        primary = with_primary(
            replace(experiment, plan=replace(experiment.plan, design=replace(design, variants=ran))), blocks
        )
        name = primary.plan.design.metric
    elif design.search is None or not design.search.metric_by_rule:
        return experiment
    else:
        name = design.metric
        stem = per_name(name, "sample")
        work = [_samples(blocks, item.name) for item in ran]
        known = [samples for samples in work if samples]
        if work and len(known) == len(work) and max(known) > _SAME_WORK * min(known) and stem in _NAMES:
            name = stem
    return replace(experiment, plan=replace(experiment.plan, design=replace(design, metric=name)))


def never_worked(experiment: Experiment) -> dict[str, str]:
    """Settings that failed and never ran to their end, the reference apart, and why."""
    worked = {run.variant for run in experiment.runs if is_good(run)}
    reference = experiment.plan.design.variants[0].name
    failed = {run.variant: run.failure for run in experiment.runs if run.failure is not None}
    return {
        name: why
        for name, why in failed.items()
        if why is not None and name not in worked and name not in {reference, CONTROL}
    }


def costs_of(experiment: Experiment, blocks: Sequence[Block]) -> tuple[Costs, Origin | None, str | None]:
    """The cost of every run of the race, how it came to be, and in words why there is none."""
    design = experiment.plan.design
    runs = [(block.number, name, run.measurement) for block in blocks for name, run in block.runs.items()]
    if not runs:
        return {}, None, None
    blind = [factor.name for factor in design.factors if "batch" in factor.name.lower()]
    if design.short is not None and blind and "_per_step_" in design.metric:
        measurements = [measurement for *_, measurement in runs]
        if any(item.window is None or item.window.samples is None for item in measurements):
            return {}, None, f"no run says how many samples a step holds, and {blind[0]} changes it"
    readings = readings_alike([measurement for *_, measurement in runs], metric(design.metric).name)
    if isinstance(readings, str):
        return {}, None, readings
    if not all(0.0 < reading.value < math.inf for reading in readings):
        return {}, None, f"{design.metric} is zero in some run: the runs are too short for it"
    costs = {(number, name): reading.value for (number, name, _), reading in zip(runs, readings, strict=True)}
    return costs, least_firm(reading.origin for reading in readings), None


def _samples(blocks: Sequence[Block], name: str) -> float | None:
    """Median of the samples of a setting's runs; None when one of them does not say."""
    runs = [block.runs[name].measurement for block in blocks if name in block.runs]
    found = [run.window.samples for run in runs if run.window is not None and run.window.samples]
    return statistics.median(found) if found and len(found) == len(runs) else None
