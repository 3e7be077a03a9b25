"""What a further point of accuracy costs, on curves drawn from known laws; intervals are SciPy's."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from wattleak.analysis.price_of_accuracy import (
    Answer,
    Curve,
    common_target,
    cost_to,
    fit,
    last_point,
    price_of,
    to_target,
)

EPOCHS = np.arange(1, 13)
COSTS = tuple(250.0 * EPOCHS)


def curves(law, *, noise=0.0005, runs=8):
    rng = np.random.default_rng(7)
    return [Curve(COSTS, tuple(law(EPOCHS) + rng.normal(0, noise, len(EPOCHS)))) for _ in range(runs)]


@pytest.mark.parametrize(
    ("law", "answer"),
    [
        (lambda n: 0.5 + 0.1 * np.log(n), Answer.EXPONENTIAL),
        (lambda n: 0.3 + 0.02 * n, Answer.CONSTANT),
        (lambda n: 1 - 0.6 * n**-0.9, Answer.POWER),
        (lambda n: 0.5 + 0 * n, Answer.UNDECIDED),
    ],
)
def test_the_law_that_drew_the_curve_is_the_answer(law, answer):
    assert price_of(curves(law)).answer is answer


def test_a_law_that_cannot_be_told_apart_is_not_chosen():
    """Half of the runs follow one law, half the other: each point dearer than the last is all that they agree in."""
    mixed = curves(lambda n: 0.5 + 0.1 * np.log(n), runs=4) + curves(lambda n: 1 - 0.6 * n**-0.9, runs=4)
    assert price_of(mixed).answer is Answer.DEARER


def test_the_factor_of_a_point_is_that_of_the_law():
    price = price_of(curves(lambda n: 0.5 + 0.1 * np.log(n)))
    assert price.factor.value == pytest.approx(math.exp(0.01 / 0.1), rel=0.005)
    assert price.factor.low < math.exp(0.1) < price.factor.high
    slopes = [fit(curve).per_log for curve in curves(lambda n: 0.5 + 0.1 * np.log(n))]
    low, high = stats.t.interval(0.95, 7, np.mean(slopes), stats.sem(slopes))
    assert (price.factor.low, price.factor.high) == pytest.approx((math.exp(0.01 / high), math.exp(0.01 / low)))


def test_the_unit_of_the_cost_changes_nothing():
    one = Curve(COSTS, tuple(0.5 + 0.1 * np.log(EPOCHS) + 0.001 * (-1) ** EPOCHS))
    other = Curve(tuple(3.6e6 * cost for cost in COSTS), one.accuracies)
    first, second = fit(one), fit(other)
    assert second.exponential == pytest.approx(first.exponential)
    assert second.power == pytest.approx(first.power)
    assert second.per_log == pytest.approx(first.per_log)


def test_too_little_to_say_anything():
    short = price_of([Curve((1.0, 2.0, 3.0), (0.5, 0.6, 0.7))] * 8)
    assert (short.answer, short.why) == (Answer.UNDECIDED, "it takes 4 epochs to tell one law from another")
    assert price_of(curves(lambda n: 0.02 * n, runs=1)).why == "one run has no interval"
    with pytest.raises(ValueError, match="above zero"):
        fit(Curve((0.0, 1.0, 2.0, 3.0), (0.1, 0.2, 0.3, 0.4)))


CURVE = Curve((10.0, 20.0, 30.0, 40.0), (0.5, 0.7, 0.6, 0.8), before=5.0)


def test_a_target_is_reached_between_two_measured_epochs():
    assert cost_to(0.6, CURVE) == (15.0, False)  # half-way from 0.5 to 0.7, the first time
    assert cost_to(0.75, CURVE) == (pytest.approx(37.5), False)
    assert cost_to(0.8, CURVE) == (40.0, False)
    assert cost_to(0.4, CURVE) == (10.0, True)  # before the first epoch ended nothing was measured
    assert cost_to(0.81, CURVE) is None


def test_the_cost_to_a_target_over_runs():
    runs = [CURVE, Curve((12.0, 24.0), (0.5, 0.7), before=7.0), Curve((11.0, 22.0), (0.4, 0.8), before=6.0)]
    found = to_target(0.6, runs)
    costs = [15.0, 18.0, 16.5]
    assert found.cost.value == pytest.approx(stats.gmean(costs))
    ends = stats.t.interval(0.95, 2, np.mean(np.log(costs)), stats.sem(np.log(costs)))
    assert (found.cost.low, found.cost.high) == pytest.approx(tuple(np.exp(ends)))
    assert found.whole.value == pytest.approx(stats.gmean([20.0, 25.0, 22.5]))


def test_a_target_that_some_runs_miss_has_no_cost():
    missed = to_target(0.75, [CURVE, Curve((12.0, 24.0), (0.5, 0.7))])
    assert (missed.reached, missed.runs, missed.cost) == (1, 2, None)
    first = to_target(0.45, [CURVE, Curve((12.0, 24.0), (0.4, 0.7))])
    assert (first.reached, first.within_first, first.cost) == (2, 1, None)


def test_the_target_that_every_run_reached():
    assert common_target([CURVE, Curve((1.0, 2.0), (0.7, 0.7449))]) == pytest.approx(0.74)
    assert common_target([Curve((1.0,), (0.85,))]) == pytest.approx(0.85)
    assert common_target([]) is None


def test_the_last_point_beside_those_before():
    """10 points in 10 J, then the last in 5 J: 5 times the price. What falls back afterwards is no gain."""
    curve = Curve((10.0, 20.0, 25.0, 30.0), (0.5, 0.6, 0.61, 0.605))
    assert last_point(curve) == pytest.approx(5.0)
    assert last_point(Curve((10.0, 20.0), (0.5, 0.51))) is None
