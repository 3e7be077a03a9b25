"""The search of `tune` through the whole pipeline, on scripted costs: the truth is the script, and nobody else's."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from test_pipeline import SESSION, Kept

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.gaps import log_gap
from wattleak.analysis.racing import Ending
from wattleak.analysis.tuning import Standing, judge
from wattleak.errors import MeasurementError, UsageError
from wattleak.executors.scripted import ScriptedExecutor, ScriptedWork
from wattleak.experiment.design import make_plan
from wattleak.experiment.noise_models import MODELS
from wattleak.experiment.runner import run_experiment
from wattleak.experiment.search import check_search, stopping
from wattleak.experiment.search_trial import search
from wattleak.model import Design, Direction, QualityTarget, Search, Variant, Verdict

THREADS = {"1": 1.0, "2": 0.62, "3": 0.5, "4": 0.57, "6": 0.8, "8": 1.3, "16": 2.6, "32": 9.0}
STEADY, HEAVY = MODELS[0], MODELS[1]


def settings(names, **more):
    variants = tuple(Variant(name, (name,), levels={"setting": name}) for name in names)
    design = Design(variants, 18, 7, "energy_j", stopping=stopping(12), search=Search(6))
    return make_plan(replace(design, **more))


def play(plan, work, before=(), sink=None):
    executor = ScriptedExecutor(work)
    return run_experiment(plan, executor, sink or Kept(), session=SESSION, environment={}, before=before)


def costing(costs, *, seed=1, noise=0.02, accuracy=None, figure="accuracy", broken=()):
    rng = np.random.default_rng(seed)

    def work(variant, _planned, _now_s):
        cpu_s = 10.0 * costs[variant.name] * float(np.exp(noise * rng.standard_normal()))
        quality = {} if accuracy is None else {figure: accuracy[variant.name] + 0.001 * rng.standard_normal()}
        return ScriptedWork(cpu_s, cpu_s, quality=quality, exit_code=1 if variant.name in broken else 0)

    return work


def counted(experiment):
    return {block.number: sorted(block.runs) for block in counting_blocks(experiment)}


def ran(experiment, name):
    return {run.block for run in experiment.runs if run.variant == name and run.block >= 0}


class TestFindingTheBest:
    @pytest.mark.parametrize("model", [STEADY, HEAVY], ids=lambda model: model.name)
    def test_the_cheapest_setting_is_found_with_two_fifths_of_the_grid_left_out(self, model) -> None:
        found = [search(THREADS, model, (20_261_121, number)) for number in range(6)]
        assert sum(one.is_right for one in found) == 6
        assert all(one.kept_the_best for one in found)
        assert np.mean([one.saved_runs for one in found]) >= 0.4

    def test_the_dearest_settings_leave_first_and_nobody_leaves_before_a_look(self) -> None:
        found = search(THREADS, STEADY, (1, 0))
        assert len(ran(found.experiment, "32")) == 3
        assert all(len(ran(found.experiment, name)) >= 3 for name in THREADS)

    def test_settings_that_are_equal_are_not_told_apart_and_all_are_named(self) -> None:
        plan = settings(["a", "b", "dear"])
        found = judge(play(plan, costing({"a": 1.0, "b": 1.0, "dear": 3.0}, noise=0.03)))
        assert found.ending in {Ending.CLOSE_ENOUGH, Ending.BLOCKS_SPENT}
        assert set(found.best) == {"a", "b"}
        assert found.at_most is not None
        assert 0.0 < found.at_most < 0.2

    def test_the_reference_may_be_the_best_and_then_nothing_is_claimed(self) -> None:
        experiment = play(settings(["a", "b"]), costing({"a": 1.0, "b": 2.0}))
        found = judge(experiment)
        assert (found.chosen, found.saving, found.finished) == ("a", None, True)
        assert max(run.block for run in experiment.runs) < 12
        assert experiment.complete


class TestTheClaim:
    def test_it_stands_on_fresh_blocks_of_winner_and_reference_alone(self) -> None:
        experiment = play(settings(["a", "b", "c"]), costing({"a": 1.0, "b": 0.5, "c": 2.0}))
        found = judge(experiment)
        assert found.saving is not None
        primary = found.saving.metrics["energy_j"]
        fresh = [run for run in experiment.runs if run.block >= 12]
        energy = {(run.block, run.variant): run.measurement.energy[0].energy_j.value for run in fresh}
        ratios = [energy[block, "b"] / energy[block, "a"] - 1 for block in range(12, 18)]
        assert len(fresh) == 12
        assert primary.blocks == 6
        assert (primary.low, primary.high) == pytest.approx((min(ratios), max(ratios)))  # exact at six blocks
        assert found.saving.verdict is Verdict.SAVING
        assert found.saving.level == 0.95

    def test_runs_that_made_a_setting_win_are_not_in_it(self) -> None:
        """Two equal settings: the one that wins was lucky, and its fresh runs are not."""
        claimed = 0
        for seed in range(12):
            found = judge(play(settings(["a", "b"]), costing({"a": 1.0, "b": 1.0}, seed=seed, noise=0.05)))
            claimed += found.saving is not None and found.saving.verdict is Verdict.SAVING
        assert claimed <= 2  # 5 % of those in which b wins: more happens to one such dozen in three hundred


class TestQuality:
    ACCURACY = QualityTarget("accuracy", Direction.MAX, 0.01)

    def test_a_cheaper_setting_that_loses_quality_cannot_win_and_throws_nobody_out(self) -> None:
        plan = settings(["a", "b", "cheap"], quality=self.ACCURACY)
        costs, accuracy = {"a": 1.0, "b": 0.7, "cheap": 0.3}, {"a": 0.9, "b": 0.9, "cheap": 0.8}
        found = judge(play(plan, costing(costs, accuracy=accuracy)))
        standing = {item.name: item.standing for item in found.settings}
        assert found.chosen == "b"
        assert standing["cheap"] is Standing.WORSE
        assert found.saving is not None
        assert found.saving.verdict is Verdict.SAVING

    def test_when_every_cheaper_setting_is_worse_the_reference_stays(self) -> None:
        plan = settings(["a", "cheap"], quality=self.ACCURACY)
        found = judge(play(plan, costing({"a": 1.0, "cheap": 0.3}, accuracy={"a": 0.9, "cheap": 0.5})))
        assert found.chosen == "a"

    def test_a_loss_has_no_margin_so_only_one_that_is_shown_to_be_worse_is_out(self) -> None:
        loss = {"a": 0.3, "b": 0.3, "cheap": 0.6}
        work = costing({"a": 1.0, "b": 0.7, "cheap": 0.3}, accuracy=loss, figure="loss")
        found = judge(play(settings(["a", "b", "cheap"]), work))
        standing = {item.name: item.standing for item in found.settings}
        assert found.chosen == "b"
        assert standing["cheap"] is Standing.WORSE


class TestWhatGoesWrong:
    def test_a_setting_that_never_works_leaves_and_the_others_race(self) -> None:
        experiment = play(
            settings(["a", "b", "broken"]), costing({"a": 1.0, "b": 0.5, "broken": 0.1}, broken={"broken"})
        )
        found = judge(experiment)
        by_name = {item.name: item for item in found.settings}
        assert found.chosen == "b"
        assert by_name["broken"].standing is Standing.FAILED
        assert by_name["broken"].failure == "exit code 1"
        assert experiment.complete

    def test_a_reference_that_never_works_ends_the_search(self) -> None:
        with pytest.raises(MeasurementError, match="variant a failed at once"):
            play(settings(["a", "b"]), costing({"a": 1.0, "b": 0.5}, broken={"a"}))

    @pytest.mark.parametrize("cut", [2, 7, 11, 20, 26])
    def test_a_resumed_search_ends_as_if_nothing_had_happened(self, cut: int) -> None:
        plan = settings(["a", "b", "c"])

        def by_place(variant, planned, _now_s):  # the same cost for the same cell, whoever asks and when
            noise = np.random.default_rng([planned.block + 50, ord(variant.name)]).standard_normal()
            cpu_s = 10.0 * {"a": 1.0, "b": 0.8, "c": 1.5}[variant.name] * math.exp(0.02 * noise)
            return ScriptedWork(cpu_s, cpu_s)

        whole = play(plan, by_place)
        sink = Kept()
        sink.save_plan(plan, {})
        resumed = play(plan, by_place, before=whole.runs[:cut], sink=sink)
        assert counted(resumed) == counted(whole)
        assert judge(resumed).chosen == judge(whole).chosen == "b"


def test_the_interval_of_a_race_is_students() -> None:
    dearer, cheaper = [1.3, 1.25, 1.41, 1.2], [1.0, 1.02, 0.97, 1.1]
    logs = np.log(dearer) - np.log(cheaper)
    low, high = stats.ttest_1samp(logs, 0.0).confidence_interval(0.99)
    gap = log_gap(dearer, cheaper, 0.99)
    assert gap is not None
    assert (gap.low, gap.high) == pytest.approx((low, high))


def test_looks_and_fresh_blocks_that_cannot_be_are_refused() -> None:
    assert stopping(12).looks == (3, 4, 6, 9, 12)
    with pytest.raises(UsageError, match="too few"):
        stopping(2)
    with pytest.raises(UsageError, match="can never say"):
        check_search(5)  # 2 / 2**5 is more than 5 %
