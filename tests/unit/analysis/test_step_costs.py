"""Figures per step against figures that can be worked out by hand."""

from __future__ import annotations

import random
import statistics
from itertools import pairwise

import pytest

from wattleak.analysis.steps import quantile, step_costs, union
from wattleak.model import Channel, Estimate, Origin, Part, Quantity, Sample, StepRun, Trace
from wattleak.recorder.ring import thin
from wattleak.recorder.step_records import StepRecords

CPU = Channel(
    "cpu", "cpu-model", Part.CPU, Origin.MODELLED, Quantity.ENERGY_J, 1.0, 0.5, 2.0,
    watts_per_busy_cpu=Estimate(10.0, 5.0, 20.0, Origin.MODELLED),
)  # fmt: skip


def run(
    start_s: float, durations: list[float], *, name: str = "train", writer: str = "1/0", samples: int = 0
) -> StepRun:
    inside_s = sum(durations)
    return StepRun(
        name, writer, start_s, start_s + inside_s, inside_s, len(durations), len(durations), samples,
        tuple(sorted(durations)),
    )  # fmt: skip


def trace(*steps: StepRun, busy: float = 1.0) -> Trace:
    samples = tuple(Sample(float(t), {"cpu": 10.0 * t}, busy * t, None, 0, 0, 0, 1) for t in range(101))
    return Trace((CPU,), samples, steps=steps, cpus=8)


def test_energy_and_cpu_time_are_shared_out_over_the_steps() -> None:
    """50 steps of 1 s at one busy CPU of 10 W: 10 J and one CPU-second each."""
    (cost,) = step_costs(trace(run(10.0, [1.0] * 50, samples=200)))

    assert (cost.count, cost.samples, cost.duration_s) == (50, 200, 50.0)
    assert cost.energy_per_step_j is not None
    assert cost.energy_per_step_j.value == pytest.approx(10.0)
    assert cost.cpu_per_step_s is not None
    assert cost.cpu_per_step_s.low <= 1.0 <= cost.cpu_per_step_s.high
    assert cost.energy_per_sample_j is not None
    assert cost.energy_per_sample_j.value == pytest.approx(2.5)


def test_ranks_that_step_at_once_share_what_the_tree_used() -> None:
    """Four ranks, 50 s each at the same time, four busy CPUs: 40 W over 200 steps, not four times that."""
    ranks = [run(10.0, [1.0] * 50, writer=f"{rank}/0") for rank in range(4)]
    (cost,) = step_costs(trace(*ranks, busy=4.0))

    assert (cost.count, cost.writers, cost.duration_s) == (200, 4, 50.0)
    assert cost.energy_per_step_j is not None
    assert cost.energy_per_step_j.value == pytest.approx(50 * 40.0 / 200)


def test_names_that_take_turns_add_up_to_the_whole() -> None:
    turns = [run(10.0 + 10 * n, [1.0] * 10, name="eval" if n % 2 else "train") for n in range(6)]
    costs = {cost.name: cost for cost in step_costs(trace(*turns))}
    total = sum(cost.count * cost.energy_per_step_j.value for cost in costs.values() if cost.energy_per_step_j)

    assert {name: cost.duration_s for name, cost in costs.items()} == {"train": 30.0, "eval": 30.0}
    assert total == pytest.approx(600.0)


def test_an_edge_between_two_samples_is_in_the_range_of_the_cpu_time() -> None:
    """All CPU time of the second may lie before the first step, or in it: nobody looked."""
    (cost,) = step_costs(trace(run(10.5, [0.1] * 4)))

    assert cost.cpu_per_step_s is not None
    assert cost.cpu_per_step_s.low == 0.0
    assert cost.cpu_per_step_s.high >= 0.2


def test_names_that_take_turns_too_often_are_told_with_a_range_that_holds_the_truth() -> None:
    """100 turns of half a second: 20 W while it trains, nothing while it evaluates. Readings each second see 10 W."""
    turns = [run(10.0 + 0.5 * n, [0.5], name="eval" if n % 2 else "train") for n in range(200)]
    cost = next(cost for cost in step_costs(trace(*turns)) if cost.name == "train")

    assert (cost.count, cost.energy_per_step_j is None) == (100, False)
    assert cost.energy_per_step_j is not None
    assert cost.energy_per_step_j.origin is Origin.MODELLED
    assert cost.energy_per_step_j.low <= 0.0
    assert cost.energy_per_step_j.high >= 10.0  # 20 W over half a second


def test_quantiles_of_many_chunks_are_those_of_all_steps() -> None:
    """The journal keeps 64 durations of each chunk; the oracle has every one."""
    rng = random.Random(1)
    everything: list[int] = []
    records = StepRecords()
    at = 0
    for chunk in range(40):
        durations = [round(rng.lognormvariate(14 + 0.01 * chunk, 0.5)) for _ in range(1000)]
        everything += durations
        inside = sum(durations)
        runs = [[0, "train", 1000, 1000, at, at + inside, inside, 0, thin(durations)]]
        records.add({"w": "x-1", "from": chunk * 1000, "to": (chunk + 1) * 1000, "runs": runs})
        at += inside
    cuts = statistics.quantiles([duration * 1e-9 for duration in everything], n=100)

    assert quantile(records.runs(), 0.5) == pytest.approx(cuts[49], rel=0.02)
    assert quantile(records.runs(), 0.95) == pytest.approx(cuts[94], rel=0.03)


def test_a_week_of_steps_is_joined_and_nothing_is_counted_twice() -> None:
    records = StepRecords()
    for chunk in range(10_000):
        start, end = chunk * 10_000_000_000, (chunk + 1) * 10_000_000_000
        durations = [1_000_000_000] * 10
        record = {
            "w": "x-1",
            "from": chunk * 10,
            "to": chunk * 10 + 10,
            "runs": [[0, "train", 10, 10, start, end, end - start, 80, durations]],
        }
        records.add(record)
        records.add(record)  # read twice, as after a crash between two writes
    runs = records.runs()

    assert len(runs) < 3000
    assert sum(run.count for run in runs) == 100_000
    assert sum(run.samples for run in runs) == 800_000
    assert union(runs) == [(0.0, pytest.approx(100_000.0))]
    assert all(before.end_s <= after.start_s + 1e-6 for before, after in pairwise(runs))
    assert quantile(runs, 0.5) == pytest.approx(1.0)
