"""The spread between runs, and the smallest effect that so many blocks can show, against R and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from wattleak.analysis.noise import BLOCKS, spread_of
from wattleak.model import Origin

PAIRS = [(10.0, 10.1), (10.2, 10.0), (9.9, 10.0), (10.0, 10.3), (10.1, 10.1), (9.8, 10.2), (10.4, 10.1)]


def test_the_spread_and_its_range_are_those_of_a_variance() -> None:
    """Oracle: numpy's variance and scipy's chi-square, written out as the textbook's interval of a variance."""
    found = spread_of("cpu_s", Origin.COUNTER, PAIRS)
    assert found is not None
    d = np.log([second / first for first, second in PAIRS])
    low, high = (6 * d.var(ddof=1) / stats.chi2(6).isf(q) for q in (0.025, 0.975))

    assert found.spread**2 == pytest.approx(d.var(ddof=1))
    assert (found.low**2, found.high**2) == pytest.approx((low, high))
    assert found.typical == 10.1


def test_experiments_find_the_smallest_effect_in_four_of_five() -> None:
    """Oracle: simulated experiments with an effect of that size, judged by scipy's paired t test."""
    found = spread_of("cpu_s", Origin.COUNTER, PAIRS)
    assert found is not None
    random = np.random.default_rng(7)
    assert tuple(item.blocks for item in found.detectable) == BLOCKS
    for item in found.detectable:
        d = random.normal(math.log1p(item.change), found.spread, size=(20_000, item.blocks))
        power = np.mean(stats.ttest_1samp(d, 0.0, axis=1).pvalue <= 0.05)
        assert power == pytest.approx(0.80, abs=0.012)  # four standard errors of 20,000 simulations
        assert item.low < item.change < item.high


def test_the_range_of_the_spread_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(11)
    held = 0
    for _ in range(400):
        d = random.normal(0.0, 0.02, size=20)
        found = spread_of("cpu_s", Origin.COUNTER, [(1.0, float(np.exp(x))) for x in d])
        assert found is not None
        held += found.low <= 0.02 <= found.high
    assert 362 <= held <= 394  # 99.9 % band of a binomial with 400 and 0.95


def test_runs_that_are_alike_to_the_last_digit_give_no_effect_rather_than_none_at_all() -> None:
    found = spread_of("cpu_s", Origin.COUNTER, [(1.0, 1.0)] * 8)
    assert found is not None
    assert (found.spread, found.detectable) == (0.0, ())


@pytest.mark.parametrize("pairs", [[], [(1.0, 1.1)] * 2, [(1.0, 0.0)] * 9])
def test_too_little_to_say(pairs: list[tuple[float, float]]) -> None:
    assert spread_of("cpu_s", Origin.COUNTER, pairs) is None
