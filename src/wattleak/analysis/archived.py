"""Runs of now against runs of before: an unpaired comparison, never graded above observed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import is_good
from wattleak.analysis.metrics import METRICS, least_firm, metric, readings_alike
from wattleak.analysis.quality import default_target
from wattleak.analysis.unpaired import compare_unpaired, fewest_for_interval
from wattleak.analysis.unpaired_quality import compare_unpaired_quality
from wattleak.analysis.verdict import decide, weigh_quality
from wattleak.model import (
    Comparison,
    Experiment,
    Grade,
    Measurement,
    MetricComparison,
    Order,
    PairComparison,
    QualityComparison,
    QualityState,
    Run,
    Variant,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wattleak.model import QualityTarget


@dataclass(frozen=True, slots=True)
class Archived:
    """Complete runs of one program that were stored earlier, oldest first."""

    name: str  # what to call them: "good of 1f2e3d4c"
    command: tuple[str, ...]
    measurements: tuple[Measurement, ...]
    environment: Mapping[str, str] = field(default_factory=dict)  # fingerprint of their machine; empty: not stored


def good_measurements(experiment: Experiment, variant: str | None = None) -> tuple[Measurement, ...]:
    """The runs that may stand for a variant (None: any), warm-ups and failed ones left out, each once."""
    runs = {run.id: run for run in experiment.runs if run.block >= 0 and variant in {None, run.variant}}
    return tuple(run.measurement for run in runs.values() if is_good(run))


def compare_archived(archived: Archived, experiment: Experiment) -> tuple[Experiment, Comparison]:
    """Hold the one variant of an experiment against stored runs.

    Every metric by the Hodges-Lehmann shift of the logarithms with its interval and Brunner and Munzel's test
    (`analysis.unpaired`). Nothing was made in blocks, so whatever changed in between looks the same as a change of
    cost: the grade stays observed, and a doubt says so.

    Returns:
        The experiment as it can be reported, with the stored runs as its reference, and the comparison.
    """
    design = experiment.plan.design
    (variant,) = design.variants
    candidate = good_measurements(experiment)
    both = (*archived.measurements, *candidate)
    metrics = {
        known.name: compared
        for known in METRICS
        if archived.measurements
        and candidate
        and (compared := _compare(known.name, archived.measurements, candidate, design.level)) is not None
    }
    primary = metrics.get(metric(design.metric).name)
    quality = _quality(archived, candidate, design.quality)
    verdict = weigh_quality(decide(primary, design.smallest_effect), quality.state)
    pair = PairComparison(
        reference=archived.name,
        candidate=variant.name,
        verdict=verdict,
        grade=Grade.OBSERVED,
        primary_metric=design.metric,
        metrics=metrics,
        quality=quality,
        level=design.level,
        smallest_effect=design.smallest_effect,
        further_blocks=None,
        doubts=tuple(_doubts(archived, candidate, both, design.metric, design.level, quality, verdict)),
    )
    doubts = tuple(_differences(archived.environment, experiment.environment))
    return _shown(archived, experiment), Comparison(experiment.plan.experiment, (pair,), doubts)


def _compare(
    name: str, before: Sequence[Measurement], after: Sequence[Measurement], level: float
) -> MetricComparison | None:
    """None where it was not read alike in all runs."""
    readings = readings_alike((*before, *after), name)
    if isinstance(readings, str):
        return None
    values = [reading.value for reading in readings]
    return compare_unpaired(
        name,
        values[: len(before)],
        values[len(before) :],
        level,
        origin=least_firm(reading.origin for reading in readings),
        derived_from=readings[0].derived_from,
    )


def _quality(archived: Archived, candidate: Sequence[Measurement], target: QualityTarget | None) -> QualityComparison:
    named = {name for measurement in (*archived.measurements, *candidate) for name in measurement.quality}
    chosen = target or default_target(named)
    if chosen is None:
        return QualityComparison(QualityState.NOT_MEASURED)
    before, after = (
        [measurement.quality[chosen.metric] for measurement in side if chosen.metric in measurement.quality]
        for side in (archived.measurements, candidate)
    )
    if not all(map(math.isfinite, (*before, *after))):
        return QualityComparison(QualityState.UNDECIDED, chosen.metric, chosen.direction, chosen.margin)
    return compare_unpaired_quality(before, after, chosen)


def _doubts(
    archived: Archived,
    candidate: Sequence[Measurement],
    both: Sequence[Measurement],
    primary: str,
    level: float,
    quality: QualityComparison,
    verdict: Verdict,
) -> Iterator[str]:
    if archived.measurements:
        first, last = archived.measurements[0].started_at[:10], archived.measurements[-1].started_at[:10]
        when = first if first == last else f"{first} to {last}"
        yield (
            f"{archived.name} ran on {when}, not in blocks with these runs: whatever else changed since then looks the "
            "same as a change of cost, so this is never graded above observed"
        )
    needed = fewest_for_interval(len(archived.measurements), level)
    if needed is None or len(candidate) < needed:
        here = f"{len(archived.measurements)} stored and {len(candidate)} new runs give no interval"
        yield here if needed is None else f"{here}; it takes {needed} new ones against so many"
    readings = readings_alike(both, primary)
    if both and isinstance(readings, str):
        yield readings + ": it cannot decide"
    if quality.state is QualityState.NOT_MEASURED and verdict in {Verdict.SAVING, Verdict.COSTS_MORE}:
        yield "nobody measured whether the result is as good"


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    if not before:
        yield "on what machine the stored runs were made is not known"
        return
    changed = [
        f"{name} {before.get(name, 'not set')} then, {after.get(name, 'not set')} now"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if changed:
        yield "the machine is not as it was: " + "; ".join(changed)


def _shown(archived: Archived, experiment: Experiment) -> Experiment:
    """As an experiment of two variants that ran one after the other, which is what it is."""
    design = experiment.plan.design
    reference = Variant(archived.name, archived.command)
    runs = tuple(
        Run(
            experiment=experiment.plan.experiment,
            variant=archived.name,
            block=block,
            position=0,
            attempt=1,
            seed=0,
            session="archived",
            measurement=measurement,
        )
        for block, measurement in enumerate(archived.measurements)
    )
    shown = replace(design, variants=(reference, *design.variants), order=Order.SEQUENTIAL)
    return replace(experiment, plan=replace(experiment.plan, design=shown), runs=(*runs, *experiment.runs))
