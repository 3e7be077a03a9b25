from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wattleak.analysis.effect import paired_change, signed_rank_interval
from wattleak.analysis.feasibility import adjusted_level, blocks_needed, further_blocks, minimal_detectable_change
from wattleak.errors import UsageError


# scipy.stats.wilcoxon([1..n], method="exact").pvalue <= alpha for the first time at this n
@pytest.mark.parametrize(
    ("level", "candidates", "blocks"),
    [
        (0.95, 1, 6),
        (0.95, 2, 7),
        (0.95, 4, 8),
        (0.9875, 1, 8),
        (0.9975, 1, 10),
        (0.999, 1, 11),
        (0.90, 1, 5),
        (0.5, 1, 2),
    ],
)
def test_the_floor_is_where_the_exact_test_begins_to_reach_its_level(level, candidates, blocks):
    assert blocks_needed(level, candidates) == blocks
    alpha = (1 - level) / candidates
    assert stats.wilcoxon(range(1, blocks + 1), method="exact").pvalue <= alpha + 1e-12
    if blocks > 2:
        assert stats.wilcoxon(range(1, blocks), method="exact").pvalue > alpha


@given(st.floats(0.5, 0.999), st.integers(1, 5))
def test_an_interval_exists_from_the_floor_on_and_not_before(level, candidates):
    blocks = blocks_needed(level, candidates)
    wanted = adjusted_level(level, candidates)
    assert paired_change([1.0] * blocks, [0.5] * blocks, wanted).high is not None
    if blocks > 2:
        assert paired_change([1.0] * (blocks - 1), [0.5] * (blocks - 1), wanted).high is None


def test_bonferroni():
    assert adjusted_level(0.95, 1) == pytest.approx(0.95)
    assert adjusted_level(0.95, 2) == pytest.approx(0.975)
    assert adjusted_level(0.9, 5) == pytest.approx(0.98)


@pytest.mark.parametrize(("level", "candidates"), [(0.0, 1), (1.0, 1), (95, 1), (math.nan, 1), (0.95, 0)])
def test_impossible_questions_are_usage_errors(level, candidates):
    with pytest.raises(UsageError) as caught:
        blocks_needed(level, candidates)
    assert caught.value.remedy


def _share_decided(rng, mean, spread, blocks, smallest_effect, experiments=400):
    """How often the interval is decisive, by simulation."""
    decided = 0
    for d in rng.normal(mean, spread, (experiments, blocks)):
        interval = signed_rank_interval(tuple(d), 0.95)
        low, high = math.expm1(interval.low), math.expm1(interval.high)
        inside = -smallest_effect <= low and high <= smallest_effect
        decided += inside or high < -smallest_effect or low > smallest_effect
    return decided / experiments


@pytest.mark.parametrize(
    ("mean", "spread"), [(-0.10, 0.15), (-0.06, 0.05), (0.05, 0.03), (-0.5, 0.6), (0.0, 0.04), (0.005, 0.03)]
)
def test_the_promised_number_of_blocks_decides_about_as_often_as_promised(mean, spread):
    shape = np.array([-1.4, -0.9, -0.2, 0.2, 0.9, 1.4])  # symmetric: the Hodges-Lehmann estimate is the mean
    pilot = mean + spread * shape / shape.std(ddof=1)
    further = further_blocks(tuple(pilot), 0.02, 0.95)
    assert further > 0
    rng = np.random.default_rng(8)
    assert 0.72 <= _share_decided(rng, mean, spread, len(pilot) + further, 0.02) <= 0.95


def test_nothing_further_when_the_interval_is_decisive():
    assert further_blocks((-0.10, -0.11, -0.09, -0.10, -0.12, -0.10), 0.02, 0.95) == 0
    assert further_blocks((0.001, -0.001, 0.002, -0.002, 0.0, 0.001), 0.02, 0.95) == 0


@pytest.mark.parametrize(("d", "further"), [((), 6), ((-0.1,), 5), ((-0.1, -0.1), 4), ((-0.1, -0.101, -0.1), 3)])
def test_at_least_the_floor(d, further):
    assert further_blocks(d, 0.02, 0.95) == further


def test_an_endless_experiment_is_not_promised_an_end():
    just_beyond = math.log(0.98) - 1e-5
    assert further_blocks((just_beyond - 0.1, just_beyond + 0.1), 0.02, 0.95) is None
    assert further_blocks((-0.1, 0.1), 0.0, 0.95) is None  # on the bound


@given(st.lists(st.floats(-1.0, 1.0), max_size=12), st.floats(0.0, 0.2))
def test_the_answer_is_none_or_a_number_of_blocks(d, smallest_effect):
    further = further_blocks(d, smallest_effect, 0.95)
    assert further is None or 0 <= further <= 10_000
    if len(d) < 6:
        assert further is None or len(d) + further >= 6


# R: power.t.test(n=n, sd=1, sig.level=1-level, power=power, type="paired", strict=TRUE, tol=1e-12)$delta
@pytest.mark.parametrize(
    ("blocks", "level", "power", "standardised"),
    [(20, 0.95, 0.8, 0.660441654623), (12, 0.95, 0.8, 0.888654265293), (8, 0.975, 0.9, 1.53738957314)],
)
def test_the_minimal_detectable_change_is_that_of_r(blocks, level, power, standardised):
    found = minimal_detectable_change(0.05, blocks, level, power)
    assert math.log1p(found) == pytest.approx(0.05 * standardised, rel=1e-5)


def test_a_plan_is_checked_without_loading_numpy():
    code = (
        "import sys, wattleak.analysis, wattleak.analysis.metrics, wattleak.analysis.quality;"
        "from wattleak.analysis.feasibility import blocks_needed;"
        "blocks_needed(0.95, 1); wattleak.analysis.quality.parse_quality('accuracy');"
        "print(sorted({'numpy', 'scipy', 'statsmodels'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
