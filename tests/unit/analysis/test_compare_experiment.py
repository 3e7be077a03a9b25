"""`compare` on experiments that were written by hand, with what a run must not do to the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from written_experiments import cpu, experiment, gpu, modelled, run, table, with_runs

from wattleak.analysis.comparison import compare
from wattleak.errors import UsageError
from wattleak.model import Carbon, Direction, Origin, QualityTarget

GOOD = (20.0, 20.4, 19.8, 20.1, 20.3, 19.9, 20.2, 20.0)
BAD = (52.1, 52.9, 51.0, 52.4, 53.3, 51.2, 52.2, 52.6)


def the_pair(given):
    (pair,) = compare(given).pairs
    return pair


# -- the answer ----------------------------------------------------------------------------------------------------


def test_a_cost_is_found_and_sized():
    pair = the_pair(table({"good": GOOD, "bad": BAD}))
    metric = pair.metrics["cpu_s"]
    assert (pair.reference, pair.candidate, pair.primary_metric) == ("good", "bad", "cpu_s")
    assert (pair.verdict, pair.grade, pair.further_blocks) == ("costs_more", "observed", None)
    assert (metric.reference, metric.candidate) == (np.median(GOOD), np.median(BAD))
    # R: w <- wilcox.test(log(bad) - log(good), conf.int=TRUE, exact=TRUE); expm1(c(w$estimate, w$conf.int))
    expected = (1.5995740766339805, 1.5785051850833975, 1.6184572572337703)
    assert (metric.change, metric.low, metric.high) == pytest.approx(expected, abs=1e-9)
    assert metric.p_value == 2 / 2**8
    assert (metric.blocks, metric.origin, metric.derived_from) == (8, "counter", None)


def test_the_mirror_is_a_saving():
    pair = the_pair(table({"bad": BAD, "good": GOOD}))
    assert (pair.verdict, pair.candidate) == ("saving", "good")
    assert -0.63 < pair.metrics["cpu_s"].high < -0.60


def test_the_same_program_is_equal():
    noise = np.array([0.01, -0.01, 0.02, -0.02, 0.015, -0.015, 0.0, 0.005])
    pair = the_pair(table({"one": GOOD, "same": GOOD + noise}))
    assert (pair.verdict, pair.further_blocks) == ("equal", None)


def test_noise_asks_for_more_blocks():
    noise = np.array([1.0, -1.2, 0.8, 1.1, -1.0, -0.9, 0.7, -0.6])
    pair = the_pair(table({"one": GOOD, "other": GOOD + noise}))
    assert pair.verdict == "not_enough_runs"
    assert 8 < pair.further_blocks < 1000


def test_every_metric_that_all_runs_have_is_compared():
    pair = the_pair(table({"good": GOOD, "bad": BAD}))
    assert set(pair.metrics) == {"cpu_s", "duration_s", "peak_memory_b", "read_b", "written_b"}
    read = pair.metrics["read_b"]  # no bytes were read, which is a reading but gives no ratio
    assert (read.reference, read.candidate, read.change, read.low, read.p_value) == (0, 0, None, None, None)
    assert pair.metrics["peak_memory_b"].origin == "sampled"


def test_modelled_energy_and_carbon_are_shown_as_derived():
    def figures(cpu_s):
        carbon = Carbon(3 * cpu_s, cpu_s, 9 * cpu_s, 475, 400, 500, "table", 2024, "world", 1.0, Origin.MODELLED)
        return {"cpu_s": cpu_s, "attributed_energy_j": modelled(5 * cpu_s), "carbon_g": carbon}

    runs = [run("good", b, **figures(GOOD[b])) for b in range(8)]
    runs += [run("bad", b, position=1, **figures(BAD[b])) for b in range(8)]
    pair = the_pair(experiment(runs))
    assert pair.primary_metric == "cpu_s"
    for name, source in {
        "energy_j": "cpu_s",
        "attributed_energy_j": "cpu_s",
        "carbon_g": "attributed_energy_j",
    }.items():
        assert (pair.metrics[name].origin, pair.metrics[name].derived_from) == ("modelled", source)
        assert pair.metrics[name].change == pytest.approx(pair.metrics["cpu_s"].change)


def test_each_candidate_has_its_own_answer_at_a_level_that_holds_for_both():
    nine = (*GOOD, 20.1)
    given = table({"good": nine, "same": nine, "bad": [2.5 * v for v in nine]})
    same, bad = compare(given).pairs
    assert [(p.reference, p.candidate, p.verdict) for p in (same, bad)] == [
        ("good", "same", "equal"),
        ("good", "bad", "costs_more"),
    ]
    assert same.level == bad.level == pytest.approx(0.975)


def test_six_blocks_are_enough_for_one_candidate_and_too_few_for_two():
    six = {"good": GOOD[:6], "bad": BAD[:6]}
    assert the_pair(table(six)).verdict == "costs_more"
    _, bad = compare(table({"good": GOOD[:6], "same": GOOD[:6], "bad": BAD[:6]})).pairs
    assert (bad.verdict, bad.further_blocks) == ("not_enough_runs", 1)
    assert "only 6 complete blocks; the interval needs 7" in bad.doubts


@pytest.mark.parametrize("blocks", range(6))
def test_below_the_floor_nothing_is_claimed(blocks):
    pair = the_pair(table({"good": GOOD[:blocks], "bad": BAD[:blocks]}, blocks=8))
    assert (pair.verdict, pair.grade) == ("not_enough_runs", "observed")
    assert pair.further_blocks == 6 - blocks
    assert any(f"only {blocks} complete block" in doubt for doubt in pair.doubts)
    assert (
        f"the plan is unfinished: {blocks} of 8 blocks are complete"
        in compare(table({"good": GOOD[:blocks], "bad": BAD[:blocks]}, blocks=8)).doubts
    )


def test_an_unknown_primary_metric_is_a_usage_error():
    with pytest.raises(UsageError, match="joules"):
        compare(table({"good": GOOD, "bad": BAD}, metric="joules"))


# -- what counts ---------------------------------------------------------------------------------------------------

BASE = table({"good": GOOD, "bad": BAD})
OTHER_WORLD = 900.0  # a value that would show at once


def unchanged(changed):
    before, after = the_pair(BASE), the_pair(changed)
    assert after.metrics == before.metrics
    assert (after.verdict, after.grade, after.quality) == (before.verdict, before.grade, before.quality)


def test_warm_up_blocks_do_not_count():
    unchanged(with_runs(BASE, *(run(v, b, cpu_s=OTHER_WORLD) for v in ("good", "bad") for b in (-1, -2))))
    unchanged(with_runs(BASE, run("good", -1, cpu_s=1.0), run("bad", -1, cpu_s=OTHER_WORLD)))


def test_a_superseded_attempt_does_not_count():
    again = [run("good", 2, attempt=2, cpu_s=GOOD[2]), run("bad", 2, attempt=2, cpu_s=BAD[2])]
    first = [
        replace(r, measurement=replace(r.measurement, cpu_s=OTHER_WORLD)) if (r.variant, r.block) == ("bad", 2) else r
        for r in BASE.runs
    ]
    unchanged(experiment([*first, *again]))
    unchanged(experiment([*again, *first]))  # wherever it is listed


def test_a_later_attempt_that_broke_does_not_supersede():
    unchanged(with_runs(BASE, run("good", 2, attempt=2, cpu_s=OTHER_WORLD)))
    broken = run("bad", 2, attempt=2, cpu_s=OTHER_WORLD, failure="exit code 1")
    unchanged(with_runs(BASE, run("good", 2, attempt=2, cpu_s=OTHER_WORLD), broken))


def test_an_incomplete_block_does_not_count():
    unchanged(with_runs(BASE, run("bad", 8, cpu_s=OTHER_WORLD)))
    unchanged(with_runs(BASE, run("good", 8, cpu_s=1.0), run("bad", 8, cpu_s=OTHER_WORLD, failure="timeout")))
    cut = run("bad", 8, cpu_s=OTHER_WORLD, complete=False, incomplete_reason="killed")
    unchanged(with_runs(BASE, run("good", 8, cpu_s=1.0), cut))


def test_a_block_counts_whole_over_all_variants():
    given = table({"good": GOOD, "same": GOOD, "bad": BAD})
    lost = [r for r in given.runs if (r.variant, r.block) != ("same", 3)]
    _, bad = compare(experiment(lost, variants=("good", "same", "bad"))).pairs
    assert bad.metrics["cpu_s"].blocks == 7


def test_attempts_are_not_patched_together():
    """Block 8: the reference is good in one attempt only, the candidate in the other only."""
    unchanged(
        with_runs(
            BASE,
            run("good", 8, cpu_s=1.0),
            run("bad", 8, cpu_s=2.0, failure="exit code 1"),
            run("good", 8, attempt=2, cpu_s=1.0, failure="exit code 1"),
            run("bad", 8, attempt=2, cpu_s=OTHER_WORLD),
        )
    )


def test_a_run_that_is_listed_twice_counts_once():
    unchanged(with_runs(BASE, *BASE.runs[:5]))
    assert the_pair(with_runs(BASE, *BASE.runs)).metrics["cpu_s"].blocks == 8


def test_two_different_runs_of_one_cell_are_not_chosen_between():
    good, bad = run("good", 8, cpu_s=1.0), run("bad", 8, cpu_s=OTHER_WORLD)
    twin = replace(bad, failure="exit code 1", measurement=replace(bad.measurement, id="another-bad-8"))
    unchanged(with_runs(BASE, good, bad, twin))
    unchanged(with_runs(BASE, good, bad, replace(twin, failure=None)))


def test_runs_of_a_variant_outside_the_design_do_not_count():
    unchanged(with_runs(BASE, run("stranger", 0, cpu_s=OTHER_WORLD)))


@given(st.randoms(use_true_random=False))
@settings(max_examples=20)
def test_the_order_of_the_list_changes_nothing(random):
    assert compare(replace(BASE, runs=tuple(random.sample(BASE.runs, len(BASE.runs))))) == compare(BASE)


@given(st.floats(1e-3, 1e3))
@settings(max_examples=20)
def test_scaling_all_energies_leaves_the_answer(factor):
    def scaled(by):
        runs = [run("good", b, energy=(cpu(by * GOOD[b]),)) for b in range(8)]
        runs += [run("bad", b, position=1, energy=(cpu(by * BAD[b]),)) for b in range(8)]
        return the_pair(experiment(runs, metric="energy_j"))

    one, other = scaled(1.0), scaled(factor)
    assert other.verdict == one.verdict
    assert other.metrics["energy_j"].change == pytest.approx(one.metrics["energy_j"].change, rel=1e-9)
    assert other.metrics["energy_j"].p_value == one.metrics["energy_j"].p_value


def test_a_channel_that_failed_once_is_not_taken_for_a_saving():
    runs = [run("good", b, energy=(cpu(100.0), gpu(50.0))) for b in range(8)]
    runs += [run("bad", b, position=1, energy=(cpu(100.0), gpu(50.0)) if b else (cpu(100.0),)) for b in range(8)]
    pair = the_pair(experiment(runs, metric="energy_j"))
    assert "energy_j" not in pair.metrics
    assert (pair.verdict, pair.further_blocks) == ("not_enough_runs", None)
    assert "energy_j does not come from the same channels in every run: it cannot decide" in pair.doubts


def test_a_zero_in_the_primary_metric_decides_nothing():
    pair = the_pair(table({"good": [0.0, *GOOD[1:]], "bad": BAD}))
    assert (pair.verdict, pair.further_blocks, pair.metrics["cpu_s"].change) == ("not_enough_runs", None, None)
    assert any("zero" in doubt for doubt in pair.doubts)


# -- quality -------------------------------------------------------------------------------------------------------

ACCURACY = {"bad": (0.91, 0.90, 0.92, 0.91, 0.90, 0.91, 0.92, 0.91)}
EPOCHS = {"bad": [3] * 8, "good": [3] * 8}


def judged(good, target=None):
    figures = {"accuracy": ACCURACY | {"good": good}, "epochs": EPOCHS}
    given = table({"bad": BAD, "good": GOOD}, quality=figures)
    return the_pair(experiment(given.runs, variants=("bad", "good"), quality=target))


def test_an_equal_result_lets_the_saving_stand():
    pair = judged(ACCURACY["bad"])
    assert (pair.verdict, pair.quality.state, pair.quality.metric) == ("saving", "identical", "accuracy")
    assert pair.doubts == ()


def test_a_worse_result_makes_it_a_trade_off():
    pair = judged([v - 0.02 - 0.001 * (i % 2) for i, v in enumerate(ACCURACY["bad"])])
    assert (pair.verdict, pair.quality.state) == ("trade_off", "worse")


def test_the_target_that_was_asked_for_is_the_one_judged():
    pair = judged([v - 0.02 for v in ACCURACY["bad"]], QualityTarget("epochs", Direction.MIN, 0.0))
    assert (pair.verdict, pair.quality.metric, pair.quality.state) == ("saving", "epochs", "identical")


def test_a_noisy_result_is_undecided_and_said_so():
    pair = judged([v + 0.04 * (-1) ** i for i, v in enumerate(ACCURACY["bad"])])
    assert (pair.verdict, pair.quality.state, pair.grade) == ("saving", "undecided", "observed")
    assert any("as good as before" in doubt for doubt in pair.doubts)


def test_no_quality_is_not_measured_and_said_so():
    pair = the_pair(table({"bad": BAD, "good": GOOD}))
    assert (pair.verdict, pair.quality.state, pair.quality.metric) == ("saving", "not_measured", None)
    assert any("no run reported" in doubt for doubt in pair.doubts)


def test_a_figure_of_unknown_direction_is_not_judged_and_said_so():
    pair = the_pair(table({"bad": BAD, "good": GOOD}, quality={"epochs": EPOCHS}))
    assert pair.quality.state == "not_measured"
    assert any("--quality epochs:max" in doubt for doubt in pair.doubts)


def test_what_has_a_unit_is_an_amount_and_no_more_than_three_names_are_listed():
    names = ("epochs", "batches", "requests", "rows", "latency_p50_s", "size_b")
    pair = the_pair(table({"bad": BAD, "good": GOOD}, quality=dict.fromkeys(names, EPOCHS)))
    (doubt,) = (doubt for doubt in pair.doubts if "which way" in doubt)
    assert doubt.startswith("nobody knows which way batches, epochs, requests and 1 more are better (--quality batches")


def test_a_result_that_some_runs_did_not_report_is_said():
    given = table({"bad": BAD, "good": GOOD}, quality={"accuracy": ACCURACY | {"good": ACCURACY["bad"]}})
    runs = [
        replace(r, measurement=replace(r.measurement, quality={})) if (r.variant, r.block) == ("good", 0) else r
        for r in given.runs
    ]
    pair = the_pair(experiment(runs, variants=("bad", "good")))
    assert (pair.quality.state, pair.quality.blocks) == ("identical", 7)
    assert "accuracy was reported in 15 of 16 runs" in pair.doubts


# -- grade ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sessions", "quality", "expected"),
    [(1, True, "observed"), (2, True, "observed"), (4, True, "confirmed"), (8, True, "proved"), (8, False, "observed")],
)
def test_sessions_and_quality_make_the_grade(sessions, quality, expected):
    figures = {"accuracy": ACCURACY | {"good": ACCURACY["bad"]}} if quality else None
    assert the_pair(table({"bad": BAD, "good": GOOD}, sessions=sessions, quality=figures)).grade == expected


# -- doubts --------------------------------------------------------------------------------------------------------


def test_uneven_failures_are_noted():
    failed = [run("bad", b, attempt=2, failure="exit code 137") for b in range(8)]
    ended = [run("good", b, attempt=2) for b in range(8)]
    given = with_runs(BASE, *failed, *ended)
    p = stats.fisher_exact(np.array([[0, 16], [8, 8]])).pvalue
    assert p < 0.05
    assert any("Fisher" in doubt and "bad 8" in doubt for doubt in the_pair(given).doubts)
    assert "failed runs do not count, nor do the blocks that they broke: bad 8" in compare(given).doubts


def test_a_few_failures_are_counted_without_alarm():
    given = with_runs(BASE, run("bad", 8, failure="exit code 1"), run("good", 8))
    assert not any("Fisher" in doubt for doubt in the_pair(given).doubts)
    assert any("bad 1" in doubt for doubt in compare(given).doubts)


def test_drift_of_both_variants_is_noted_and_cancels():
    trend = 1.0 + 0.05 * np.arange(8)
    pair = the_pair(table({"good": GOOD * trend, "bad": GOOD * trend * 1.5}))
    assert pair.verdict == "costs_more"
    (doubt,) = (d for d in pair.doubts if "drifts" in d)
    assert doubt.startswith("cpu_s drifts over the session (good Kendall tau = +")
    assert "bad Kendall tau" in doubt


def test_a_change_that_drifts_is_noted():
    growing = 1.1 + 0.05 * np.arange(8)
    pair = the_pair(table({"good": GOOD, "bad": GOOD * growing}))
    assert any("the change of cpu_s itself drifts" in doubt for doubt in pair.doubts)


def test_an_effect_of_the_order_inside_a_block_is_noted():
    rng = np.random.default_rng(0)
    runs = []
    for b in range(16):
        second = b % 2 == 0
        runs.append(run("good", b, position=int(not second), cpu_s=20.0 + rng.normal(0, 0.1)))
        runs.append(run("bad", b, position=int(second), cpu_s=(33.0 if second else 30.0) + rng.normal(0, 0.1)))
    doubts = the_pair(experiment(runs, blocks=16)).doubts
    assert any("depends on which variant runs first" in doubt for doubt in doubts)
    assert any("+50" in doubt and "+65" in doubt for doubt in doubts)


def test_an_order_that_was_never_randomised_is_noted():
    runs = [run("good", b, cpu_s=GOOD[b]) for b in range(8)]
    runs += [run("bad", b, position=1, cpu_s=BAD[b]) for b in range(8)]
    assert any(doubt.startswith("good ran before bad in every block") for doubt in the_pair(experiment(runs)).doubts)


@pytest.mark.parametrize(("factor", "words"), [(0.5, "is a time saving, not an energy saving"), (2.0, "costs time")])
def test_time_is_not_energy(factor, words):
    runs = [run("good", b, position=b % 2, cpu_s=20.0, duration_s=10.0) for b in range(8)]
    runs += [run("fast", b, position=1 - b % 2, cpu_s=20.0, duration_s=10.0 * factor) for b in range(8)]
    pair = the_pair(experiment(runs, variants=("good", "fast")))
    assert pair.verdict == "equal"
    assert any(words in doubt for doubt in pair.doubts)
    assert not any(words in doubt for doubt in the_pair(BASE).doubts)


def test_a_clean_experiment_raises_no_doubt():
    quality = {"accuracy": {"good": ACCURACY["bad"], "bad": ACCURACY["bad"]}}
    comparison = compare(table({"good": GOOD, "bad": BAD}, quality=quality))
    assert comparison.doubts == comparison.pairs[0].doubts == ()
