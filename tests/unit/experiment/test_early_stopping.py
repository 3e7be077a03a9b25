"""The stop rule through the whole pipeline: when it ends, whom it drops, and that a resume ends the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from test_pipeline import SESSION, Kept, noisy

from wattleak.analysis.comparison import compare
from wattleak.executors.scripted import ScriptedExecutor, ScriptedWork
from wattleak.experiment.design import make_plan
from wattleak.experiment.runner import run_experiment
from wattleak.model import Design, PlannedRun, Stopping, StoppingRule, Variant, Verdict

POCOCK = Stopping(StoppingRule.POCOCK, (10, 20, 30))
COSTS = {"reference": 1.0, "same": 1.0, "dear": 1.5}


def plan(names: tuple[str, ...], *, eliminate: bool = False):
    variants = tuple(Variant(name, (name,)) for name in names)
    return make_plan(Design(variants, 30, 3, "energy_j", stopping=POCOCK, eliminate=eliminate))


def costing(rng: np.random.Generator):
    def work(variant: Variant, _planned: PlannedRun, _now_s: float) -> ScriptedWork:
        cpu_s = 10.0 * COSTS[variant.name] * float(np.exp(0.05 * rng.standard_normal()))
        return ScriptedWork(duration_s=cpu_s, cpu_s=cpu_s)

    return work


def test_a_large_effect_ends_the_experiment_at_the_first_look_and_the_report_says_so() -> None:
    executor = ScriptedExecutor(noisy(np.random.default_rng(1), 1.3, 0.03))
    planned = plan(("reference", "candidate"))
    finished = run_experiment(planned, executor, Kept(), session=SESSION, environment={})
    assert finished.complete
    assert max(run.block for run in finished.runs) == 9
    comparison = compare(finished)
    assert comparison.pairs[0].verdict is Verdict.COSTS_MORE
    assert comparison.pairs[0].level > 0.97  # three looks share the error
    assert any("stopped at a planned look, after 10 of 30" in doubt for doubt in comparison.doubts)


def test_a_variant_that_costs_more_is_dropped_and_the_others_go_on() -> None:
    planned = plan(("reference", "same", "dear"), eliminate=True)
    sink = Kept()
    executor = ScriptedExecutor(costing(np.random.default_rng(2)))
    finished = run_experiment(planned, executor, sink, session=SESSION, environment={})
    blocks = {
        name: len({run.block for run in finished.runs if run.variant == name and run.block >= 0}) for name in COSTS
    }
    assert blocks["dear"] == 10
    assert blocks["same"] == blocks["reference"] > 10
    assert finished.complete
    by_name = {pair.candidate: pair for pair in compare(finished).pairs}
    assert by_name["dear"].verdict is Verdict.COSTS_MORE
    assert by_name["dear"].metrics["energy_j"].blocks == 10
    assert by_name["same"].metrics["energy_j"].blocks == blocks["same"]


def test_a_resumed_race_remembers_who_was_dropped() -> None:
    planned = plan(("reference", "same", "dear"), eliminate=True)
    first = run_experiment(
        planned, ScriptedExecutor(costing(np.random.default_rng(2))), Kept(), session=SESSION, environment={}
    )
    killed = [run for run in first.runs if run.block < 14]
    sink = Kept()
    sink.save_plan(planned, {})
    again = run_experiment(
        planned,
        ScriptedExecutor(costing(np.random.default_rng(9))),
        sink,
        session=SESSION,
        environment={},
        before=killed[:-1],
    )
    assert not [run for run in sink.runs if run.variant == "dear"]
    assert again.complete


def test_without_a_rule_nothing_ends_early() -> None:
    executor = ScriptedExecutor(noisy(np.random.default_rng(1), 1.3, 0.03))
    planned = plan(("reference", "candidate"))
    planned = make_plan(replace(planned.design, stopping=None))
    finished = run_experiment(planned, executor, Kept(), session=SESSION, environment={})
    assert max(run.block for run in finished.runs) == 29


def test_several_candidates_are_judged_by_holm_and_not_each_at_the_full_level() -> None:
    """A/A of five variants, 100 experiments: a false claim in at most the 99 % band of Binomial(100, 0.05)."""
    rng = np.random.default_rng(20261121)
    names = ("reference", "b", "c", "d", "e")
    alarms = 0
    for seed in range(100):
        variants = tuple(Variant(name, (name,)) for name in names)
        design = Design(variants, 12, seed, "energy_j", smallest_effect=0.0, warmups=0)

        def work(_variant: Variant, _planned: PlannedRun, _now_s: float) -> ScriptedWork:
            cpu_s = float(np.exp(0.03 * rng.standard_normal()))
            return ScriptedWork(duration_s=cpu_s, cpu_s=cpu_s)

        finished = run_experiment(make_plan(design), ScriptedExecutor(work), Kept(), session=SESSION, environment={})
        alarms += any(pair.verdict is not Verdict.NOT_ENOUGH_RUNS for pair in compare(finished).pairs)
    assert alarms <= 11


def test_holm_gives_the_last_candidate_the_level_of_one() -> None:
    """Three dear candidates are decided in the first round; the one that is left is judged as if it were alone."""
    costs = {"reference": 1.0, "b": 2.0, "c": 2.0, "d": 2.0, "same": 1.0}
    rng = np.random.default_rng(5)

    def work(variant: Variant, _planned: PlannedRun, _now_s: float) -> ScriptedWork:
        cpu_s = costs[variant.name] * float(np.exp(0.03 * rng.standard_normal()))
        return ScriptedWork(duration_s=cpu_s, cpu_s=cpu_s)

    design = Design(tuple(Variant(name, (name,)) for name in costs), 12, 1, "energy_j", warmups=0)
    finished = run_experiment(make_plan(design), ScriptedExecutor(work), Kept(), session=SESSION, environment={})
    comparison = compare(finished)
    levels = {pair.candidate: pair.level for pair in comparison.pairs}
    assert levels["b"] == levels["c"] == levels["d"] == 1 - 0.05 / 4
    assert levels["same"] == 0.95
    assert comparison.omnibus_p is not None
    assert comparison.omnibus_p < 1e-6
