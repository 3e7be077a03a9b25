"""Cost and quality of candidates as points of a plane: means, two-dimensional intervals, ratios of differences.

Costs are positive and compared as ratios, so on their logarithms; quality is compared as a difference. Both come from
the same runs. Intervals are Student's t, which needs two runs where the exact intervals of a verdict need six: models
cost hours, and few of their runs are made. A rectangle holds at its level in both dimensions at once (Bonferroni).
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import stdtrit

from wattleak.model import Interval

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ROUNDING = 1e-9  # relative; differences that agree to so much are the same difference


@dataclass(frozen=True, slots=True)
class Candidate:
    """What the runs of one candidate cost and how good they were; keys are blocks, or just numbers of runs."""

    name: str
    cost: Mapping[int, float]  # above zero
    quality: Mapping[int, float]  # the same keys


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its interval; None where one run gives none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Box:
    """How a second candidate stands to a first. None: so few runs give no interval."""

    ratio: Interval | None  # natural logarithm of the second's cost over the first's
    gain: Interval | None  # the second's quality minus the first's, in the unit of the figure


@dataclass(frozen=True, slots=True)
class Slope:
    """From one candidate to a better one: what more it costs, and the cost of one more unit of quality.

    The interval is of `value`, and None where the gain in quality is not sure, or one run gives none.
    """

    more_cost: float
    more_quality: float  # above zero: the better way round
    value: float
    low: float | None = None
    high: float | None = None
    sure: bool | None = None  # whether the gain differs from nothing; None: one run does not say


def mean_cost(candidate: Candidate, level: float) -> Mean:
    """Geometric mean of the costs with the t interval of their logarithms."""
    logarithms = [math.log(cost) for cost in candidate.cost.values()]
    found = _mean(logarithms, level)
    ends = (None if end is None else math.exp(end) for end in (found.low, found.high))
    return Mean(math.exp(found.value), *ends)


def mean_quality(candidate: Candidate, level: float) -> Mean:
    """Mean of the quality with its t interval."""
    return _mean(list(candidate.quality.values()), level)


def box(first: Candidate, second: Candidate, *, paired: bool, error: float) -> Box:
    """The rectangle of ratio and gain, each side missing the truth with probability `error` at most.

    Args:
        first: the one that stands at (0, 0).
        second: the one that is placed.
        paired: keys are blocks, and runs of one block are set against each other; else Welch's interval (1947).
        error: of each side, two-sided.
    """
    if paired:
        keys = sorted(first.cost.keys() & second.cost.keys())
        ratios = [math.log(second.cost[key]) - math.log(first.cost[key]) for key in keys]
        gains = [second.quality[key] - first.quality[key] for key in keys]
        return Box(_paired(ratios, error), _paired(gains, error))
    costs = [[math.log(cost) for cost in one.cost.values()] for one in (first, second)]
    return Box(
        _welch(costs[0], costs[1], error),
        _welch(list(first.quality.values()), list(second.quality.values()), error),
    )


def slope(first: Candidate, second: Candidate, *, paired: bool, level: float, sign: int = 1) -> Slope | None:
    """Cost of one more unit of quality on the way from the first to the second, by Fieller's theorem (1954).

    `sign` is -1 where less is better. The interval holds every r for which cost - r x quality of the difference has a
    mean that a t test at the level does not tell from zero. None where the second is no better.
    """
    if paired:
        keys = sorted(first.cost.keys() & second.cost.keys())
        cost = [second.cost[key] - first.cost[key] for key in keys]
        gain = [sign * (second.quality[key] - first.quality[key]) for key in keys]
        groups = [(cost, gain)]
    else:
        groups = [
            ([one.cost[key] for key in one.cost], [sign * one.quality[key] for key in one.cost])
            for one in (first, second)
        ]
    centres = [(statistics.fmean(cost), statistics.fmean(gain)) for cost, gain in groups]
    (c, q) = centres[0] if paired else (centres[1][0] - centres[0][0], centres[1][1] - centres[0][1])
    if q <= 0.0:
        return None
    fewest = min(len(cost) for cost, _ in groups)
    if fewest < 2:
        return Slope(c, q, c / q)
    cost_variance = sum(statistics.variance(cost) / len(cost) for cost, _ in groups)
    gain_variance = sum(statistics.variance(gain) / len(gain) for _, gain in groups)
    together = sum(statistics.covariance(cost, gain) / len(cost) for cost, gain in groups)
    t = float(stdtrit(fewest - 1, 0.5 + level / 2))
    a = q * q - t * t * gain_variance
    if a <= 0.0:  # the gain may be nothing: any price per point is possible
        return Slope(c, q, c / q, sure=False)
    b = c * q - t * t * together
    root = math.sqrt(max(0.0, b * b - a * (c * c - t * t * cost_variance)))
    return Slope(c, q, c / q, (b - root) / a, (b + root) / a, sure=True)


def _mean(values: Sequence[float], level: float) -> Mean:
    centre = statistics.fmean(values)
    if len(values) < 2:
        return Mean(centre, None, None)
    reach = _reach(statistics.variance(values) / len(values), len(values) - 1, 1.0 - level)
    return Mean(centre, centre - reach, centre + reach)


def _paired(differences: Sequence[float], error: float) -> Interval | None:
    n = len(differences)
    if n < 2:
        return None
    centre = statistics.fmean(differences)
    if max(differences) - min(differences) <= _ROUNDING * max(map(abs, differences)):
        # No spread at all, so a t interval of no width: then the sign test is asked how many it takes.
        return Interval(centre, centre, 1.0 - error) if 2.0 ** (1 - n) <= error else None
    reach = _reach(statistics.variance(differences) / n, n - 1, error)
    return Interval(centre - reach, centre + reach, 1.0 - error)


def _welch(first: Sequence[float], second: Sequence[float], error: float) -> Interval | None:
    if min(len(first), len(second)) < 2:
        return None
    parts = [(statistics.variance(values) / len(values), len(values) - 1) for values in (first, second)]
    whole = sum(part for part, _ in parts)
    if whole == 0.0:  # all runs of each alike: nothing says how far another would lie
        return None
    freedom = whole * whole / sum(part * part / degrees for part, degrees in parts)
    centre = statistics.fmean(second) - statistics.fmean(first)
    reach = _reach(whole, freedom, error)
    return Interval(centre - reach, centre + reach, 1.0 - error)


def _reach(variance_of_mean: float, freedom: float, error: float) -> float:
    return float(stdtrit(freedom, 1.0 - error / 2.0)) * math.sqrt(variance_of_mean)
