"""Fronts against hand-computed ones, brute force, and scipy's tests."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from written_experiments import experiment, run

from wattleak.analysis.candidates import front_of, front_of_rows
from wattleak.analysis.pareto import Plane, Standing, pareto_front
from wattleak.analysis.plane import Candidate, box, mean_cost, slope
from wattleak.model import Direction, Origin, QualityTarget

AUC = QualityTarget("auc", Direction.MAX, 0.005)
LOSS = QualityTarget("loss", Direction.MIN, 0.01)

# Six models fine-tuned on PneumoniaMNIST on one Tesla T4, as published: kJ and AUC of one run each.
PUBLISHED = {
    "DenseNet-121": (82.3, 0.972),
    "DenseNet-169": (104.9, 0.970),
    "DenseNet-201": (137.7, 0.976),
    "ResNet-18": (20.4, 0.967),
    "ResNet-50": (84.7, 0.942),
    "Inception-v3": (37.5, 0.945),
}


def single_runs(figures, quality=AUC):
    front = front_of_rows([(name, cost, q) for name, (cost, q) in figures.items()], "energy_j", quality, 0.02)
    assert not isinstance(front, str), front
    return front


def runs_of(**candidates):
    """Candidates from {name: [(cost, quality) of each block]}."""
    return [
        Candidate(name, {k: c for k, (c, _) in enumerate(rows)}, {k: q for k, (_, q) in enumerate(rows)})
        for name, rows in candidates.items()
    ]


def jittered(cost, quality, n=8, seed=0, cost_noise=0.01, quality_noise=0.0005):
    rng = np.random.default_rng(seed)
    return [
        (cost * math.exp(cost_noise * a), quality + quality_noise * b)
        for a, b in zip(rng.standard_normal(n), rng.standard_normal(n), strict=True)
    ]


def test_published_table_has_the_front_that_one_reads_off_it():
    front = single_runs(PUBLISHED)
    assert [c.name for c in front.candidates if c.on_points] == ["ResNet-18", "DenseNet-121", "DenseNet-201"]
    # One run each: no interval, so nobody is called dominated, and nobody safe.
    assert {c.standing for c in front.candidates} == {Standing.UNDECIDED}
    first, second = front.steps
    assert (first.cheaper, first.dearer) == ("ResNet-18", "DenseNet-121")
    assert first.slope.value == pytest.approx((82.3 - 20.4) / 0.005)
    assert second.slope.value == pytest.approx((137.7 - 82.3) / 0.004)
    assert first.slope.low is None
    assert first.slope.high is None
    # Within half a point of the best: DenseNet-121 (0.4 points behind), for 59.8 % of the cost.
    assert (front.advice.best, front.advice.choice) == ("DenseNet-201", "DenseNet-121")
    assert front.advice.share == pytest.approx(82.3 / 137.7)
    assert not front.advice.shown
    assert front.cheapest.share == pytest.approx(20.4 / 137.7)


@pytest.mark.parametrize("seed", range(5))
def test_front_of_the_means_against_brute_force(seed):
    rng = np.random.default_rng(seed)
    figures = {f"m{k}": (float(c), float(q)) for k, (c, q) in enumerate(rng.uniform(1, 10, size=(12, 2)).round(1))}
    expected = {
        name
        for name, (cost, q) in figures.items()
        if not any(c <= cost and p >= q and (c, p) != (cost, q) for c, p in figures.values())
    }
    assert {c.name for c in single_runs(figures).candidates if c.on_points} == expected


def test_repeated_runs_decide_who_is_dominated_and_by_whom():
    front = pareto_front(
        runs_of(
            small=jittered(10, 0.90, seed=1),
            middle=jittered(20, 0.93, seed=2),
            wasteful=jittered(30, 0.92, seed=3),
            large=jittered(60, 0.96, seed=4),
        ),
        Plane("energy_j", AUC, 0.02),
    )
    assert {c.name: c.standing.value for c in front.candidates} == {
        "small": "front",
        "middle": "front",
        "wasteful": "dominated",
        "large": "front",
    }
    assert next(c for c in front.candidates if c.name == "wasteful").dominated_by == ("middle",)
    assert [(s.cheaper, s.dearer) for s in front.steps] == [("small", "middle"), ("middle", "large")]
    assert front.steps[0].slope.value == pytest.approx(10 / 0.03, rel=0.05)
    assert front.steps[0].slope.low < 10 / 0.03 < front.steps[0].slope.high


def test_weak_dominance_equal_quality_at_a_lower_price():
    rng = np.random.default_rng(5)
    quality = (0.9 + 0.0002 * rng.standard_normal(8)).tolist()
    dear = [(20 + 0.1 * k, q) for k, q in enumerate(quality)]
    cheap = [(10 + 0.07 * k, q + 0.0001 * (-1) ** k) for k, q in enumerate(quality)]
    front = pareto_front(runs_of(cheap=cheap, dear=dear), Plane("energy_j", AUC, 0.02))
    assert [c.standing.value for c in front.candidates] == ["front", "dominated"]
    assert front.advice.choice == "cheap"


def test_better_by_less_than_the_margin_does_not_pay_for_twice_the_price():
    front = pareto_front(
        runs_of(cheap=jittered(10, 0.950, seed=6), dear=jittered(20, 0.952, seed=7)), Plane("energy_j", AUC, 0.02)
    )
    assert [c.standing.value for c in front.candidates] == ["front", "dominated"]
    assert front.steps == ()
    assert (front.advice.best, front.advice.choice, front.advice.shown) == ("dear", "cheap", True)


def test_noise_is_undecided_not_a_front():
    noisy = pareto_front(
        runs_of(a=jittered(10, 0.90, n=4, seed=8, quality_noise=0.05), b=jittered(20, 0.91, n=4, seed=9)),
        Plane("energy_j", AUC, 0.02),
    )
    by_name = {c.name: c for c in noisy.candidates}
    assert by_name["a"].standing is Standing.FRONT  # nobody is as cheap
    assert by_name["b"].standing is Standing.UNDECIDED
    assert by_name["b"].undecided_with == ("a",)
    assert noisy.steps[0].slope.sure is False


def test_less_is_better():
    rows = {"small": (10.0, 0.5), "large": (30.0, 0.2), "bad": (40.0, 0.6)}
    front = single_runs(rows, LOSS)
    assert [c.name for c in front.candidates if c.on_points] == ["small", "large"]
    assert front.steps[0].slope.value == pytest.approx(20 / 0.3)
    assert front.advice.best == "large"


@pytest.mark.parametrize("paired", [True, False])
def test_intervals_are_those_of_scipy(paired):
    one, other = runs_of(one=jittered(10, 0.9, seed=10), other=jittered(14, 0.92, seed=11))
    found = box(one, other, paired=paired, error=0.03)
    costs = [np.log(list(c.cost.values())) for c in (one, other)]
    quality = [list(c.quality.values()) for c in (one, other)]
    for interval, (before, after) in ((found.ratio, costs), (found.gain, quality)):
        test = stats.ttest_rel(after, before) if paired else stats.ttest_ind(after, before, equal_var=False)
        expected = test.confidence_interval(0.97)
        assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
    mean = mean_cost(one, 0.95)
    expected = stats.ttest_1samp(costs[0], 0).confidence_interval(0.95)
    assert (mean.low, mean.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))


def test_marginal_cost_has_the_interval_of_fieller():
    """At its ends, a t test of cost - r x quality against zero has exactly the error of the level."""
    one, other = runs_of(one=jittered(10, 0.9, seed=12), other=jittered(14, 0.92, seed=13))
    found = slope(one, other, paired=True, level=0.95)
    cost = np.array(list(other.cost.values())) - np.array(list(one.cost.values()))
    gain = np.array(list(other.quality.values())) - np.array(list(one.quality.values()))
    for end in (found.low, found.high):
        assert stats.ttest_1samp(cost - end * gain, 0).pvalue == pytest.approx(0.05)
    assert found.low < found.value < found.high
    assert slope(other, one, paired=True, level=0.95) is None  # the way to a worse one has no price


def test_dominance_has_no_cycle():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cands = runs_of(
            **{
                f"m{k}": jittered(10 * math.exp(0.02 * rng.standard_normal()), 0.9 + 0.004 * rng.standard_normal(),
                                  seed=100 * seed + k, cost_noise=0.002)
                for k in range(5)
            }
        )  # fmt: skip
        front = pareto_front(cands, Plane("energy_j", AUC, 0.02))
        over = {c.name: set(c.dominated_by) for c in front.candidates}
        assert any(not by for by in over.values())
        assert not any(a in over[b] and b in over[a] for a, b in combinations(over, 2))
        assert not any(
            b in over[a] and c in over[b] and a in over[c]
            for a in over
            for b in over
            for c in over
            if len({a, b, c}) == 3
        )


def test_an_experiment_is_placed_by_its_blocks():
    runs = [
        run(name, block, cpu_s=cost * (1 + 0.001 * block), quality={"auc": auc + 0.0001 * (block % 3)})
        for block in range(8)
        for name, cost, auc in (("small", 10, 0.90), ("large", 40, 0.95))
    ]
    runs.append(run("small", 8, cpu_s=1e6, quality={"auc": 0.1}, failure="exit code 1"))  # does not count
    front = front_of(experiment(runs, variants=("small", "large"), quality=AUC))
    assert front.plane.cost == "cpu_s"
    assert front.plane.origin is Origin.COUNTER
    assert [c.runs for c in front.candidates] == [8, 8]
    assert front.steps[0].slope.more_cost == pytest.approx(30 * np.mean([1 + 0.001 * b for b in range(8)]))


def test_why_there_is_no_front_is_said():
    without = [run(name, block) for block in range(3) for name in ("good", "bad")]
    assert "quality" in front_of(experiment(without))
    some = [run(n, b, quality={"auc": 0.9} if n == "good" else {}) for b in range(3) for n in ("good", "bad")]
    assert "a front needs two" in front_of(experiment(some, quality=AUC))


def test_an_interval_holds_no_value_that_the_figure_cannot_take():
    front = pareto_front(runs_of(a=[(10, 0.95), (11, 0.70)], b=[(20, 0.99), (21, 0.90)]), Plane("energy_j", AUC, 0.02))
    assert [(c.quality.low, c.quality.high) for c in front.candidates] == [(0.0, 1.0), (0.0, 1.0)]
