"""Sizes of effects and unpaired comparisons, against R 4.2.2 (stats) and scipy."""

from __future__ import annotations

import math

import pytest

from wattleak.analysis.effect_size import paired_sizes, unpaired_sizes
from wattleak.analysis.unpaired import unpaired_change

# R: d <- c(...); w <- wilcox.test(d, exact=TRUE); V <- w$statistic; n <- length(d); c(w$p.value, 2*V/(n*(n+1)/2) - 1)
DIFFERENCES = (0.12, -0.03, 0.08, 0.15, 0.02, -0.01, 0.09, 0.07, 0.11, -0.05)
BEFORE = (10.1, 10.4, 9.8, 10.0, 10.3, 9.9, 10.25)
AFTER = (10.6, 10.2, 10.9, 11.0, 10.5, 10.7, 10.35, 10.15)
# Drawn once by R (seed 1): 20 values lognormal(0, 0.1), 15 values lognormal(0.08, 0.2), rounded to five digits.
MANY_BEFORE = (0.93928, 1.01853, 0.91983, 1.17296, 1.03350, 0.92123, 1.04995, 1.07663, 1.05927, 0.96992)
MANY_BEFORE += (1.16320, 1.03975, 0.93977, 0.80134, 1.11906, 0.99552, 0.99838, 1.09898, 1.08559, 1.06119)
MANY_AFTER = (1.30186, 1.26672, 1.09956, 0.72770, 1.22626, 1.07119, 1.05005, 0.80723, 0.98449, 1.17773)
MANY_AFTER += (1.42153, 1.06124, 1.17062, 1.07169, 0.82250)


def test_paired_sizes_agree_with_r() -> None:
    sizes = paired_sizes(DIFFERENCES)
    assert sizes is not None
    assert sizes.rank_biserial == pytest.approx(0.7090909091, abs=1e-10)
    assert sizes.wilcoxon_p == pytest.approx(0.0488281250, abs=1e-10)
    assert sizes.superiority == pytest.approx(0.7)


def test_swapping_the_variants_mirrors_the_sizes() -> None:
    sizes, mirrored = paired_sizes(DIFFERENCES), paired_sizes([-d for d in DIFFERENCES])
    assert sizes is not None
    assert mirrored is not None
    assert sizes.rank_biserial == pytest.approx(-(mirrored.rank_biserial or 0.0))
    assert sizes.superiority == pytest.approx(1.0 - (mirrored.superiority or 0.0))
    assert sizes.wilcoxon_p == mirrored.wilcoxon_p


def test_no_difference_at_all_is_no_effect_and_no_error() -> None:
    sizes = paired_sizes((0.0, 0.0, 0.0))
    assert sizes is not None
    assert (sizes.rank_biserial, sizes.superiority, sizes.wilcoxon_p) == (0.0, 0.5, 1.0)
    assert paired_sizes(()) is None


def test_unpaired_sizes_count_who_is_higher() -> None:
    wins = sum((a > b) + 0.5 * (a == b) for a in AFTER for b in BEFORE) / (len(AFTER) * len(BEFORE))
    sizes = unpaired_sizes(BEFORE, AFTER, 0.95)
    assert sizes is not None
    assert sizes.a12 == pytest.approx(wins)
    assert sizes.cliffs_delta == pytest.approx(2 * wins - 1)
    assert sizes.a12_low is not None
    assert sizes.a12_high is not None
    assert 0.5 < sizes.a12_low < wins < sizes.a12_high <= 1.0
    assert unpaired_sizes((1.0,), AFTER, 0.95) is None


@pytest.mark.parametrize(
    ("before", "after", "level", "expected"),
    [
        # R: w <- wilcox.test(log(after), log(before), conf.int=TRUE, exact=TRUE, conf.level=level)
        #    expm1(c(w$estimate, w$conf.int))
        (BEFORE, AFTER, 0.95, (0.04235824064556, 0.00975609756098, 0.07920792079208)),
        (BEFORE, AFTER, 0.90, (0.0423582406456, 0.0192307692308, 0.0707070707071)),
        (MANY_BEFORE, MANY_AFTER, 0.95, (0.0694820208399, -0.0224301992465, 0.1668493630192)),
    ],
)
def test_unpaired_shift_and_interval_agree_with_r(
    before: tuple[float, ...], after: tuple[float, ...], level: float, expected: tuple[float, float, float]
) -> None:
    change = unpaired_change(before, after, level)
    assert (change.change, change.low, change.high) == pytest.approx(expected, abs=1e-10)


def test_two_groups_apart_have_the_p_of_the_most_extreme_order() -> None:
    assert unpaired_change((1.0, 1.1, 1.2), (5.0, 6.0, 7.0), 0.95).p_value == pytest.approx(2 / math.comb(6, 3))
    assert unpaired_change((1.0, 1.1, 1.2), (5.0, 6.0, 7.0), 0.95).low is None  # three a side never reach 95 %
    assert unpaired_change((2.0, 2.0), (2.0, 2.0), 0.95).p_value == 1.0
    assert unpaired_change((0.0, 2.0), (2.0, 2.0), 0.95).change is None  # a zero has no ratio
