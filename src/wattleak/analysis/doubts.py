"""What a careful reader would object, in plain sentences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import fisher_exact, kendalltau, mannwhitneyu

from wattleak.analysis.blocks import is_good
from wattleak.analysis.feasibility import blocks_needed
from wattleak.analysis.short_plan import short_plan_doubts
from wattleak.analysis.verdict import decide
from wattleak.model import Order, QualityState, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from wattleak.analysis.blocks import Block, Pair
    from wattleak.model import Experiment, MetricComparison, QualityComparison

_IMBALANCE_P = 0.05  # failures that depend on the variant bias what is left; rather one false alarm more
_DRIFT_P = 0.01
_FEWEST_FOR_ORDER = 4  # blocks; three may well have the same order by chance
# A name with a unit is what something took, not how good it is.
_AMOUNTS = ("_s", "_j", "_wh", "_kwh", "_w", "_b", "_g")
_MOST_NAMES = 3


def experiment_doubts(experiment: Experiment, blocks: Sequence[Block]) -> tuple[str, ...]:
    """Return what is missing from the plan as a whole."""
    doubts = []
    design = experiment.plan.design
    planned = design.blocks * design.sessions
    if experiment.complete and design.search is not None:
        pass  # a search leaves out what it has no use for; its claim stands on fresh blocks
    elif len(blocks) < planned and experiment.complete and design.stopping is not None:
        doubts.append(
            f"stopped at a planned look, after {len(blocks)} of {planned} blocks: the interval allows for that, the "
            "estimate does not, and an effect that stops an experiment early tends to look larger than it is"
        )
    elif len(blocks) < planned:
        doubts.append(f"the plan is unfinished: {len(blocks)} of {planned} blocks are complete")
    if design.order is Order.SEQUENTIAL:
        doubts.append(
            "the variants ran one after another, not in random order: a machine that warms or is shared looks the same "
            "as a change of cost, and no interval can tell the two apart"
        )
    lost = {
        variant.name: number
        for variant in experiment.plan.design.variants
        if (number := sum(not good for good in _outcomes(experiment, variant.name)))
    }
    if lost:
        names = ", ".join(f"{name} {number}" for name, number in lost.items())
        doubts.append(f"failed runs do not count, nor do the blocks that they broke: {names}")
    hot = [run for run in experiment.runs if run.hot is not None]
    if hot:
        doubts.append(
            f"{len(hot)} of {len(experiment.runs)} runs began before the machine was at rest again (the first: "
            f"{hot[0].hot}): they count, and are flagged"
        )
    return tuple(doubts)


def pair_doubts(
    pair: Pair,
    metrics: Mapping[str, MetricComparison],
    quality: QualityComparison,
    verdict: Verdict,
    level: float,
) -> tuple[str, ...]:
    """Return what weakens or limits one verdict."""
    return (
        *_too_few(pair, level),
        *_no_primary(pair, metrics),
        *_failures(pair),
        *_drift(pair),
        *_order(pair),
        *_time_is_not_energy(pair, metrics, verdict),
        *_quality(pair, quality, verdict),
        *short_plan_doubts(pair),
    )


def _too_few(pair: Pair, level: float) -> Iterator[str]:
    needed, blocks = blocks_needed(level, 1), len(pair.blocks)
    if blocks < needed:
        noun = "block" if blocks == 1 else "blocks"
        yield f"only {blocks} complete {noun}; the interval needs {needed}"


def _no_primary(pair: Pair, metrics: Mapping[str, MetricComparison]) -> Iterator[str]:
    readings = pair.readings(pair.design.metric)
    if isinstance(readings, str):
        yield readings + ": it cannot decide"
    elif pair.blocks and metrics[pair.design.metric].change is None:
        yield f"{pair.design.metric} is zero in some run, so there is no ratio: it cannot decide"


def _failures(pair: Pair) -> Iterator[str]:
    """Fisher's exact test: did one variant fail more often than chance allows?"""
    table = []
    for name in (pair.reference, pair.candidate):
        outcomes = _outcomes(pair.experiment, name)
        table.append([sum(not good for good in outcomes), sum(outcomes)])
    (failed_before, _), (failed_after, _) = table
    if failed_before == failed_after == 0:
        return
    p = float(fisher_exact(np.array(table)).pvalue)
    if p < _IMBALANCE_P:
        yield (
            f"failures are unevenly spread ({pair.reference} {failed_before}, {pair.candidate} {failed_after}; "
            f"Fisher p = {p:.2g}): the blocks that are left may not stand for the rest"
        )


def _outcomes(experiment: Experiment, variant: str) -> list[bool]:
    """Return for each distinct run of a variant, warm-ups apart, whether it was good."""
    runs = {run.id: run for run in experiment.runs if run.variant == variant and run.block >= 0}
    return [is_good(run) for run in runs.values()]


def _drift(pair: Pair) -> Iterator[str]:
    """Kendall's tau of the primary metric against the time at which the runs began."""
    differences = pair.differences(pair.design.metric)
    if not differences:
        return
    metric = pair.design.metric
    drifting = []
    for name in (pair.reference, pair.candidate):
        starts = [block.runs[name].measurement.started_at for block in pair.blocks]
        readings = pair.readings(metric)
        assert not isinstance(readings, str)
        values = [reading.value for reading in readings[name == pair.candidate]]
        drifting += [f"{name} {trend}" for trend in _trend(starts, values)]
    if drifting:
        yield (
            f"{metric} drifts over the session ({', '.join(drifting)}): the blocks cancel that in the change, "
            "not in the absolute values"
        )
    starts = [block.runs[pair.reference].measurement.started_at for block in pair.blocks]
    for trend in _trend(starts, differences):
        yield f"the change of {metric} itself drifts from block to block ({trend}): it may not be one number"


def _trend(starts: Sequence[str], values: Sequence[float]) -> Iterator[str]:
    if len(set(values)) < 2 or len(set(starts)) < 2:
        return
    order = np.unique(starts, return_inverse=True)[1]  # ISO 8601 in UTC sorts as time does
    result = kendalltau(order, values)
    if result.pvalue < _DRIFT_P:
        yield f"Kendall tau = {result.statistic:+.2f}, p = {result.pvalue:.1g}"


def _order(pair: Pair) -> Iterator[str]:
    """Does it matter which of the two ran first inside a block?"""
    if pair.design.order is Order.SEQUENTIAL or len(pair.blocks) < _FEWEST_FOR_ORDER:
        return
    second = [block.runs[pair.reference].position < block.runs[pair.candidate].position for block in pair.blocks]
    if len(set(second)) == 1:
        first, last = (pair.reference, pair.candidate) if second[0] else (pair.candidate, pair.reference)
        yield f"{first} ran before {last} in every block: what order does cannot be told from what the variant does"
        return
    differences = pair.differences(pair.design.metric)
    after = [d for d, is_second in zip(differences, second, strict=False) if is_second]
    before = [d for d, is_second in zip(differences, second, strict=False) if not is_second]
    if not differences or len(set(differences)) == 1:
        return
    p = float(mannwhitneyu(before, after).pvalue)
    if p < _DRIFT_P:
        yield (
            f"the change of {pair.design.metric} depends on which variant runs first in a block "
            f"(median {_percent(before)} when {pair.candidate} is first, {_percent(after)} when it is second; "
            f"Mann-Whitney p = {p:.1g}): a longer cool-down may help"
        )


def _percent(differences: Sequence[float]) -> str:
    return f"{100.0 * math.expm1(float(np.median(differences))):+.1f} %"


def _time_is_not_energy(pair: Pair, metrics: Mapping[str, MetricComparison], verdict: Verdict) -> Iterator[str]:
    name = pair.design.metric
    if not name.startswith("cpu_") or verdict is not Verdict.EQUAL:
        return
    by_time = decide(metrics.get(name.replace("cpu_", "duration_", 1)), pair.design.smallest_effect)
    if by_time is Verdict.SAVING:
        yield "less wall time at equal CPU-seconds is a time saving, not an energy saving"
    elif by_time is Verdict.COSTS_MORE:
        yield "more wall time at equal CPU-seconds costs time; nothing here shows that it costs energy"


def _quality(pair: Pair, quality: QualityComparison, verdict: Verdict) -> Iterator[str]:
    if not pair.blocks or pair.design.short is not None:
        return
    if quality.metric is None:
        reported = sorted(
            name
            for name in set[str]().union(*(measurement.quality for measurement in pair.measurements))
            if not name.endswith(_AMOUNTS)
        )
        if reported:
            names = ", ".join(reported[:_MOST_NAMES])
            if len(reported) > _MOST_NAMES:
                names += f" and {len(reported) - _MOST_NAMES} more"
            are = "is" if len(reported) == 1 else "are"
            yield f"nobody knows which way {names} {are} better (--quality {reported[0]}:max says it): not judged"
        elif verdict is Verdict.SAVING:
            yield "no run reported how good its result is: a cheaper result may be a worse one"
        return
    values = [m.quality[quality.metric] for m in pair.measurements if quality.metric in m.quality]
    runs = len(pair.measurements)
    if len(values) < runs:
        yield f"{quality.metric} was reported in {len(values)} of {runs} runs"
    broken = sum(not math.isfinite(value) for value in values)
    if broken:
        yield f"{quality.metric} is not a finite number in {broken} of {runs} runs"
    if verdict is Verdict.SAVING and quality.state is QualityState.UNDECIDED:
        yield f"too few runs, or too noisy ones, to say that {quality.metric} is as good as before"
    if verdict is Verdict.EQUAL and quality.state is QualityState.WORSE:
        yield f"the cost is equal, but {quality.metric} is worse"
