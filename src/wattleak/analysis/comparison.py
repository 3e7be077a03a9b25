"""From an experiment to its answer: one verdict for each candidate against the reference."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import replace
from math import isfinite
from typing import TYPE_CHECKING

from scipy.stats import friedmanchisquare

from wattleak.analysis.blocks import Pair, counting_blocks
from wattleak.analysis.control import check_control
from wattleak.analysis.doubts import experiment_doubts, pair_doubts
from wattleak.analysis.effect import Change, paired_change
from wattleak.analysis.effect_size import paired_sizes
from wattleak.analysis.feasibility import (
    adjusted_level,
    blocks_needed,
    further_blocks,
    minimal_detectable_change,
)
from wattleak.analysis.metrics import Reading, least_firm, metric, metrics_of
from wattleak.analysis.quality import compare_quality, usual_target
from wattleak.analysis.sequential import look_level
from wattleak.analysis.short_plan import with_primary
from wattleak.analysis.verdict import carries_a_claim, decide, grade, weigh_quality
from wattleak.model import (
    Comparison,
    Grade,
    MetricComparison,
    Origin,
    PairComparison,
    QualityComparison,
    QualityState,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.blocks import Block
    from wattleak.model import Experiment


def compare(experiment: Experiment) -> Comparison:
    """Compare every candidate with the reference, the first variant of the design.

    Pure: the same experiment gives the same answer. An experiment that has hardly begun has an answer too: not enough
    runs. A metric that was not read alike in every run that counts is absent from `metrics`, even the primary one.

    Raises:
        UsageError: the primary metric of the design does not exist, or its level is not between 0 and 1.
    """
    blocks = counting_blocks(experiment)
    if experiment.plan.design.search is not None:
        from wattleak.analysis.tuning import compare_search  # noqa: PLC0415 - it builds on this module

        return compare_search(experiment)
    experiment = with_primary(experiment, blocks)
    return compare_with_reference(experiment, blocks)


def compare_with_reference(experiment: Experiment, blocks: Sequence[Block]) -> Comparison:
    """`compare` when the primary metric and the blocks that count are known."""
    reference, *candidates = (variant.name for variant in experiment.plan.design.variants)
    pairs = [Pair(experiment, _with_both(blocks, reference, name), reference, name) for name in candidates]
    control = check_control(experiment)
    return Comparison(
        experiment.plan.experiment,
        _step_down(pairs),
        (*experiment_doubts(experiment, blocks), *(control.doubts if control else ())),
        control=control,
        omnibus_p=_omnibus(pairs) if len(pairs) > 1 else None,
    )


def _with_both(blocks: Sequence[Block], reference: str, candidate: str) -> tuple[Block, ...]:
    """The blocks in which both took part: who was dropped at a look is in the earlier ones only."""
    return tuple(block for block in blocks if candidate in block.runs and reference in block.runs)


def quality_of(pair: Pair) -> QualityComparison:
    """Did the result stay as good, in the blocks of this pair?"""
    return _compare_quality(pair)


def judge_primary(experiment: Experiment) -> tuple[Change, Grade]:
    """Only what decides, for one candidate and without doubts: the interval of the primary metric, and the grade.

    The same functions as in `compare`, in a hundredth of its time: for counting over many synthetic experiments, whose
    readings are taken for measured and whose results for equal.
    """
    blocks = counting_blocks(experiment)
    design = experiment.plan.design
    reference, candidate = (variant.name for variant in design.variants)
    pair = Pair(experiment, blocks, reference, candidate)
    readings = pair.readings(metric(design.metric).name)
    if isinstance(readings, str):
        return Change(None, None, None, None, len(blocks), design.level), Grade.OBSERVED
    before, after = ([reading.value for reading in side] for side in readings)
    level = look_level(design.stopping, design.level, len(blocks))
    return judge_values(before, after, _by_session(pair), level, design.smallest_effect)


def judge_values(
    before: Sequence[float],
    after: Sequence[float],
    sessions: Mapping[str, Sequence[float]],
    level: float,
    smallest_effect: float,
) -> tuple[Change, Grade]:
    """`judge_primary` for values that are known already: block by block, and as log ratios by session."""
    change = paired_change(before, after, level, test=False)
    verdict = decide(change, smallest_effect)
    measured = Reading(before[0], Origin.COUNTER, frozenset())
    return change, grade(sessions, verdict, measured, QualityState.IDENTICAL, level)


def _step_down(pairs: Sequence[Pair]) -> tuple[PairComparison, ...]:
    """Judge several candidates so that all claims together keep the level (Holm 1979).

    Every undecided candidate is judged at 1 - error / (number undecided); whoever is decided leaves, and the others
    are judged again at the level of the smaller number, until nobody new is decided. Each keeps the interval of the
    round in which it was decided, or of the last one.
    """
    judged: dict[str, PairComparison] = {}
    undecided = list(pairs)
    while undecided:
        design = undecided[0].design
        level = adjusted_level(design.level, len(undecided))
        judged |= {
            pair.candidate: _compare_pair(pair, look_level(design.stopping, level, len(pair.blocks)))
            for pair in undecided
        }
        left = [pair for pair in undecided if judged[pair.candidate].verdict is Verdict.NOT_ENOUGH_RUNS]
        if len(left) == len(undecided):
            break
        undecided = left
    return tuple(judged[pair.candidate] for pair in pairs)


def _omnibus(pairs: Sequence[Pair]) -> float | None:
    """Friedman's test over the blocks: does any variant differ at all? None when the metric cannot be compared."""
    reference, *others = [list(column) for pair in pairs for column in _columns(pair)]
    values = [reference, *others[::2]]  # the reference stands in every pair
    if any(len(column) < 2 or len(column) != len(reference) for column in values):
        return None
    p = float(friedmanchisquare(*values).pvalue)
    return p if isfinite(p) else None  # all equal in every block


def _columns(pair: Pair) -> tuple[list[float], list[float]]:
    readings = pair.readings(pair.design.metric)
    if isinstance(readings, str):
        return [], []
    return [reading.value for reading in readings[0]], [reading.value for reading in readings[1]]


def _compare_pair(pair: Pair, level: float) -> PairComparison:
    design = pair.design
    metrics = _compare_metrics(pair, level)
    primary = metrics.get(metric(design.metric).name)
    quality = _compare_quality(pair)
    verdict = weigh_quality(decide(primary, design.smallest_effect), quality.state)
    graded = grade(_by_session(pair), verdict, primary, quality.state, level)
    return PairComparison(
        reference=pair.reference,
        candidate=pair.candidate,
        verdict=verdict,
        grade=graded if carries_a_claim(pair.experiment) else Grade.OBSERVED,
        primary_metric=design.metric,
        metrics=metrics,
        quality=quality,
        level=level,
        smallest_effect=design.smallest_effect,
        further_blocks=_further_blocks(pair, level) if verdict is Verdict.NOT_ENOUGH_RUNS else None,
        doubts=pair_doubts(pair, metrics, quality, verdict, level),
        minimal_detectable=_minimal_detectable(pair, level),
    )


def _compare_metrics(pair: Pair, level: float) -> Mapping[str, MetricComparison]:
    compared: dict[str, MetricComparison] = {}
    for known in metrics_of(pair.design) if pair.blocks else ():
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
        sizes=paired_sizes(change.log_ratios),
    )


def _compare_quality(pair: Pair) -> QualityComparison:
    """Judge the target in the blocks where both runs reported it; a run that did not is named in the doubts.

    Equal hashes of the outputs in every block say more than any test, so they come first; where they differ the
    figures are judged, for a result may be as good without being the same.
    """
    if pair.design.short is not None:  # a figure of a training that was cut off says nothing about its result
        return QualityComparison(QualityState.NOT_MEASURED)
    target = pair.design.quality or usual_target([one.quality.keys() for one in pair.measurements])
    values = [] if target is None else pair.quality(target.metric)
    judged = compare_quality([before for before, _ in values], [after for _, after in values], target)
    outputs, differing = pair.outputs()
    if not outputs:
        return judged
    judged = replace(judged, outputs=outputs, outputs_differ=differing, blocks=judged.blocks or len(pair.blocks))
    return judged if differing else replace(judged, state=QualityState.IDENTICAL)


def _further_blocks(pair: Pair, level: float) -> int | None:
    if not pair.blocks:
        return blocks_needed(level, 1)
    differences = pair.differences(pair.design.metric)
    return further_blocks(differences, pair.design.smallest_effect, level) if differences else None


def _minimal_detectable(pair: Pair, level: float) -> float | None:
    """Smallest increase that as many blocks as these, as noisy as these, would show; None for fewer than two."""
    differences = pair.differences(pair.design.metric)
    if len(differences) < 2:
        return None
    return minimal_detectable_change(statistics.stdev(differences), len(differences), level)


def _by_session(pair: Pair) -> Mapping[str, Sequence[float]]:
    sessions: defaultdict[str, list[float]] = defaultdict(list)
    for block, difference in zip(pair.blocks, pair.differences(pair.design.metric), strict=False):
        sessions[block.runs[pair.reference].session].append(difference)
    return sessions
