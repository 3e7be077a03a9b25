"""Who is still in the race for the cheapest setting, replayed from the blocks: the same runs give the same race.

At each planned look every pair of settings that is still in is compared in the blocks that both ran in. A setting is
out when the interval of its cost over that of another leaves out zero. The intervals hold together for the K - 1
comparisons that the best setting takes part in (Bonferroni) and over all looks (Pocock, analysis.sequential), so that
the best one is thrown out with probability 1 - level at most, whichever it is: a confidence set for the best (Gupta
1965; Hsu, Multiple Comparisons, 1996, chapter 4) that shrinks as blocks are added (successive elimination: Even-Dar,
Mannor and Mansour 2006).

Quality comes first. Only a setting whose result is shown to be as good as that of the reference may throw others out,
or win; one that is shown to be worse is out itself. Where no result was measured, cost alone decides.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import Pair
from wattleak.analysis.comparison import quality_of
from wattleak.analysis.feasibility import adjusted_level
from wattleak.analysis.gaps import log_gap
from wattleak.analysis.sequential import look_level
from wattleak.model import QualityState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.blocks import Block
    from wattleak.analysis.gaps import LogGap
    from wattleak.model import Design, Experiment, QualityComparison

GOOD = frozenset({QualityState.IDENTICAL, QualityState.EQUIVALENT, QualityState.BETTER})

Costs = dict[tuple[int, str], float]
"""(number of the block, name of the setting) -> what the run cost, positive."""


class Ending(StrEnum):
    """Why a race was over."""

    ONE_LEFT = "one_left"
    CLOSE_ENOUGH = "close_enough"  # the leader is shown to cost at most the smallest effect more than the best
    BLOCKS_SPENT = "blocks_spent"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a setting left: after which look, and beaten by whom; by nobody when its result is worse."""

    look: int
    rival: str | None


@dataclass(frozen=True, slots=True)
class Race:
    """The race so far. `leader` is the one to use of those that are left; None before the first look."""

    looks: tuple[int, ...]  # that were made
    left: tuple[str, ...]  # still in, in the order of the design
    exits: Mapping[str, Exit]
    quality: Mapping[str, QualityComparison]  # of each setting but the reference
    good: frozenset[str]  # may win
    leader: str | None
    at_most: float | None  # the leader costs at most this fraction more than the best of those that may win
    ending: Ending | None  # None: it goes on


def race(experiment: Experiment, blocks: Sequence[Block], costs: Costs, failed: frozenset[str]) -> Race:
    """Replay the race over its complete blocks. `failed` settings never ran to their end and take no part."""
    design = experiment.plan.design
    assert design.stopping is not None
    names = [variant.name for variant in design.variants]
    now = Race((), tuple(name for name in names if name not in failed), {}, {}, frozenset(names[:1]), None, None, None)
    for look in design.stopping.looks:
        if look > len(blocks) or now.ending is not None:
            break
        now = _looked(experiment, now, blocks[:look], costs)
    return now


def level_at(design: Design, look: int) -> float:
    """The level of the interval of one pair of settings at a look: all of them and all looks hold `design.level`."""
    return look_level(design.stopping, adjusted_level(design.level, max(1, len(design.variants) - 1)), look)


def gap_between(one: str, other: str, blocks: Sequence[Block], costs: Costs, level: float) -> LogGap | None:
    """ln(one / other) over the blocks that both ran in."""
    both = [block.number for block in blocks if (block.number, one) in costs and (block.number, other) in costs]
    return log_gap([costs[number, one] for number in both], [costs[number, other] for number in both], level)


def _looked(experiment: Experiment, before: Race, blocks: Sequence[Block], costs: Costs) -> Race:
    design, look = experiment.plan.design, len(blocks)
    reference = design.variants[0].name
    level = level_at(design, look)
    quality = {
        name: _quality(experiment, blocks, reference, name) if name in before.left else before.quality[name]
        for name in (variant.name for variant in design.variants[1:])
        if name in before.left or name in before.quality
    }
    unmeasured = all(found.state is QualityState.NOT_MEASURED for found in quality.values())
    good = frozenset({reference, *(name for name, found in quality.items() if unmeasured or may_win(design, found))})
    exits = dict(before.exits)
    for name in before.left:
        rival = _beaten_by(name, [other for other in before.left if other in good], blocks, costs, level)
        if name != reference and quality[name].state is QualityState.WORSE:
            exits[name] = Exit(look, None)
        elif rival is not None:
            exits[name] = Exit(look, rival)
    if any(name not in exits and name not in good for name in before.left):
        exits.pop(reference, None)  # it is the measure of their quality: it runs on
    left = tuple(name for name in before.left if name not in exits)
    able = [name for name in left if name in good]
    # All settings that threw the others out may have turned out worse since: then the reference is what is known good.
    leader = min(able, key=lambda name: _mean_log(name, blocks, costs)) if able else reference
    at_most = _at_most(leader, able, blocks, costs, level)
    return Race(
        (*before.looks, look), left, exits, quality, good, leader, at_most, _ending(design, left, able, at_most, look)
    )


def may_win(design: Design, quality: QualityComparison) -> bool:
    """Whether a result is good enough: shown to be as good; or, of a figure without any margin, not shown to be worse.

    A loss has no margin that nobody stated, and two trainings never have the same one: it could never be shown.
    """
    no_margin = design.quality is None and quality.state is QualityState.UNDECIDED and not quality.margin
    return quality.state in GOOD or no_margin


def _ending(
    design: Design, left: Sequence[str], able: Sequence[str], at_most: float | None, look: int
) -> Ending | None:
    assert design.stopping is not None
    if len(left) <= 1:
        return Ending.ONE_LEFT
    if len(able) == len(left) and at_most is not None and at_most <= design.smallest_effect:
        return Ending.CLOSE_ENOUGH
    return Ending.BLOCKS_SPENT if look == design.stopping.looks[-1] else None


def _quality(experiment: Experiment, blocks: Sequence[Block], reference: str, name: str) -> QualityComparison:
    both = tuple(block for block in blocks if reference in block.runs and name in block.runs)
    return quality_of(Pair(experiment, both, reference, name))


def _beaten_by(name: str, rivals: Sequence[str], blocks: Sequence[Block], costs: Costs, level: float) -> str | None:
    """The rival against which a setting is dearest beyond doubt; None when it is against nobody."""
    lows = {}
    for rival in rivals:
        gap = None if rival == name else gap_between(name, rival, blocks, costs, level)
        if gap is not None and gap.low > 0.0:
            lows[rival] = gap.mean
    return max(lows, key=lambda rival: lows[rival], default=None)


def _mean_log(name: str, blocks: Sequence[Block], costs: Costs) -> float:
    return statistics.fmean(math.log(costs[block.number, name]) for block in blocks if (block.number, name) in costs)


def _at_most(leader: str, able: Sequence[str], blocks: Sequence[Block], costs: Costs, level: float) -> float | None:
    """Upper end of what the leader costs more than the best one (Hsu): the largest over those that may beat it."""
    gaps = [gap_between(leader, other, blocks, costs, level) for other in able if other != leader]
    if any(gap is None for gap in gaps):
        return None
    return max((math.expm1(max(0.0, gap.high)) for gap in gaps if gap is not None), default=0.0)
