"""Do the intervals keep their promise? Experiments drawn by numpy, seeds fixed, bands of the binomial distribution.

Nothing of the product makes the data. Of 1,000 experiments without a difference at most 69 may exclude zero, and the
true change must lie in at least 931 intervals: the exact 99 % band of Binomial(1000, 0.05) is 33 to 69.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from written_experiments import table

from wattleak.analysis.comparison import compare
from wattleak.analysis.effect import paired_change
from wattleak.analysis.verdict import decide

EXPERIMENTS = 1_000
BLOCKS = 12


def normal(rng):
    """Both variants 3 % noise."""
    return rng.normal(0.0, 0.03, (EXPERIMENTS, BLOCKS, 2))


def heavy_tailed(rng):
    """Lognormal times, every tenth run delayed by a lognormal tail: a busy machine."""
    noise = rng.normal(0.0, 0.02, (EXPERIMENTS, BLOCKS, 2))
    return noise + (rng.random(noise.shape) < 0.1) * rng.lognormal(-2.0, 1.0, noise.shape)


def drifting_in_random_order(rng):
    """The machine gets 20 % slower from the first run to the last; inside a block the order is random."""
    noise = rng.normal(0.0, 0.01, (EXPERIMENTS, BLOCKS, 2))
    drift = np.linspace(0.0, 0.2, 2 * BLOCKS).reshape(1, BLOCKS, 2)
    candidate_first = rng.random((EXPERIMENTS, BLOCKS, 1)) < 0.5
    return noise + np.where(candidate_first, drift[..., ::-1], drift)


@pytest.mark.parametrize("noise", [normal, heavy_tailed, drifting_in_random_order])
@pytest.mark.parametrize("change", [0.0, -0.10])
def test_intervals_cover_the_truth(noise, change):
    rng = np.random.default_rng(20_261_101)
    logs = noise(rng) + np.array([0.0, math.log1p(change)])
    found = [paired_change(*(100.0 * np.exp(one)).T, 0.95) for one in logs]
    covering = sum(one.low <= change <= one.high for one in found)
    assert covering >= 931
    assert covering <= 985  # an interval that is never wrong is too wide
    if change == 0.0:
        assert sum(one.high < 0.0 or one.low > 0.0 for one in found) <= 69
        assert sum(one.p_value <= 0.05 for one in found) <= 69


def two_noisy_variants(change, experiments, seed):
    noise = np.random.default_rng(seed).normal(0.0, 0.03, (experiments, BLOCKS, 2))
    return 100.0 * np.exp(noise + np.array([0.0, math.log1p(change)]))


def test_a_tenth_is_found_behind_three_percent_of_noise():
    found = [paired_change(*one.T, 0.95) for one in two_noisy_variants(-0.10, 500, seed=1)]
    verdicts = [decide(one, smallest_effect=0.02) for one in found]
    assert verdicts.count("saving") >= 450
    assert verdicts.count("costs_more") == verdicts.count("equal") == 0
    assert sum(one.low <= -0.10 <= one.high for one in found) >= 500 - 38  # 99 % band of Binomial(500, 0.05)


@pytest.mark.parametrize("change", [-0.10, 0.0])
def test_a_whole_experiment_says_the_same_and_does_not_cry_drift(change):
    pairs = []
    for i, one in enumerate(two_noisy_variants(change, 100, seed=2)):
        (pair,) = compare(table({"reference": one[:, 0], "candidate": one[:, 1]}, order_seed=i)).pairs
        alone = paired_change(*one.T, 0.95)
        assert pair.verdict == decide(alone, smallest_effect=0.02)
        pairs.append(pair)
    claimed = sum(pair.verdict in {"saving", "costs_more"} for pair in pairs)
    assert claimed >= 90 if change else claimed <= 11  # 99 % band of Binomial(100, 0.05)
    assert sum(any("drift" in doubt for doubt in pair.doubts) for pair in pairs) <= 8  # three tests at 1 %
