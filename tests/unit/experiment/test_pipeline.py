"""The whole pipeline on a scripted clock and meter: plan, order, readings, attribution, analysis, verdict.

The truth is known, because the workload is a script. numpy draws the noise; none of our own code takes part in that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from wattleak.analysis.comparison import compare
from wattleak.executors.scripted import ScriptedExecutor, ScriptedHost, ScriptedWork
from wattleak.experiment.design import make_plan
from wattleak.experiment.runner import run_experiment
from wattleak.model import Design, Experiment, PairComparison, Plan, PlannedRun, Run, Session, Variant, Verdict

SESSION = Session("s1", "node", "boot", "2026-01-01T00:00:00+00:00")
VARIANTS = (Variant("reference", ("ref",)), Variant("candidate", ("cand",)))
Work = Callable[[Variant, PlannedRun, float], ScriptedWork]


class Kept:
    """A RunSink that remembers."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.runs: list[Run] = []
        self.complete = False

    def save_plan(self, plan: Plan, environment: Mapping[str, str]) -> None:
        self.plan = plan

    def save_run(self, run: Run) -> None:
        assert self.plan is not None, "the plan is written before the first run"
        self.runs.append(run)

    def finish(self, experiment: str, complete: bool) -> None:
        self.complete = complete


def design(blocks: int, seed: int, metric: str = "energy_j") -> Design:
    return Design(variants=VARIANTS, blocks=blocks, seed=seed, metric=metric, warmups=1, cooldown_s=2.0)


def play(work: Work, blocks: int, seed: int, host: ScriptedHost | None = None, metric: str = "energy_j") -> Experiment:
    executor = ScriptedExecutor(work, host)
    return run_experiment(make_plan(design(blocks, seed, metric)), executor, Kept(), session=SESSION, environment={})


def answer(experiment: Experiment) -> PairComparison:
    (pair,) = compare(experiment).pairs
    return pair


def noisy(rng: np.random.Generator, factor: float, noise: float, drift_per_s: float = 0.0) -> Work:
    """Ten seconds of work whose CPU-seconds vary; the candidate does `factor` times as much; the machine drifts."""

    def work(variant: Variant, _planned: PlannedRun, now_s: float) -> ScriptedWork:
        true = 10.0 * (factor if variant.name == "candidate" else 1.0)
        cpu_s = true * float(np.exp(noise * rng.standard_normal())) * (1 + drift_per_s * now_s)
        return ScriptedWork(duration_s=cpu_s, cpu_s=cpu_s)

    return work


@pytest.mark.parametrize("drift_per_s", [0.0, 1e-4], ids=["steady", "3 % drift over the session"])
def test_false_verdicts_of_identical_programs_stay_within_the_binomial_band_of_5_percent(drift_per_s: float) -> None:
    """300 experiments of 12 blocks. Binomial(300, 0.05): 99 % of the time at most 25 wrong."""
    rng = np.random.default_rng(20261121)
    outside, false_verdicts = 0, 0
    for seed in range(300):
        pair = answer(play(noisy(rng, 1.0, 0.03, drift_per_s), 12, seed))
        change = pair.metrics["energy_j"]
        assert change.low is not None
        assert change.high is not None
        outside += not change.low <= 0 <= change.high
        false_verdicts += pair.verdict in (Verdict.SAVING, Verdict.COSTS_MORE)

    assert false_verdicts <= outside <= 25
    assert outside >= 4  # and the interval is not so wide that it never excludes anything (0.1 % of the time)


def test_a_difference_of_ten_percent_is_found_in_nine_of_ten_experiments_of_12_blocks() -> None:
    rng = np.random.default_rng(7)
    found = sum(answer(play(noisy(rng, 0.9, 0.03), 12, seed)).verdict is Verdict.SAVING for seed in range(100))

    assert found >= 90


def test_the_interval_holds_the_true_change() -> None:
    rng = np.random.default_rng(11)
    held = 0
    for seed in range(100):
        change = answer(play(noisy(rng, 1.1, 0.02), 12, seed)).metrics["cpu_s"]
        assert change.low is not None
        assert change.high is not None
        held += change.low <= 0.1 <= change.high

    assert held >= 90  # Binomial(100, 0.95) is below 90 less than 2 % of the time


def test_a_busy_neighbour_moves_attributed_joules_by_less_than_three_percent() -> None:
    """A host of 64 cores, 50 W idle, 3 W per busy core: ten seconds of one core cost 30 J above idle."""

    def work(_variant: Variant, _planned: PlannedRun, _now_s: float) -> ScriptedWork:
        return ScriptedWork(duration_s=10.0, cpu_s=10.0)

    def joules(neighbour: Callable[[float], float]) -> float:
        experiment = play(work, 1, 0, ScriptedHost(cpus=64, idle_w=50, watts_per_busy_cpu=3, neighbour_cpus=neighbour))
        attributed = experiment.runs[-1].measurement.attributed_energy_j
        assert attributed is not None
        return attributed.value

    alone = joules(lambda _time_s: 0.0)
    beside = joules(lambda _time_s: 40.0)
    coming_and_going = joules(lambda time_s: 60.0 if int(time_s) % 3 == 0 else 1.0)

    assert alone == pytest.approx(30.0, rel=0.001)
    assert beside == pytest.approx(alone, rel=0.03)
    assert coming_and_going == pytest.approx(alone, rel=0.03)


class TestRunner:
    def steady(self, _variant: Variant, _planned: PlannedRun, _now_s: float) -> ScriptedWork:
        return ScriptedWork(duration_s=3.0, cpu_s=3.0)

    def test_it_rests_between_runs_and_follows_the_order(self) -> None:
        plan = make_plan(design(3, 5))
        executor = ScriptedExecutor(self.steady)
        sink = Kept()
        run_experiment(plan, executor, sink, session=SESSION, environment={})

        assert [(run.block, run.variant) for run in sink.runs] == [(run.block, run.variant) for run in plan.runs]
        assert executor.clock.now_s() == pytest.approx(8 * 3.0 + 7 * 2.0)
        assert sink.complete

    def test_resume_runs_what_is_missing_and_a_half_block_whole(self) -> None:
        plan = make_plan(design(3, 5))
        first = Kept()
        run_experiment(plan, ScriptedExecutor(self.steady), first, session=SESSION, environment={})
        survived = tuple(first.runs[:5])  # the warm-up block, block 0, and half of block 1
        second = Kept()
        second.plan = plan
        resumed = run_experiment(
            plan, ScriptedExecutor(self.steady), second, session=SESSION, environment={}, before=survived
        )

        assert [(run.block, run.attempt) for run in second.runs] == [(1, 2), (1, 2), (2, 1), (2, 1)]
        assert answer(resumed).metrics["energy_j"].blocks == 3

    def test_a_superseded_half_block_is_never_counted(self) -> None:
        """The half that survived is made absurdly dear: if it counted, the verdict would show it."""
        plan = make_plan(design(6, 5))
        first = Kept()
        run_experiment(plan, ScriptedExecutor(self.steady), first, session=SESSION, environment={})
        half = first.runs[2]
        dear = replace(half, measurement=replace(half.measurement, cpu_s=1e6))
        second = Kept()
        second.plan = plan
        resumed = run_experiment(
            plan,
            ScriptedExecutor(self.steady),
            second,
            session=SESSION,
            environment={},
            before=(*first.runs[:2], dear),
        )

        assert answer(resumed).metrics["cpu_s"].change == pytest.approx(0.0)


class TestOrder:
    def test_two_variants_are_balanced_in_every_four_blocks(self) -> None:
        runs = [run for run in make_plan(design(40, 9)).runs if run.block >= 0 and run.position == 0]
        firsts = [run.variant for run in runs]

        for start in range(0, 40, 4):
            assert firsts[start : start + 4].count("reference") == 2

    def test_the_order_is_neither_sequential_nor_alternating(self) -> None:
        firsts = [
            "".join(run.variant[0] for run in make_plan(design(20, s)).runs if run.position == 0) for s in range(20)
        ]

        assert len(set(firsts)) == 20

    def test_the_training_seed_is_shared_inside_a_block_and_differs_between_blocks(self) -> None:
        runs = make_plan(design(20, 1)).runs
        by_block = {run.block: {other.seed for other in runs if other.block == run.block} for run in runs}

        assert all(len(seeds) == 1 for seeds in by_block.values())
        assert len({seed for seeds in by_block.values() for seed in seeds}) == 21

    def test_the_digest_sees_every_change_of_the_plan(self) -> None:
        base = design(6, 1)
        digests = {
            make_plan(changed).digest
            for changed in (base, replace(base, seed=2), replace(base, blocks=7), replace(base, smallest_effect=0.01))
        }

        assert len(digests) == 4
        assert make_plan(base).digest == make_plan(base).digest
