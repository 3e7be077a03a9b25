"""Main effects and interactions: against values worked out by hand, against statsmodels, and against drawn truths."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from written_experiments import table

from wattleak.analysis.contrasts import contrasts
from wattleak.analysis.effect import signed_rank_interval
from wattleak.analysis.factorial import Factorial, factorial
from wattleak.analysis.feasibility import adjusted_level
from wattleak.experiment.factors import parse_factor
from wattleak.model import QualityState, Variant, Verdict


def factored(values, *factors, quality=None, **design):
    """An experiment of {levels of each factor: [value of each block]}."""
    made = tuple(parse_factor(text) for text in factors)
    levels = {" ".join(key): dict(zip([f.name for f in made], key, strict=True)) for key in values}
    found = table({" ".join(key): column for key, column in values.items()}, quality=quality, **design)
    variants = tuple(Variant(name, (name,), {}, chosen) for name, chosen in levels.items())
    return replace(found, plan=replace(found.plan, design=replace(found.plan.design, variants=variants, factors=made)))


def effects_of(experiment):
    found = factorial(experiment)
    assert isinstance(found, Factorial), found
    return {tuple((step.factor, step.level) for step in effect.steps): effect for effect in found.effects}


def test_two_factors_by_hand():
    # 100 s; a halves it, b takes a tenth off, and together they cost 36 s where the product of both would be 45 s.
    cells = {("0", "0"): 100.0, ("1", "0"): 50.0, ("0", "1"): 90.0, ("1", "1"): 36.0}
    noise = [1.0, 1.01, 0.99, 1.02, 0.98, 1.03, 0.97, 1.0]  # of the block: it cancels
    effects = effects_of(
        factored(
            {key: [value * z for z in noise] for key, value in cells.items()}, "a=0,1", "b=0,1", smallest_effect=0.02
        )
    )
    change = {key: effect.metrics["cpu_s"].change.change for key, effect in effects.items()}
    assert change[("a", "1"),] == pytest.approx(math.sqrt(50 / 100 * 36 / 90) - 1)
    assert change[("b", "1"),] == pytest.approx(math.sqrt(90 / 100 * 36 / 50) - 1)
    both = effects[("a", "1"), ("b", "1")]
    assert both.metrics["cpu_s"].change.change == pytest.approx(36 * 100 / (50 * 90) - 1)
    assert both.verdict is Verdict.SAVING  # cheaper together than their product
    assert both.without is not None
    assert both.with_ is not None
    assert both.without.change == pytest.approx(-0.5)  # a where b stays
    assert both.with_.change == pytest.approx(36 / 90 - 1)  # a where b is moved
    assert effects[("a", "1"),].verdict is Verdict.SAVING
    assert effects[("a", "1"),].metrics["cpu_s"].change.p_value == pytest.approx(2 / 2**8)


def test_a_made_table_against_statsmodels():
    """Least squares and a mixed model with a random effect of the block, in deviation coding, by statsmodels."""
    pd = pytest.importorskip("pandas")
    smf = pytest.importorskip("statsmodels.formula.api")
    rng = np.random.default_rng(20_261_121)
    levels = list(product("01", "012", "01"))
    truth = {key: rng.normal(2.0, 0.3) for key in levels}
    blocks = rng.normal(0.0, 0.2, 9)
    logs = {key: truth[key] + blocks + rng.normal(0.0, 0.02, 9) for key in levels}
    effects = effects_of(
        factored({key: list(np.exp(column)) for key, column in logs.items()}, "a=0,1", "b=0,1,2", "c=0,1")
    )
    frame = pd.DataFrame(
        [
            {"a": a, "b": b, "c": c, "block": block, "y": value}
            for (a, b, c), column in logs.items()
            for block, value in enumerate(column)
        ]
    )
    mixed = smf.mixedlm("y ~ (C(a, Sum) + C(b, Sum) + C(c, Sum))**2", frame, groups="block").fit()
    plain = smf.ols("y ~ C(block, Sum) + (C(a, Sum) + C(b, Sum) + C(c, Sum))**2", frame).fit()
    for fitted in (mixed.fe_params, plain.params):
        sums = {name: fitted[name] for name in fitted.index}
        a, c = sums["C(a, Sum)[S.0]"], sums["C(c, Sum)[S.0]"]
        b0, b1 = sums["C(b, Sum)[S.0]"], sums["C(b, Sum)[S.1]"]
        ac = sums["C(a, Sum)[S.0]:C(c, Sum)[S.0]"]
        ab0, ab1 = (sums[f"C(a, Sum)[S.0]:C(b, Sum)[S.{level}]"] for level in "01")
        expected = {
            (("a", "1"),): -2 * a,
            (("c", "1"),): -2 * c,
            (("b", "1"),): b1 - b0,
            (("b", "2"),): -2 * b0 - b1,
            (("a", "1"), ("c", "1")): 4 * ac,
            (("a", "1"), ("b", "1")): -2 * (ab1 - ab0),
            (("a", "1"), ("b", "2")): -2 * (-2 * ab0 - ab1),
        }
        for key, value in expected.items():
            ratios = effects[key].metrics["cpu_s"].change.log_ratios
            assert np.mean(ratios) == pytest.approx(value, abs=1e-6), key


def test_all_effects_together_keep_the_level():
    """1,000 tables of 2 x 2 x 2 with known effects: all six intervals hold the truth in at least 95 of 100."""
    rng = np.random.default_rng(7)
    signs = {key: [2 * int(level) - 1 for level in key] for key in product("01", repeat=3)}
    names = "abc"
    main = {"a": -0.2, "b": 0.0, "c": 0.1}
    both = {("a", "b"): 0.0, ("a", "c"): 0.15, ("b", "c"): 0.0}
    factors = [parse_factor(f"{name}=0,1") for name in names]
    variants = [Variant(" ".join(key), (), {}, dict(zip(names, key, strict=True))) for key in signs]
    told = contrasts(variants, factors).told
    true = [main[t.steps[0].factor] if len(t.steps) == 1 else both[t.steps[0].factor, t.steps[1].factor] for t in told]
    weights = np.array([[t.weights[v.name] for v in variants] for t in told])
    centre = np.array(
        [
            sum(main[n] / 2 * s[i] for i, n in enumerate(names))
            + sum(value / 4 * s[names.index(p)] * s[names.index(q)] for (p, q), value in both.items())
            for s in signs.values()
        ]
    )
    level = adjusted_level(0.95, len(told))
    right = 0
    for _ in range(1_000):
        block = rng.normal(0.0, 0.3, (9, 1))
        slow = (rng.random((9, 8)) < 0.1) * rng.lognormal(-3.0, 0.7, (9, 8))  # a busy machine delays every tenth run
        found = (centre + block + rng.normal(0.0, 0.03, (9, 8)) + slow) @ weights.T
        intervals = [signed_rank_interval(list(found[:, place]), level) for place in range(len(told))]
        right += all(i is not None and i.low <= t <= i.high for i, t in zip(intervals, true, strict=True))
    assert right >= 931  # the exact 99 % band of Binomial(1000, 0.95) begins there


def test_a_half_fraction_names_what_it_cannot_tell():
    kept = {key: [10.0] * 8 for key in product("01", repeat=3) if sum(map(int, key)) % 2 == 0}
    found = factorial(factored(kept, "a=0,1", "b=0,1", "c=0,1"))
    assert isinstance(found, Factorial)
    assert [(effect.name, effect.aliases) for effect in found.effects] == [
        ("a 0 → 1", ("b x c",)),
        ("b 0 → 1", ("a x c",)),
        ("c 0 → 1", ("a x b",)),
    ]
    assert found.untold == ("a x b", "a x c", "b x c")
    kept = {key: [10.0] * 9 for key in product("01", repeat=5) if sum(map(int, key)) % 2 == 0}
    found = factorial(factored(kept, *(f"{name}=0,1" for name in "abcde")))
    assert isinstance(found, Factorial)
    assert len(found.main) == 5
    assert len(found.interactions) == 10  # resolution V: main effects and pairs are told apart from each other
    assert all(len(alias.split(" x ")) >= 3 for effect in found.effects for alias in effect.aliases)


def test_a_gap_in_the_table_is_an_alias_as_well():
    kept = [key for key in product("01", "012") if key != ("1", "2")]
    found = factorial(factored({key: [10.0] * 8 for key in kept}, "a=0,1", "b=0,1,2"))
    assert isinstance(found, Factorial)
    assert found.untold == ("a x b",)
    assert {effect.name: effect.aliases for effect in found.effects} == {
        "a 0 → 1": ("a x b",),
        "b 0 → 1": (),
        "b 0 → 2": ("a x b",),
    }


def test_a_saving_that_loses_quality_is_a_trade_off():
    cells = {("0", "0"): 100.0, ("1", "0"): 50.0, ("0", "1"): 80.0, ("1", "1"): 40.0}
    steady = [0.0, 0.001, -0.001, 0.0005, -0.0005, 0.001, -0.001, 0.0]
    accuracy = {"0 0": 0.90, "1 0": 0.86, "0 1": 0.90, "1 1": 0.861}
    quality = {"accuracy": {name: [value + z for z in steady] for name, value in accuracy.items()}}
    effects = effects_of(
        factored(
            {key: [value * (1 + z) for z in steady] for key, value in cells.items()},
            "a=0,1",
            "b=0,1",
            quality=quality,
        )
    )
    small, cached = effects[("a", "1"),], effects[("b", "1"),]
    assert small.verdict is Verdict.TRADE_OFF
    assert small.quality.state is QualityState.WORSE
    assert small.quality.difference == pytest.approx((0.86 + 0.861) / 2 - 0.90)
    assert cached.verdict is Verdict.SAVING
    assert cached.quality.state is QualityState.EQUIVALENT
    assert effects[("a", "1"), ("b", "1")].quality.state is QualityState.NOT_MEASURED


def test_what_has_no_effects_says_why():
    cells = {("0", "0"): [1.0], ("1", "0"): [1.0]}
    assert "fewer than two factors" in str(factorial(factored(cells, "a=0,1", "b=0,1")))
    cells = {("0", "0"): [1.0], ("1", "0"): [1.0], ("0", "1"): [0.0], ("1", "1"): [1.0]}
    assert "cpu_s is zero" in str(factorial(factored(cells, "a=0,1", "b=0,1")))
    few = factorial(factored({key: [3.0, 4.0] for key in product("01", repeat=2)}, "a=0,1", "b=0,1"))
    assert isinstance(few, Factorial)
    assert {effect.verdict for effect in few.effects} == {Verdict.NOT_ENOUGH_RUNS}
