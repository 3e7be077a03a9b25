"""From an experiment to its answer: one verdict for each candidate against the reference."""

from __future__ import annotations

import statistics
from collections import defaultdict
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import Pair, counting_blocks
from wattleak.analysis.doubts import experiment_doubts, pair_doubts
from wattleak.analysis.effect import paired_change
from wattleak.analysis.feasibility import adjusted_level, blocks_needed, further_blocks
from wattleak.analysis.metrics import METRICS, least_firm, metric
from wattleak.analysis.quality import compare_quality, default_target
from wattleak.analysis.verdict import decide, grade, weigh_quality
from wattleak.model import Comparison, Grade, MetricComparison, Order, PairComparison, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.metrics import Reading
    from wattleak.model import Experiment, QualityComparison, QualityTarget


def compare(experiment: Experiment) -> Comparison:
    """Compare every candidate with the reference, the first variant of the design.

    Pure: the same experiment gives the same answer. An experiment that has hardly begun has an answer too: not enough
    runs. A metric that was not read alike in every run that counts is absent from `metrics`, even the primary one.

    Raises:
        UsageError: the primary metric of the design does not exist, or its level is not between 0 and 1.
    """
    blocks = counting_blocks(experiment)
    reference, *candidates = (variant.name for variant in experiment.plan.design.variants)
    pairs = tuple(_compare_pair(Pair(experiment, blocks, reference, candidate)) for candidate in candidates)
    return Comparison(experiment.plan.experiment, pairs, experiment_doubts(experiment, blocks))


def _compare_pair(pair: Pair) -> PairComparison:
    design = pair.design
    level = adjusted_level(design.level, len(design.variants) - 1)
    metrics = _compare_metrics(pair, level)
    primary = metrics.get(metric(design.metric).name)
    quality = _compare_quality(pair)
    verdict = weigh_quality(decide(primary, design.smallest_effect), quality.state)
    graded = grade(_by_session(pair), verdict, primary, quality.state, level)
    return PairComparison(
        reference=pair.reference,
        candidate=pair.candidate,
        verdict=verdict,
        grade=graded if design.order is Order.RANDOM else Grade.OBSERVED,  # only chance in the order carries a claim
        primary_metric=design.metric,
        metrics=metrics,
        quality=quality,
        level=level,
        smallest_effect=design.smallest_effect,
        further_blocks=_further_blocks(pair, level) if verdict is Verdict.NOT_ENOUGH_RUNS else None,
        doubts=pair_doubts(pair, metrics, quality, verdict, level),
    )


def _compare_metrics(pair: Pair, level: float) -> Mapping[str, MetricComparison]:
    compared: dict[str, MetricComparison] = {}
    for known in METRICS if pair.blocks else ():
        readings = pair.readings(known.name)
        if not isinstance(readings, str):
            compared[known.name] = _compare_readings(known.name, *readings, level)
    return compared


def _compare_readings(
    name: str, reference: Sequence[Reading], candidate: Sequence[Reading], level: float
) -> MetricComparison:
    before, after = [reading.value for reading in reference], [reading.value for reading in candidate]
    change = paired_change(before, after, level)
    return MetricComparison(
        name=name,
        reference=statistics.median(before),
        candidate=statistics.median(after),
        change=change.change,
        low=change.low,
        high=change.high,
        p_value=change.p_value,
        blocks=change.blocks,
        origin=least_firm(reading.origin for reading in (*reference, *candidate)),
        derived_from=reference[0].derived_from,
    )


def _compare_quality(pair: Pair) -> QualityComparison:
    """Judge the target in the blocks where both runs reported it; a run that did not is named in the doubts."""
    target = pair.design.quality or _usual_target(pair)
    values = [] if target is None else pair.quality(target.metric)
    return compare_quality([before for before, _ in values], [after for _, after in values], target)


def _usual_target(pair: Pair) -> QualityTarget | None:
    """Choose among the figures that every run reported, else among those that some did."""
    reported = [measurement.quality.keys() for measurement in pair.measurements]
    somewhere = set[str]().union(*reported)
    return default_target(somewhere.intersection(*reported)) or default_target(somewhere)


def _further_blocks(pair: Pair, level: float) -> int | None:
    if not pair.blocks:
        return blocks_needed(level, 1)
    differences = pair.differences(pair.design.metric)
    return further_blocks(differences, pair.design.smallest_effect, level) if differences else None


def _by_session(pair: Pair) -> Mapping[str, Sequence[float]]:
    sessions: defaultdict[str, list[float]] = defaultdict(list)
    for block, difference in zip(pair.blocks, pair.differences(pair.design.metric), strict=False):
        sessions[block.runs[pair.reference].session].append(difference)
    return sessions
