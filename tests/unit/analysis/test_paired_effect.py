"""Estimate, interval and p-value, against R 4.2.2 (stats, coin 1.4-2), scipy and enumeration written out here."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wattleak.analysis.effect import (
    hodges_lehmann,
    log_ratios,
    paired_change,
    sign_flip_p,
    signed_rank_interval,
)

D6 = (-0.113, -0.087, -0.142, -0.061, -0.099, -0.128)
D8 = (0.031, -0.012, 0.047, 0.022, -0.005, 0.058, 0.017, 0.039)
D12 = (-0.1034, -0.0871, -0.1312, -0.0655, -0.1129, -0.0948, -0.1503, -0.0790, -0.1218, -0.0417, -0.1087, -0.0962)
D20 = (
    *(0.0121, -0.0233, 0.0311, 0.0052, -0.0117, 0.0274, 0.0418, -0.0066, 0.0195, 0.0009),
    *(-0.0305, 0.0227, 0.0143, 0.0369, -0.0182, 0.0087, 0.0256, -0.0041, 0.0334, 0.0168),
)
TIED = (0.02, 0.02, -0.01, 0.03, 0.0, 0.03, 0.02, -0.01, 0.04, 0.02)

# R: w <- wilcox.test(d, conf.int=TRUE, conf.level=level, exact=TRUE); c(w$estimate, w$conf.int)
R_WILCOX = [
    (D6, 0.95, -0.106, -0.142, -0.061),
    (D6, 0.96875, -0.106, -0.142, -0.061),
    (D8, 0.95, 0.02525, 0.0025, 0.047),
    (D8, 0.975, 0.02525, -0.005, 0.0485),
    (D8, 0.99, 0.02525, -0.012, 0.058),
    (D12, 0.95, -0.0999, -0.1187, -0.08015),
    (D12, 0.975, -0.0999, -0.12205, -0.0763),
    (D12, 0.99, -0.0999, -0.1265, -0.07225),
    (D20, 0.95, 0.0108, 0.0003, 0.0211),
    (D20, 0.975, 0.0108, -0.0016, 0.0227),
    (D20, 0.99, 0.0108, -0.0039, 0.0245),
]


@pytest.mark.parametrize(("d", "level", "estimate", "low", "high"), R_WILCOX)
def test_estimate_and_interval_are_those_of_r(d, level, estimate, low, high):
    interval = signed_rank_interval(d, level)
    assert hodges_lehmann(d) == pytest.approx(estimate, abs=1e-9)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)


# R: s <- as.matrix(expand.grid(rep(list(c(-1,1)), n))); mean(abs(s %*% d) >= abs(sum(d)) - 1e-12)
# and pvalue(coin::symmetry_test(c(d, 0*d) ~ variant | block, distribution=exact())), which agree
R_FLIPS = [(D6, 0.03125), (D8, 0.0390625), (D12, 0.00048828125), (D20, 0.044046401977539062), (TIED, 0.03125)]


@pytest.mark.parametrize(("d", "p"), R_FLIPS)
def test_sign_flip_p_is_that_of_r(d, p):
    assert sign_flip_p(d) == pytest.approx(p, abs=1e-12)


def _brute_force_k(n, level):
    """Count, over all 2**n sets of ranks, how often their sum is at most w."""
    sums = [sum(chosen) for r in range(n + 1) for chosen in itertools.combinations(range(1, n + 1), r)]
    return sum(2 * sum(s <= w for s in sums) <= (1 - level) * 2**n + 1e-6 for w in range(n * (n + 1) // 2 + 1))


@pytest.mark.parametrize("d", [TIED, TIED[:7], (0.5,) * 8, (0.0, 0.0, 0.1, 0.1, -0.1, 0.1, 0.2), (-1.0, 1.0) * 4])
@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_ties_and_zeros_leave_the_same_order_statistics(d, level):
    walsh = sorted((a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2))
    k = _brute_force_k(len(d), level)
    interval = signed_rank_interval(d, level)
    assert (interval.low, interval.high) == pytest.approx((walsh[k - 1], walsh[-k]), abs=1e-12)
    assert hodges_lehmann(d) == pytest.approx(np.median(walsh), abs=1e-12)


# R: qsignrank(0.025, n); beyond 200 blocks ours is the normal distribution, which must never be the narrower
@pytest.mark.parametrize(
    ("n", "k"), [(6, 1), (8, 4), (12, 14), (20, 53), (30, 138), (50, 435), (100, 1956), (200, 8445)]
)
def test_the_order_statistic_is_that_of_r(n, k):
    d = np.random.default_rng(n).normal(size=n)
    walsh = np.sort([(a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2)])
    interval = signed_rank_interval(tuple(d), 0.95)
    assert (interval.low, interval.high) == pytest.approx((walsh[k - 1], walsh[-k]), abs=1e-12)


@pytest.mark.parametrize(("n", "k"), [(250, 13445), (400, 35567)])
def test_many_blocks_use_the_normal_distribution_on_the_wide_side(n, k):
    d = np.random.default_rng(n).normal(size=n)
    walsh = np.sort([(a + b) / 2 for a, b in itertools.combinations_with_replacement(d, 2)])
    interval = signed_rank_interval(tuple(d), 0.95)
    assert walsh[int(0.998 * k) - 1] <= interval.low <= walsh[k - 1]
    assert walsh[-k] <= interval.high <= walsh[-int(0.998 * k)]


@pytest.mark.parametrize("n", [21, 40])
def test_random_flips_agree_with_scipy(n):
    d = np.random.default_rng(n).normal(0.25, 1.0, n)
    exact = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=50_000, rng=np.random.default_rng(0), vectorized=True
    ).pvalue
    assert sign_flip_p(tuple(d)) == pytest.approx(exact, abs=0.02)


def test_random_flips_never_claim_the_impossible():
    assert sign_flip_p((0.1,) * 30) == pytest.approx(1 / 10_000)


@pytest.mark.parametrize("n", range(6))
def test_too_few_blocks_give_no_interval(n):
    change = paired_change([1.0] * n, [1.5] * n, 0.95)
    assert (change.low, change.high) == (None, None)
    assert change.blocks == n
    assert (change.change is None) == (n == 0)


def test_six_equal_blocks_that_change_nothing():
    change = paired_change([3.0] * 6, [3.0] * 6, 0.95)
    assert (change.change, change.low, change.high, change.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_everything_is_a_fraction():
    change = paired_change([2.0, 20.0] * 4, [1.0, 10.0] * 4, 0.95)
    assert (change.change, change.low, change.high) == pytest.approx((-0.5, -0.5, -0.5))
    assert change.p_value == 2 / 2**8


@pytest.mark.parametrize("broken", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_no_ratio_with_a_value_that_is_not_positive(broken, side):
    sides = [[1.0] * 8, [1.1] * 8]
    sides[side][3] = broken
    change = paired_change(*sides, 0.95)
    assert (change.change, change.low, change.high, change.p_value, change.blocks) == (None, None, None, None, 8)


def test_unpaired_runs_are_refused():
    with pytest.raises(ValueError, match="zip"):
        paired_change([1.0, 2.0], [1.0], 0.95)


positive = st.floats(0.1, 1e4)
pairs = st.lists(st.tuples(positive, positive), min_size=1, max_size=24)


@given(pairs)
def test_swapping_the_variants_mirrors_the_change_and_keeps_p(values):
    before, after = zip(*values, strict=True)
    one, other = paired_change(before, after, 0.95), paired_change(after, before, 0.95)
    assert math.log1p(one.change) == pytest.approx(-math.log1p(other.change), rel=1e-6, abs=1e-9)
    assert one.p_value == other.p_value
    assert (one.low is None) == (other.low is None)
    if one.low is not None:
        assert math.log1p(one.low) == pytest.approx(-math.log1p(other.high), rel=1e-6, abs=1e-9)


@given(pairs, st.floats(1e-3, 1e6))
def test_another_unit_changes_nothing(values, factor):
    before, after = zip(*values, strict=True)
    one = paired_change(before, after, 0.95)
    other = paired_change([factor * v for v in before], [factor * v for v in after], 0.95)
    assert other.change == pytest.approx(one.change, rel=1e-6, abs=1e-9)
    if one.low is not None:
        assert (other.low, other.high) == pytest.approx((one.low, one.high), rel=1e-6, abs=1e-9)


@given(pairs, st.randoms(use_true_random=False))
def test_the_order_of_the_blocks_changes_nothing(values, random):
    shuffled = random.sample(values, len(values))
    one = paired_change(*zip(*values, strict=True), 0.95)
    other = paired_change(*zip(*shuffled, strict=True), 0.95)
    assert (one.change, one.low, one.high, one.p_value) == (other.change, other.low, other.high, other.p_value)


@given(pairs)
def test_the_estimate_lies_in_its_interval(values):
    change = paired_change(*zip(*values, strict=True), 0.95)
    if change.low is not None:
        assert change.low <= change.change <= change.high
        assert change.p_value <= 1.0


def test_log_ratios_of_a_swap_are_the_exact_negative():
    before, after = [0.1, 0.7, 12.3], [0.3, 0.9, 11.1]
    assert log_ratios(before, after) == tuple(-d for d in log_ratios(after, before))
