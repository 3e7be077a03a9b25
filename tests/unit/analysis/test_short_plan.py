"""The price of a step from windows written by hand: what decides, what is said, what the first mark is for."""

from dataclasses import replace

import pytest
from written_experiments import cpu, modelled, table

from wattleak.analysis.comparison import compare
from wattleak.analysis.metrics import metric_value
from wattleak.analysis.step_window import counted_steps
from wattleak.errors import UsageError
from wattleak.experiment.short_plan import primary_per_step, seconds_of, with_steps
from wattleak.model import Estimate, Grade, Origin, QualityState, ShortPlan, StepRun, StepWindow, Variant, Verdict


def window(steps=100, samples=None, cpu_s=10.0, **more):
    figures = {
        "name": "step",
        "writers": 1,
        "duration_s": 12.0,
        "cpu_s": Estimate(cpu_s, 0.999 * cpu_s, 1.001 * cpu_s, Origin.COUNTER),
        "energy": (cpu(500.0),),
        "attributed": (cpu(300.0),),
        "attributed_energy_j": Estimate(300.0, 285.0, 315.0, Origin.COUNTER),
        "start_up_s": 3.0,
        "start_up_cpu_s": 2.5,
        "start_up_energy_j": Estimate(80.0, 70.0, 90.0, Origin.COUNTER),
    } | more
    return StepWindow(steps=steps, samples=samples, **figures)


def short(good, bad, **design):
    figures = {"metric": "cpu_per_step_s", "short": ShortPlan(steps=100), "smallest_effect": 0.02} | design
    return table({"good": good, "bad": bad}, figure="window", **figures)


def steps(name, count, *, start, end, timed=None, samples=0, writer="1/0"):
    return StepRun(name, writer, start, end, end - start, count, count - 1 if timed is None else timed, samples, ())


class TestWindow:
    def test_from_the_first_mark_to_the_last(self):
        found = counted_steps([steps("step", 5, start=10, end=14), steps("step", 3, timed=3, start=14, end=17)])

        assert (found.start_s, found.end_s, found.steps) == (10, 17, 7)

    def test_samples_of_the_first_mark_lie_before_the_window(self):
        assert counted_steps([steps("step", 5, start=0, end=4, samples=5 * 32)]).samples == 4 * 32

    def test_the_name_that_was_marked_most_decides_and_what_lies_between_belongs_to_it(self):
        found = counted_steps(
            [
                steps("train", 11, start=0, end=10),
                steps("eval", 2, timed=2, start=10, end=20),
                steps("train", 10, timed=10, start=20, end=30),
            ]
        )

        assert (found.name, found.steps, found.end_s - found.start_s) == ("train", 20, 30)

    def test_ranks_count_their_own(self):
        found = counted_steps([steps("step", 11, start=1, end=9), steps("step", 11, start=2, end=10, writer="2/0")])

        assert (found.writers, found.steps, found.start_s, found.end_s) == (2, 20, 1, 10)

    @pytest.mark.parametrize("runs", [[], [steps("step", 1, start=3, end=3)]])
    def test_one_mark_is_no_step(self, runs):
        assert counted_steps(runs) is None


class TestPrices:
    def test_each_is_the_window_divided_by_what_ended_in_it(self):
        (run,) = short([window(steps=50, samples=1600)], [window()]).runs[:1]
        run = replace(run, measurement=replace(run.measurement, window=window(steps=50, samples=1600)))
        expected = {
            "cpu_per_step_s": 10 / 50,
            "cpu_per_sample_s": 10 / 1600,
            "duration_per_step_s": 12 / 50,
            "energy_per_step_j": 500 / 50,
            "start_up_s": 3.0,
        }

        assert {name: metric_value(run.measurement, name) for name in expected} == pytest.approx(expected)

    def test_modelled_joules_follow_the_cpu_time_of_a_step(self):
        dark = window(energy=(), attributed=(), attributed_energy_j=modelled(40.0))
        (pair,) = compare(short([dark] * 6, [dark] * 6)).pairs

        assert pair.metrics["attributed_energy_per_step_j"].derived_from == "cpu_per_step_s"


class TestVerdict:
    def test_no_totals_no_quality_and_no_grade_above_observed(self):
        good = [window(cpu_s=10 + 0.01 * block) for block in range(18)]
        bad = [window(cpu_s=13 + 0.01 * block) for block in range(18)]
        (pair,) = compare(short(good, bad, blocks=3, sessions=6)).pairs

        assert pair.verdict is Verdict.COSTS_MORE
        assert pair.metrics["cpu_per_step_s"].change == pytest.approx(0.3, rel=0.02)
        assert pair.quality.state is QualityState.NOT_MEASURED
        assert pair.grade is Grade.OBSERVED
        assert not {"cpu_s", "duration_s", "energy_j"} & set(pair.metrics)

    def test_twice_the_batch_for_twice_the_cpu_time_is_equal_per_sample(self):
        good = [window(samples=3200, cpu_s=10 + 0.001 * block) for block in range(8)]
        bad = [window(samples=6400, cpu_s=20 + 0.002 * block) for block in range(8)]
        (by_rule,) = compare(short(good, bad)).pairs
        (chosen,) = compare(short(good, bad, short=ShortPlan(steps=100, metric_by_rule=False))).pairs

        assert (by_rule.primary_metric, by_rule.verdict) == ("cpu_per_sample_s", Verdict.EQUAL)
        assert (chosen.primary_metric, chosen.verdict) == ("cpu_per_step_s", Verdict.COSTS_MORE)
        assert any("the price per sample is the one to look at" in doubt for doubt in chosen.doubts)

    def test_a_smaller_last_batch_is_no_other_batch_size(self):
        (pair,) = compare(short([window(samples=3200)] * 6, [window(samples=3199)] * 6)).pairs

        assert pair.primary_metric == "cpu_per_step_s"

    def test_what_may_differ_besides_is_doubted(self):
        (pair,) = compare(short([window()] * 6, [window(name="batch", writers=4)] * 6)).pairs
        doubts = " ".join(pair.doubts)

        assert "batch, step" in doubts
        assert "(1, 4)" in doubts

    def test_edges_that_are_not_sharp_are_doubted(self):
        blurred = [replace(window(), cpu_s=Estimate(1.0, 0.9, 1.1, Origin.COUNTER))] * 6
        (pair,) = compare(short(blurred, blurred)).pairs

        assert any("lie between two readings" in doubt for doubt in pair.doubts)


class TestWords:
    @pytest.mark.parametrize(("text", "seconds"), [("120s", 120), ("2m", 120), ("1.5h", 5400), (90, 90), ("1 min", 60)])
    def test_durations(self, text, seconds):
        assert seconds_of(text, "--for") == seconds

    @pytest.mark.parametrize("text", ["0", "-5", "soon", "5 parsecs", ""])
    def test_no_durations(self, text):
        with pytest.raises(UsageError):
            seconds_of(text, "--for")

    def test_steps_in_command_and_environment(self):
        variant = with_steps(Variant("a", ("train", "--n={steps}"), {"N": "{steps}"}), ShortPlan(steps=12))

        assert (variant.command, variant.env) == (("train", "--n=12"), {"N": "12"})

    def test_the_place_without_the_number_is_an_error(self):
        with pytest.raises(UsageError, match="how many"):
            with_steps(Variant("a", ("train", "{steps}")), ShortPlan(duration_s=5))

    def test_the_primary_metric(self):
        assert primary_per_step(None, [cpu(1).channel]) == "energy_per_step_j"
        assert primary_per_step(None, []) == "cpu_per_step_s"
        assert primary_per_step("peak_memory_b", []) == "peak_memory_b"
        with pytest.raises(UsageError):
            primary_per_step("energy_j", [])
