"""Is the dearer one worth it? The Pareto front of candidates, marginal costs along it, and which one to take.

Weak dominance with tolerance: B dominates A when B is no dearer than A (beyond the smallest effect) and no worse
(beyond the margin), and is cheaper or better by more than that. It is said only when the two-dimensional interval of
the difference says so; the intervals of all pairs hold together at the level (Bonferroni over pairs and dimensions).
What the intervals leave open is called undecided. The relation has no cycles: along a cycle the gains, each above its
tolerance, would have to be paid back by losses, each within it, in both dimensions at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from wattleak.analysis.plane import Box, Candidate, Mean, Slope, box, mean_cost, mean_quality, slope
from wattleak.analysis.quality import default_target
from wattleak.model import Direction, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Origin, QualityTarget


class Standing(StrEnum):
    FRONT = "front"  # no other dominates it, and the intervals say so
    DOMINATED = "dominated"
    UNDECIDED = "undecided"  # some other may dominate it: the intervals do not say


@dataclass(frozen=True, slots=True)
class Plane:
    """What is laid against what, and what counts as a difference."""

    cost: str  # name of the metric, in SI units
    quality: QualityTarget  # its margin is what is tolerated
    smallest_effect: float  # of the cost, a fraction
    level: float = 0.95
    paired: bool = True  # runs come in blocks
    origin: Origin | None = None  # of the cost
    derived_from: str | None = None  # the cost is a function of that metric


@dataclass(frozen=True, slots=True)
class Placed:
    """One candidate in the plane."""

    name: str
    runs: int
    cost: Mean
    quality: Mean
    standing: Standing
    dominated_by: tuple[str, ...]
    undecided_with: tuple[str, ...]  # who may dominate it, for all that is known
    on_points: bool  # on the front of the means, whatever their intervals


@dataclass(frozen=True, slots=True)
class Step:
    """From one neighbour on the front to the next, dearer and better one."""

    cheaper: str
    dearer: str
    slope: Slope


@dataclass(frozen=True, slots=True)
class Advice:
    """The cheapest that is within the margin of the best, and how sure that is."""

    best: str
    choice: str
    gap: float  # how much worse the choice is than the best, at least 0 by their means
    gap_high: float | None  # upper end; None: no interval
    share: float  # cost of the choice over cost of the best
    share_low: float | None
    share_high: float | None
    shown: bool  # the interval says that it is within the margin, not the means alone


@dataclass(frozen=True, slots=True)
class Front:
    """The answer: candidates by rising cost, the steps between neighbours on the front, what to take."""

    plane: Plane
    candidates: tuple[Placed, ...]
    steps: tuple[Step, ...]
    advice: Advice
    cheapest: Advice  # the cheapest of all, against the best
    left_out: Mapping[str, str]  # candidate -> why it has no place


def pareto_front(candidates: Sequence[Candidate], plane: Plane, left_out: Mapping[str, str] | None = None) -> Front:
    """Place the candidates. Every one has a run or more, with a cost above zero and a quality in the same runs.

    Raises:
        ValueError: no candidate.
    """
    if not candidates:
        msg = "the front of no candidates"
        raise ValueError(msg)
    sign = 1 if plane.quality.direction is Direction.MAX else -1
    pairs = max(1, len(candidates) * (len(candidates) - 1) // 2)
    error = (1.0 - plane.level) / (2 * pairs)
    boxes = {
        (one.name, other.name): box(one, other, paired=plane.paired, error=error)
        for one, other in combinations(candidates, 2)
    }
    side = 1.0 - (1.0 - plane.level) / 2  # of one dimension, so that both hold at the level
    means = {one.name: (mean_cost(one, side), _possible(mean_quality(one, side), plane.quality)) for one in candidates}
    heights = {name: (cost.value, sign * quality.value) for name, (cost, quality) in means.items()}
    points = _nondominated(heights)
    placed = []
    for one in sorted(candidates, key=lambda one: (heights[one.name][0], -heights[one.name][1], one.name)):
        relations = {
            other.name: _dominates(_seen(boxes, one.name, other.name, sign), plane)
            for other in candidates
            if other.name != one.name
        }
        by = tuple(name for name, dominates in relations.items() if dominates)
        unsure = tuple(name for name, dominates in relations.items() if dominates is None)
        standing = Standing.DOMINATED if by else Standing.UNDECIDED if unsure else Standing.FRONT
        cost, quality = means[one.name]
        on_points = one.name in points
        placed.append(Placed(one.name, len(one.cost), cost, quality, standing, by, unsure, on_points))
    remaining = {item.name: heights[item.name] for item in placed if item.standing is not Standing.DOMINATED}
    line = sorted(_nondominated(remaining), key=lambda name: heights[name])
    by_name = {one.name: one for one in candidates}
    steps = [
        (one, other, slope(by_name[one], by_name[other], paired=plane.paired, level=plane.level, sign=sign))
        for one, other in pairwise(line)
    ]
    advised = _Advising(plane, sign, heights, boxes)
    return Front(
        plane,
        tuple(placed),
        tuple(Step(one, other, found) for one, other, found in steps if found is not None),
        advised.advice(placed, within_margin=True),
        advised.advice(placed, within_margin=False),
        dict(left_out or {}),
    )


def _possible(mean: Mean, target: QualityTarget) -> Mean:
    """The interval without values that the figure cannot take: a share lies between 0 and 1; R2 may be below 0."""
    known = default_target([target.metric])
    if mean.low is None or mean.high is None or known is None or known.direction is not Direction.MAX:
        return mean
    if not 0.0 <= mean.value <= 1.0:  # written in percent, or another figure of that name
        return mean
    return Mean(mean.value, mean.low if "r2" in target.metric.lower() else max(0.0, mean.low), min(1.0, mean.high))


def _seen(boxes: Mapping[tuple[str, str], Box], one: str, other: str, sign: int) -> Box:
    """How `other` stands to `one`, more being better."""
    found = boxes.get((one, other))
    if found is not None:
        return Box(found.ratio, found.gain if sign > 0 else _negated(found.gain))
    found = boxes[other, one]
    return Box(_negated(found.ratio), _negated(found.gain) if sign > 0 else found.gain)


def _negated(interval: Interval | None) -> Interval | None:
    return None if interval is None else Interval(-interval.high, -interval.low, interval.level)


def _dominates(seen: Box, plane: Plane) -> bool | None:
    """Whether the other dominates; None where the intervals do not say."""
    tolerated, margin = math.log1p(plane.smallest_effect), plane.quality.margin
    ratio, gain = seen.ratio, seen.gain
    no_dearer = ratio is not None and ratio.high <= tolerated
    no_worse = gain is not None and gain.low >= -margin
    cheaper = ratio is not None and ratio.high < -tolerated
    better = gain is not None and gain.low > margin
    if no_dearer and no_worse and (cheaper or better):
        return True
    surely_dearer = ratio is not None and ratio.low > tolerated
    surely_worse = gain is not None and gain.high < -margin
    never_cheaper = ratio is not None and ratio.low >= -tolerated
    never_better = gain is not None and gain.high <= margin
    if surely_dearer or surely_worse or (never_cheaper and never_better):
        return False
    return None


def _nondominated(heights: Mapping[str, tuple[float, float]]) -> set[str]:
    """Who is on the front of the points: cost (less is better) against height (more is better)."""
    return {
        name
        for name, (cost, height) in heights.items()
        if not any(
            other_cost <= cost and other_height >= height and (other_cost < cost or other_height > height)
            for other_cost, other_height in heights.values()
        )
    }


@dataclass(frozen=True, slots=True)
class _Advising:
    plane: Plane
    sign: int
    heights: Mapping[str, tuple[float, float]]
    boxes: Mapping[tuple[str, str], Box]

    def advice(self, placed: Sequence[Placed], *, within_margin: bool) -> Advice:
        names = [item.name for item in placed]  # by rising cost
        best = max(names, key=lambda name: (self.heights[name][1], -self.heights[name][0]))
        near = [name for name in names if not within_margin or self._gap(best, name) <= self.plane.quality.margin]
        choice = near[0]
        gap, share = self._gap(best, choice), self.heights[choice][0] / self.heights[best][0]
        if choice == best:
            return Advice(best, best, 0.0, 0.0, 1.0, 1.0, 1.0, shown=True)
        seen = _seen(self.boxes, best, choice, self.sign)
        gap_high = None if seen.gain is None else -seen.gain.low
        return Advice(
            best,
            choice,
            gap,
            gap_high,
            share,
            None if seen.ratio is None else math.exp(seen.ratio.low),
            None if seen.ratio is None else math.exp(seen.ratio.high),
            shown=gap_high is not None and gap_high <= self.plane.quality.margin,
        )

    def _gap(self, best: str, name: str) -> float:
        return self.heights[best][1] - self.heights[name][1]
