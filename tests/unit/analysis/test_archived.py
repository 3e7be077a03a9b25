from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import brunnermunzel, mannwhitneyu
from written_experiments import experiment, measurement, run

from wattleak.analysis.archived import Archived, compare_archived
from wattleak.analysis.unpaired import fewest_for_interval
from wattleak.model import Grade, QualityState, Verdict

BEFORE = (10.0, 10.3, 9.8, 10.1, 9.9, 10.2)
AFTER = (10.9, 11.4, 10.05, 11.0, 11.6, 11.2, 10.8)


def archive(values=BEFORE, environment=None, **figures):
    stored = tuple(measurement(f"old{n}", minute=n, cpu_s=value, **figures) for n, value in enumerate(values))
    return Archived("good-of-1f2e", ("train",), stored, environment or {"cpu": "A"})


def now(values=AFTER, **figures):
    runs = [run("candidate", block, cpu_s=value, **figures) for block, value in enumerate(values)]
    return replace(experiment(runs, variants=("candidate",), blocks=len(values)), environment={"cpu": "A"})


def test_the_answer_is_brunner_and_munzels_and_never_above_observed():
    _, comparison = compare_archived(archive(), now())
    (pair,) = comparison.pairs
    primary = pair.metrics["cpu_s"]

    assert pair.verdict is Verdict.COSTS_MORE
    assert pair.grade is Grade.OBSERVED
    assert primary.p_value == pytest.approx(brunnermunzel(np.log(BEFORE), np.log(AFTER)).pvalue)
    assert any("never graded above observed" in doubt for doubt in pair.doubts)
    assert comparison.doubts == ()


def test_the_interval_holds_the_shifts_that_mann_whitney_does_not_reject():
    _, comparison = compare_archived(archive(), now())
    primary = comparison.pairs[0].metrics["cpu_s"]
    for shift in np.linspace(-0.02, 0.2, 45):
        p = mannwhitneyu(np.log(AFTER) - np.log1p(shift), np.log(BEFORE), method="exact").pvalue
        assert (primary.low <= shift <= primary.high) == (p > 0.05), shift


def test_failed_and_warm_up_runs_do_not_count():
    spoiled = now()
    extra = (run("candidate", -1, cpu_s=99.0), run("candidate", 3, attempt=2, failure="exit code 1", cpu_s=99.0))

    _, clean = compare_archived(archive(), spoiled)
    _, other = compare_archived(archive(), replace(spoiled, runs=(*spoiled.runs, *extra)))

    assert clean.pairs[0].metrics == other.pairs[0].metrics


def test_another_machine_is_said_by_name():
    _, comparison = compare_archived(archive(environment={"cpu": "B", "governor": "powersave"}), now())

    assert comparison.doubts == (
        "the machine is not as it was: cpu B then, A now; governor powersave then, not set now",
    )


def test_too_few_runs_give_no_verdict_and_say_how_many_it_takes():
    _, comparison = compare_archived(archive(BEFORE[:4]), now(AFTER[:3]))
    (pair,) = comparison.pairs

    assert pair.verdict is Verdict.NOT_ENOUGH_RUNS
    assert any("it takes 4 new ones" in doubt for doubt in pair.doubts)  # 2 / C(8, 4) = 1 / 35


@pytest.mark.parametrize(("stored", "needed"), [(0, None), (1, 39), (2, 8), (3, 5), (4, 4), (6, 3)])
def test_the_fewest_runs_are_those_of_the_exact_test(stored, needed):
    """Smallest two-sided p of Mann and Whitney's exact test, from scipy: all new ones above all stored ones."""
    assert fewest_for_interval(stored, 0.95) == needed
    if needed is not None:
        old = list(range(stored))
        p = [
            mannwhitneyu([100 + n for n in range(count)], old, method="exact").pvalue for count in (needed - 1, needed)
        ]
        assert p[1] <= 0.05 + 1e-12 < p[0]


def test_a_saving_that_makes_the_result_worse_is_a_trade_off():
    before = archive(quality={"accuracy": 0.92})
    after = now([value * 0.5 for value in AFTER], quality={"accuracy": 0.85})

    _, comparison = compare_archived(before, after)

    assert comparison.pairs[0].quality.state is QualityState.WORSE
    assert comparison.pairs[0].verdict is Verdict.TRADE_OFF


def test_what_is_shown_says_that_one_ran_after_the_other():
    shown, _ = compare_archived(archive(), now())

    assert [variant.name for variant in shown.plan.design.variants] == ["good-of-1f2e", "candidate"]
    assert shown.plan.design.order.value == "sequential"
    assert len(shown.runs) == len(BEFORE) + len(AFTER)
