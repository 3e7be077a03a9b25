from __future__ import annotations

import math

import numpy as np
import pytest
from statsmodels.stats.weightstats import ttost_paired

from wattleak.analysis.quality import compare_quality, default_target, parse_quality
from wattleak.errors import UsageError
from wattleak.model import Direction, QualityState, QualityTarget

ACCURACY = QualityTarget("accuracy", Direction.MAX, 0.005)
LOSS = QualityTarget("loss", Direction.MIN, 0.0)

REFERENCE = (0.912, 0.905, 0.918, 0.909, 0.915, 0.911, 0.907, 0.914)
EQUIVALENT = (0.911, 0.907, 0.917, 0.910, 0.913, 0.912, 0.907, 0.915)
WORSE = (0.901, 0.897, 0.909, 0.895, 0.906, 0.902, 0.893, 0.907)


# R: t.test(candidate, reference, paired=TRUE): estimate, conf.int
@pytest.mark.parametrize(
    ("candidate", "state", "difference", "low", "high"),
    [
        (EQUIVALENT, "equivalent", 0.000125, -0.0010088138160057336, 0.0012588138160057338),
        (WORSE, "worse", -0.010125, -0.0123340803424583732, -0.0079159196575416431),
    ],
)
def test_difference_and_interval_are_those_of_r(candidate, state, difference, low, high):
    found = compare_quality(REFERENCE, candidate, ACCURACY)
    assert found.state == state
    assert (found.difference, found.low, found.high) == pytest.approx((difference, low, high), abs=1e-9)
    assert (found.metric, found.direction, found.margin, found.blocks) == ("accuracy", "max", 0.005, 8)
    assert found.candidate - found.reference == pytest.approx(found.difference)


def test_equivalent_is_what_two_one_sided_tests_say():
    rng = np.random.default_rng(3)
    seen = set()
    for spread in (0.002, 0.005, 0.008, 0.012):
        for shift in (0.0, 0.002, -0.004):
            reference = rng.normal(0.9, 0.01, 10)
            candidate = reference + rng.normal(shift, spread, 10)
            p = ttost_paired(candidate, reference, -ACCURACY.margin, ACCURACY.margin)[0]
            state = compare_quality(reference, candidate, ACCURACY).state
            assert (state is QualityState.EQUIVALENT) == (p < 0.05)
            seen.add(state)
    assert len(seen) > 1


def test_identical_needs_every_pair_to_be_equal():
    assert compare_quality(REFERENCE, REFERENCE, ACCURACY).state is QualityState.IDENTICAL
    assert compare_quality([0.9], [0.9], ACCURACY).state is QualityState.IDENTICAL
    one_off = (*REFERENCE[:-1], REFERENCE[-1] + 1e-12)
    assert compare_quality(REFERENCE, one_off, ACCURACY).state is not QualityState.IDENTICAL


@pytest.mark.parametrize(("target", "state"), [(ACCURACY, "better"), (LOSS, "worse")])
def test_the_direction_decides_which_side_is_better(target, state):
    assert compare_quality(WORSE, REFERENCE, target).state == state


def test_what_is_tolerable_is_neither_better_nor_worse():
    slightly_worse = [value - 0.001 - 0.0001 * (i % 2) for i, value in enumerate(REFERENCE)]
    assert compare_quality(REFERENCE, slightly_worse, ACCURACY).state is QualityState.EQUIVALENT
    strict = QualityTarget("accuracy", Direction.MAX, 0.0)
    assert compare_quality(REFERENCE, slightly_worse, strict).state is QualityState.WORSE


def test_noise_decides_nothing():
    candidate = [value + 0.03 * (-1) ** i for i, value in enumerate(REFERENCE)]
    assert compare_quality(REFERENCE, candidate, ACCURACY).state is QualityState.UNDECIDED
    assert compare_quality([0.9], [0.8], ACCURACY).state is QualityState.UNDECIDED


@pytest.mark.parametrize(
    ("shift", "blocks", "state"),
    [
        (-0.01, 2, "undecided"),
        (-0.01, 5, "undecided"),
        (-0.01, 6, "worse"),
        (0.01, 6, "better"),
        (-0.001, 4, "undecided"),
        (-0.001, 5, "equivalent"),
    ],
)
def test_the_same_difference_every_time_still_needs_enough_blocks(shift, blocks, state):
    reference = [0.90 + 0.01 * (i % 3) for i in range(blocks)]
    assert compare_quality(reference, [value + shift for value in reference], ACCURACY).state == state


def test_a_diverged_result_is_not_waved_through():
    found = compare_quality([0.3, 0.3, 0.3], [0.3, math.nan, 0.3], LOSS)
    assert found.state is QualityState.UNDECIDED
    assert (found.difference, found.low, found.high) == (None, None, None)


def test_nothing_to_compare():
    assert compare_quality([], [], ACCURACY).state is QualityState.NOT_MEASURED
    assert compare_quality([1.0], [1.0], None).state is QualityState.NOT_MEASURED


@pytest.mark.parametrize(
    ("names", "metric", "direction", "margin"),
    [
        (["loss", "accuracy"], "accuracy", "max", 0.005),
        (["Val-Acc"], "Val-Acc", "max", 0.005),
        (["val_accuracy", "test/accuracy", "train_accuracy"], "test/accuracy", "max", 0.005),
        (["epochs", "eval_loss"], "eval_loss", "min", 0.0),
        (["perplexity"], "perplexity", "min", 0.0),
        (["f1", "precision"], "f1", "max", 0.005),
    ],
)
def test_a_known_figure_is_judged_without_asking(names, metric, direction, margin):
    assert default_target(names) == QualityTarget(metric, Direction(direction), margin)


@pytest.mark.parametrize("names", [[], ["epochs"], ["train_accuracy"], ["test"], ["lossless"]])
def test_an_unknown_figure_is_not_judged(names):
    assert default_target(names) is None


@pytest.mark.parametrize(
    ("text", "metric", "direction", "margin"),
    [
        ("accuracy", "accuracy", "max", 0.005),
        ("loss", "loss", "min", 0.0),
        ("accuracy:max", "accuracy", "max", 0.005),
        ("accuracy:min", "accuracy", "min", 0.0),
        ("reward:max", "reward", "max", 0.0),
        ("reward:min:2", "reward", "min", 2.0),
        ("accuracy:max:0.01", "accuracy", "max", 0.01),
        (" accuracy : max : 1e-3 ", "accuracy", "max", 0.001),
    ],
)
def test_quality_targets_as_people_write_them(text, metric, direction, margin):
    assert parse_quality(text) == QualityTarget(metric, Direction(direction), margin)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":max", "reward", "accuracy:", "accuracy:up", "accuracy:MAX:1", "accuracy:0.005", "accuracy:max:"),
        *("accuracy:max:-1", "accuracy:max:nan", "accuracy:max:inf", "accuracy:max:a lot", "accuracy:max:0.1:0.2"),
    ],
)
def test_other_targets_are_refused_with_a_remedy(text):
    with pytest.raises(UsageError) as caught:
        parse_quality(text)
    assert caught.value.message
    assert "max" in caught.value.remedy
