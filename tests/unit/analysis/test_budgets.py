from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wilcoxon
from written_experiments import cpu, measurement, modelled

from wattleak.analysis.budgets import BudgetState, check_budget, parse_budget, parse_budgets
from wattleak.analysis.check import Judged, Outcome, overall
from wattleak.errors import UsageError

SIX = (9.1, 10.4, 10.0, 9.7, 10.2, 9.9)


def runs(values, figure="cpu_s"):
    return [measurement(f"r{number}", minute=number, **{figure: value}) for number, value in enumerate(values)]


class TestWhatIsWritten:
    @pytest.mark.parametrize(
        ("key", "value", "metric", "most"),
        [
            ("energy", "150 J", "energy_j", 150.0),
            ("energy", "0.5 kWh", "energy_j", 1.8e6),
            ("gpu-energy", "2 Wh", "gpu_energy_j", 7200.0),
            ("cpu_s", 30, "cpu_s", 30.0),
            ("cpu_s", "2 min", "cpu_s", 120.0),
            ("cpu", "1.5h", "cpu_s", 5400.0),
            ("peak_memory", "2 GiB", "peak_memory_b", 2.0**31),
            ("peak_memory", "2 GB", "peak_memory_b", 2e9),
            ("peak_memory_b", 1_000_000, "peak_memory_b", 1e6),
            ("duration", "90 s", "duration_s", 90.0),
            ("carbon", "20 mg", "carbon_g", 0.02),
        ],
    )
    def test_amounts_are_read_in_their_units(self, key, value, metric, most):
        budget = parse_budget(key, value)

        assert budget.metric == metric
        assert budget.most == pytest.approx(most)

    @pytest.mark.parametrize(
        ("table", "message", "remedy"),
        [
            ({"enrgy": "150 J"}, "no budget 'enrgy'", "did you mean energy?"),
            ({"energy": "150 j"}, "unknown unit 'j'", "did you mean J?"),
            ({"peak_memory": "2 gib"}, "unknown unit 'gib'", "did you mean GiB?"),
            ({"energy": 150}, "has no unit", "energy_j = 150"),
            ({"cpu": "30 J"}, "unknown unit 'J'", "use one of ms, s, min, h"),
            ({"cpu_s": -3}, "no amount above 0", "for instance"),
            ({"cpu_s": 0}, "no amount above 0", "for instance"),
            ({"cpu_s": True}, "no amount above 0", "for instance"),
            ({"cpu_s": "much"}, "no amount above 0", "for instance"),
            ({"cpu_s": 3, "cpu": "3 s"}, "two budgets", "leave one"),
            ({"train": {"enrgy": "1 J"}}, "'train.enrgy'", "did you mean energy?"),
            ("150 J", "must be a table", "[tool.wattleak.budgets]"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_with_the_nearest(self, table, message, remedy):
        with pytest.raises(UsageError) as caught:
            parse_budgets(table)

        assert message in caught.value.message
        assert remedy in caught.value.remedy

    def test_a_job_has_its_own_in_place_of_everybodys(self):
        budgets = parse_budgets({"cpu_s": 30, "energy": "1 kJ", "train": {"cpu": "60 s", "duration_s": 5}})

        assert {b.metric: b.most for b in budgets.of("train")} == {"energy_j": 1e3, "cpu_s": 60, "duration_s": 5}
        assert {b.metric: b.most for b in budgets.of("test")} == {"cpu_s": 30, "energy_j": 1e3}
        assert budgets.of(None) == budgets.of("test")


class TestJudgement:
    def test_the_interval_is_that_of_wilcoxons_test(self):
        """A budget is exceeded or kept exactly where scipy's signed-rank test rejects that the typical run is it."""
        for most in np.linspace(8.903, 10.607, 35):
            state = check_budget(parse_budget("cpu_s", float(most)), runs(SIX)).state
            differences = np.log(SIX) - np.log(most)
            p = wilcoxon(differences, method="exact").pvalue
            expected = BudgetState.NOT_ENOUGH_RUNS
            if p <= 0.05:
                expected = BudgetState.EXCEEDED if differences.mean() > 0 else BudgetState.KEPT
            assert state is expected, most

    def test_five_runs_never_decide_however_clear_they_look(self):
        check = check_budget(parse_budget("cpu_s", 1), runs(SIX[:5]))

        assert check.state is BudgetState.NOT_ENOUGH_RUNS
        assert "6 runs" in check.why

    @pytest.mark.parametrize(
        ("most", "state"),
        [
            (21.0, BudgetState.KEPT),  # twice the largest is below it
            (4.0, BudgetState.EXCEEDED),  # half the smallest is above it
            (12.0, BudgetState.NOT_TRUSTWORTHY),  # all runs are below it, the truth may not be
            (8.0, BudgetState.NOT_TRUSTWORTHY),
            (9.95, BudgetState.NOT_ENOUGH_RUNS),
        ],
    )
    def test_a_modelled_reading_decides_with_its_whole_range_only(self, most, state):
        """Modelled joules here may be half or twice the truth, in every run alike."""
        modelled_runs = [
            measurement(f"r{number}", attributed_energy_j=modelled(value)) for number, value in enumerate(SIX)
        ]

        check = check_budget(parse_budget("attributed_energy_j", most), modelled_runs)

        assert check.state is state
        assert check.low == pytest.approx(min(SIX) / 2)
        assert check.high == pytest.approx(max(SIX) * 2)

    def test_a_counter_decides_with_the_accuracy_of_its_meter(self):
        """The counters written here are right within 5 %."""
        counted = [measurement(f"r{number}", energy=(cpu(value),)) for number, value in enumerate(SIX)]

        assert check_budget(parse_budget("energy", "10.93 J"), counted).state is BudgetState.KEPT
        assert check_budget(parse_budget("energy", "10.9 J"), counted).state is BudgetState.NOT_TRUSTWORTHY
        assert check_budget(parse_budget("energy", "8.6 J"), counted).state is BudgetState.EXCEEDED

    def test_what_was_not_read_is_never_kept(self):
        missing = check_budget(parse_budget("gpu_energy", "1 GJ"), runs(SIX))
        none = check_budget(parse_budget("cpu_s", 1), [])
        partly = check_budget(parse_budget("read_b", 1), [*runs(SIX), measurement("x", read_b=None)])

        assert {missing.state, none.state, partly.state} == {BudgetState.NOT_TRUSTWORTHY}
        assert "read in 6 of 7 runs" in partly.why

    def test_nothing_read_from_storage_keeps_a_budget_of_reading(self):
        assert check_budget(parse_budget("read", "1 MB"), runs([0] * 6, "read_b")).state is BudgetState.KEPT
        assert check_budget(parse_budget("read", "1 MB"), runs([0, 1, 1, 1, 1, 1], "read_b")).state is (
            BudgetState.NOT_ENOUGH_RUNS
        )


def test_the_worst_of_all_answers_decides_and_no_answer_is_none_to_trust():
    order = [Outcome.MET, Outcome.NOT_ENOUGH_RUNS, Outcome.NOT_TRUSTWORTHY, Outcome.NOT_MET]

    for worst in range(len(order)):
        assert overall(Judged(outcome) for outcome in order[: worst + 1]) is order[worst]
    assert overall([]) is Outcome.NOT_TRUSTWORTHY
