"""From the runs of a search to its answer: the whole curve, the setting to use, and what it saves. Pure.

Two questions are kept apart. Which setting is the cheapest is answered by the race (analysis.racing). What it saves
against the reference is answered by fresh blocks that no choice was made on, with the exact interval of every other
experiment: the runs that made a setting win are the lucky ones among its runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import Pair, counting_blocks
from wattleak.analysis.comparison import compare, compare_with_reference, quality_of
from wattleak.analysis.gaps import mean_cost
from wattleak.analysis.race_costs import costs_of, never_worked, normalised
from wattleak.analysis.racing import GOOD, Costs, Ending, Race, gap_between, level_at, race
from wattleak.model import CONTROL, Origin, QualityState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.blocks import Block
    from wattleak.model import Comparison, Experiment, PairComparison

_POINTWISE = 0.95  # level of the interval of one cost


class Standing(StrEnum):
    """What became of a setting."""

    CHOSEN = "chosen"
    LEFT = "not_told_apart"  # from the cheapest
    DEARER = "dearer"
    WORSE = "loses_quality"
    UNSURE = "quality_undecided"  # neither shown to be as good nor to be worse: it cannot win
    FAILED = "failed"
    RACING = "racing"


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the curve. Costs are those of the race; a change is over the chosen setting, minus one."""

    name: str
    levels: Mapping[str, str]
    standing: Standing
    blocks: int  # of the race that it ran in and that count
    cost: float | None  # geometric mean, in the unit of the metric; None: it never ran to its end
    cost_low: float | None  # 95 %, for this setting by itself; None: one block
    cost_high: float | None
    change: float | None  # over `against`, minus one; None for the leader, and where nothing can be said yet
    low: float | None  # simultaneous with those of all settings and looks
    high: float | None
    against: str | None  # who threw it out, or who leads
    quality: QualityState
    failure: str | None


@dataclass(frozen=True, slots=True)
class Tuning:
    """The answer of `wattleak tune`."""

    metric: str
    origin: Origin | None  # of the costs; None: there are none
    reference: str
    settings: tuple[Setting, ...]
    chosen: str | None  # None: the race goes on
    ending: Ending | None
    best: tuple[str, ...]  # the best one is among these, with probability `level`
    at_most: float | None  # the chosen one costs at most this fraction more than the best
    level: float
    blocks: int  # of the race
    fresh: int  # of the chosen setting and the reference, after it
    runs: int  # that were made, warm-ups and failures included
    full_grid: int  # what every setting in every block of the race would have taken
    saving: PairComparison | None  # None: the chosen one is the reference, or there are no fresh blocks
    problem: str | None  # why costs cannot be set against each other
    finished: bool


def judge(experiment: Experiment) -> Tuning:
    """The answer so far. The experiment must have a search (`Design.search`)."""
    counting = counting_blocks(experiment)
    experiment = normalised(experiment, counting)
    design = experiment.plan.design
    assert design.search is not None
    assert design.stopping is not None
    length = design.stopping.looks[-1]
    racing = tuple(block for block in counting if block.number < length)
    fresh = tuple(block for block in counting if block.number >= length)
    failures = never_worked(experiment)
    costs, origin, problem = costs_of(experiment, racing)
    found = race(experiment, racing if problem is None else (), costs, frozenset(failures))
    chosen = found.leader if found.ending is not None else None
    reference = design.variants[0].name
    settings = tuple(
        _setting(experiment, variant.name, found, racing, costs, failures.get(variant.name))
        for variant in design.variants
    )
    return Tuning(
        metric=design.metric,
        origin=origin,
        reference=reference,
        settings=_along_the_curve(settings),
        chosen=chosen,
        ending=found.ending,
        best=tuple(name for name in found.left if name in found.good),
        at_most=found.at_most,
        level=design.level,
        blocks=len(racing),
        fresh=len(fresh),
        runs=sum(run.variant != CONTROL for run in experiment.runs),
        full_grid=len(design.variants) * (design.warmups + length),
        saving=_saving(experiment, counting, chosen),
        problem=problem,
        finished=chosen is not None and (chosen == reference or len(fresh) >= design.search.confirmations),
    )


def confirmation(experiment: Experiment, chosen: str | None) -> Experiment | None:
    """The experiment that the fresh blocks are: reference and chosen setting, and nothing that anybody looked at.

    None while there is none: no setting is chosen, it is the reference, or no fresh block was run whole.
    """
    counting = counting_blocks(experiment)
    design = normalised(experiment, counting).plan.design
    reference = design.variants[0].name
    if chosen is None or chosen == reference or design.stopping is None or design.search is None:
        return None
    length, pair = design.stopping.looks[-1], {chosen, reference}
    if not any(block.number >= length and pair <= block.runs.keys() for block in counting):
        return None
    alone = replace(
        design,
        variants=tuple(item for item in design.variants if item.name in pair),
        blocks=design.search.confirmations,
        stopping=None,
        search=None,
    )
    runs = tuple(run for run in experiment.runs if run.block >= length and run.variant in pair)
    return replace(experiment, plan=replace(experiment.plan, design=alone), runs=runs)


def shown(experiment: Experiment) -> Experiment:
    """What a report shows as evidence: of a search with a claim the fresh runs, of anything else all of it."""
    if experiment.plan.design.search is None:
        return experiment
    return confirmation(experiment, judge(experiment).chosen) or experiment


def compare_search(experiment: Experiment) -> Comparison:
    """What `compare` says of a search: its claim; as long as there is none, each setting against the reference."""
    tuning = judge(experiment)
    blocks = counting_blocks(experiment)
    comparison = compare_with_reference(normalised(experiment, blocks), blocks)
    return comparison if tuning.saving is None else replace(comparison, pairs=(tuning.saving,), omnibus_p=None)


def _along_the_curve(settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
    """By rising level where there is one factor of numbers, else as the design has them."""
    levels = [list(item.levels.values()) for item in settings]
    try:
        order = [float(level[0]) for level in levels if len(level) == 1]
    except ValueError:
        return settings
    if len(order) < len(settings):
        return settings
    return tuple(item for _, item in sorted(zip(order, settings, strict=True), key=lambda pair: pair[0]))


def _saving(experiment: Experiment, counting: Sequence[Block], chosen: str | None) -> PairComparison | None:
    """The claim, from the fresh blocks alone; where they leave quality open, it is judged in all blocks."""
    fresh = confirmation(experiment, chosen)
    if fresh is None or chosen is None:
        return None
    (alone,) = compare(fresh).pairs
    if alone.quality.state in {QualityState.WORSE, QualityState.NOT_MEASURED, *GOOD}:
        return alone
    both = tuple(block for block in counting if {alone.reference, chosen} <= block.runs.keys())
    return replace(alone, quality=quality_of(Pair(experiment, both, alone.reference, chosen)))


def _setting(
    experiment: Experiment, name: str, found: Race, blocks: Sequence[Block], costs: Costs, failure: str | None
) -> Setting:
    design = experiment.plan.design
    own = [costs[block.number, name] for block in blocks if (block.number, name) in costs]
    cost, cost_low, cost_high = mean_cost(own, _POINTWISE) if own else (None, None, None)
    exit_ = found.exits.get(name)
    gap, against = None, found.leader if exit_ is None or exit_.rival is None else exit_.rival
    if against is not None and failure is None and name != found.leader:
        look = exit_.look if exit_ is not None else found.looks[-1]
        gap = gap_between(name, against, blocks[:look], costs, level_at(design, look))
    quality = found.quality.get(name)
    return Setting(
        name=name,
        levels=next(variant.levels for variant in design.variants if variant.name == name),
        standing=_standing(name, found, failure),
        blocks=len(own),
        cost=cost,
        cost_low=cost_low,
        cost_high=cost_high,
        change=None if gap is None else math.expm1(gap.mean),
        low=None if gap is None else math.expm1(gap.low),
        high=None if gap is None else math.expm1(gap.high),
        against=None if gap is None else against,
        quality=QualityState.NOT_MEASURED if quality is None else quality.state,
        failure=failure,
    )


def _standing(name: str, found: Race, failure: str | None) -> Standing:
    if failure is not None:
        return Standing.FAILED
    exit_ = found.exits.get(name)
    if exit_ is not None and name != found.leader:
        return Standing.WORSE if exit_.rival is None else Standing.DEARER
    if found.ending is None:
        return Standing.RACING
    if name == found.leader:
        return Standing.CHOSEN
    return Standing.LEFT if name in found.good else Standing.UNSURE
