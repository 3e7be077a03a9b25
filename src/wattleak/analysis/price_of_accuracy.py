"""What a further point of accuracy costs: is the last one exponentially dear, and what does a target cost? Pure.

A curve is what training had cost after each epoch, and the accuracy on test images then. Cost is known well and
accuracy is not (a share of some thousand images), so accuracy is fitted as a function of cost, by least squares:

    constant price      accuracy = a + b cost         every point costs the same
    exponential price   accuracy = a + b ln(cost)     every point costs exp(0.01 / b) times what the one before did
    power of the error  1 - accuracy = s cost^-b      every halving of the error costs 2^(1 / b) times what was spent

Each has two numbers to fit, so their sums of squares can be set side by side: within a run, as the logarithm of their
ratio, whose mean over runs has a t interval. Only where that lies on one side of zero is anything said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np

from wattleak.analysis.plane import Candidate, Mean, mean_cost, mean_quality

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Values = NDArray[np.float64]

POINT = 0.01  # of accuracy
LEAST_EPOCHS = 4  # two numbers are fitted, and something must be left to tell laws apart
_LEAST_MISFIT = 1e-12  # a sum of squares below it is rounding: accuracies come in steps of one image
_STEEPEST = 5.0  # of the power of the error: an error that falls by 2^-5 as the cost doubles is none


@dataclass(frozen=True, slots=True)
class Curve:
    """One run. Costs are in one unit (J or CPU-seconds), add up over the epochs, and rise."""

    costs: tuple[float, ...]  # of the epochs, the first step and start-up apart
    accuracies: tuple[float, ...]  # after each of them, from 0 to 1
    before: float | None = None  # start-up and first step; None: not read


class Answer(StrEnum):
    """Is the last point exponentially dear?"""

    EXPONENTIAL = "exponential"
    POWER = "power"  # dearer each time, but by a power of the error, which describes it better
    DEARER = "dearer"  # dearer each time; whether exponentially or by a power is not told apart
    CONSTANT = "constant"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Fits:
    """The three laws on one curve: their sums of squares, and what b is."""

    constant: float
    exponential: float
    power: float
    per_log: float  # b of the exponential price: accuracy per unit of ln(cost)


@dataclass(frozen=True, slots=True)
class Price:
    """What the runs of one candidate say together. Intervals are at 95 %."""

    answer: Answer
    runs: int
    factor: Mean | None = None  # exponential price: cost of a point over the cost of the point before
    over_constant: Mean | None = None  # mean ln(misfit of the constant price / misfit of the exponential one)
    over_power: Mean | None = None  # the same against the power of the error
    last_point: Mean | None = None  # its cost over the mean cost of the points before it, after the first epoch
    why: str = ""  # nothing could be fitted


@dataclass(frozen=True, slots=True)
class ToTarget:
    """What it costs to reach an accuracy. Interpolated between two measured epochs, never outside of them."""

    target: float
    runs: int
    reached: int  # runs that did
    within_first: int  # runs that had it after the first epoch: at most its cost, and no more is known
    cost: Mean | None = None  # training alone; None unless every run reached it, after the first epoch
    whole: Mean | None = None  # with start-up and the first step


def price_of(curves: Sequence[Curve], level: float = 0.95) -> Price:
    """What the runs of one candidate say about the price of accuracy."""
    runs = len(curves)
    if any(len(curve.costs) < LEAST_EPOCHS for curve in curves):
        return Price(Answer.UNDECIDED, runs, why=f"it takes {LEAST_EPOCHS} epochs to tell one law from another")
    if runs < 2:
        return Price(Answer.UNDECIDED, runs, why="one run has no interval")
    fits = [fit(curve) for curve in curves]
    over_constant = _mean([math.log(one.constant / one.exponential) for one in fits], level)
    over_power = _mean([math.log(one.power / one.exponential) for one in fits], level)
    return Price(
        _answer(over_constant, over_power),
        runs,
        _factor(_mean([one.per_log for one in fits], level)),
        over_constant,
        over_power,
        _last_points(curves, level),
    )


def fit(curve: Curve) -> Fits:
    """Fit the three laws to a curve. Raises ValueError for costs that are not above zero."""
    costs = np.asarray(curve.costs, dtype=np.float64)
    accuracies = np.asarray(curve.accuracies, dtype=np.float64)
    if not np.all(costs > 0):
        msg = "a curve has costs above zero"
        raise ValueError(msg)
    costs = costs / costs[-1]  # no unit, and no power of a large number
    _, constant = _line(costs, accuracies)
    per_log, exponential = _line(np.log(costs), accuracies)
    return Fits(constant, exponential, _power(costs, accuracies), per_log)


def cost_to(target: float, curve: Curve) -> tuple[float, bool] | None:
    """The cost when the target was first reached, and whether that was within the first epoch; None: it never was.

    Within the first epoch the cost is that of the whole epoch, an upper bound: before it nothing was measured.
    """
    for place, (cost, accuracy) in enumerate(zip(curve.costs, curve.accuracies, strict=True)):
        if accuracy >= target:
            if place == 0:
                return cost, True
            cheaper, worse = curve.costs[place - 1], curve.accuracies[place - 1]
            return cheaper + (cost - cheaper) * (target - worse) / (accuracy - worse), False
    return None


def to_target(target: float, curves: Sequence[Curve], level: float = 0.95) -> ToTarget:
    """Over the runs of one candidate. A mean of those that got there alone would flatter, so it is not made."""
    found = [cost_to(target, curve) for curve in curves]
    known = [one for one in found if one is not None]
    first = sum(within for _, within in known)
    if len(known) < len(curves) or first or not curves:
        return ToTarget(target, len(curves), len(known), first)
    before = [curve.before for curve in curves]
    whole = None
    if all(one is not None for one in before):
        whole = _geometric([cost + (one or 0.0) for (cost, _), one in zip(known, before, strict=True)], level)
    return ToTarget(target, len(curves), len(known), first, _geometric([cost for cost, _ in known], level), whole)


def common_target(curves: Sequence[Curve]) -> float | None:
    """The highest whole point of accuracy that every run reached; None where there is no run."""
    best = [max(curve.accuracies) for curve in curves if curve.accuracies]
    return math.floor(min(best) / POINT + 1e-9) * POINT if best else None


def last_point(curve: Curve) -> float | None:
    """Cost of the last point over the mean cost of the points before it; None where fewer than two were gained.

    Of the points that were gained after the first epoch; the last ends at the best accuracy that was measured.
    """
    best, start = max(curve.accuracies), curve.accuracies[0]
    if best - start < 2 * POINT:
        return None
    end, begin = cost_to(best, curve), cost_to(best - POINT, curve)
    assert end is not None
    assert begin is not None
    points_before = (best - POINT - start) / POINT
    mean_before = (begin[0] - curve.costs[0]) / points_before
    return (end[0] - begin[0]) / mean_before if mean_before > 0 else None


def _answer(over_constant: Mean, over_power: Mean) -> Answer:
    if over_constant.high is not None and over_constant.high < 0:
        return Answer.CONSTANT
    if over_constant.low is None or over_constant.low <= 0:
        return Answer.UNDECIDED
    if over_power.low is not None and over_power.low > 0:
        return Answer.EXPONENTIAL
    if over_power.high is not None and over_power.high < 0:
        return Answer.POWER
    return Answer.DEARER


def _factor(per_log: Mean) -> Mean | None:
    """From accuracy per ln(cost) to the ratio of the costs of neighbouring points; None where it has no upper end."""
    if per_log.low is None or per_log.high is None or per_log.low <= 0:
        return None
    low, value, high = (math.exp(POINT / slope) for slope in (per_log.high, per_log.value, per_log.low))
    return Mean(value, low, high)


def _last_points(curves: Sequence[Curve], level: float) -> Mean | None:
    found = [last_point(curve) for curve in curves]
    known = [one for one in found if one is not None and one > 0]
    return _geometric(known, level) if len(known) == len(found) else None


def _line(x: Values, y: Values) -> tuple[float, float]:
    """Slope and sum of squares of a straight line."""
    slope, start = np.polyfit(x, y, 1)
    return float(slope), max(_LEAST_MISFIT, float(np.sum((y - start - slope * x) ** 2)))


def _power(costs: Values, accuracies: Values) -> float:
    """Sum of squares of the best power of the error."""
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - a second to load, which the other parts do without

    errors = 1 - accuracies

    def misfit(power: float) -> float:
        shape = costs**-power
        size = float(errors @ shape) / float(shape @ shape)
        return float(np.sum((errors - size * shape) ** 2))

    found = minimize_scalar(misfit, bounds=(0.0, _STEEPEST), method="bounded", options={"xatol": 1e-9})
    return max(_LEAST_MISFIT, float(found.fun))


def _mean(values: Sequence[float], level: float) -> Mean:
    return mean_quality(Candidate("", {}, dict(enumerate(values))), level)


def _geometric(values: Sequence[float], level: float) -> Mean:
    return mean_cost(Candidate("", dict(enumerate(values)), {}), level)
