"""What delivering samples cost, from runs written by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from written_experiments import experiment, modelled, run

from wattleak.analysis.data_costs import cpu_per_sample, data_costs, level_effects, time_per_sample
from wattleak.model import Factor, SpanCost, Variant
from wattleak.reports.data_study import cost_table, io_table, notes

FIGURES = {
    "samples": 2000.0,
    "later_epochs": 4.0,
    "size_b": 4e6,
    "on_disk_b": 5e6,
    "first_s": 2.0,
    "first_cpu_s": 1.0,
    "first_storage_b": 4.2e6,
    "first_called_b": 8e6,
    "later_s": 4.0,
    "later_cpu_s": 3.2,
    "later_storage_b": 0.0,
    "later_called_b": 16e6,
    "dropping_s": 0.9,
    "dropping_cpu_s": 0.8,
    "resident_share": 0.0,
    "least_storage_share": 1.05,
    "wrong_samples": 0.0,
}


def span(name, energy_j, cpu_s=1.0):
    return SpanCost(name, 0.0, 1.0, cpu_s, (), modelled(energy_j))


def delivered(variant, block, **figures):
    return run(
        variant,
        block,
        read_b=9_000_000,
        quality={**FIGURES, **figures},
        spans=(span("first epoch", 30.0), span("later epochs", 80.0)),
    )


def test_the_first_epoch_and_the_later_ones_are_apart():
    runs = [delivered("npy", 0), delivered("npy", 1, later_s=8.0, first_storage_b=4.4e6)]
    (cost,) = data_costs(experiment([*runs, run("npy", 2, failure="exit code 1")], variants=("npy",)))
    assert (cost.runs, cost.samples, cost.size_b, cost.on_disk_b) == (2, 2000, 4e6, 5e6)
    assert cost.first.samples_per_s == pytest.approx(1000)  # 2000 in 2 s
    assert cost.later.samples_per_s == pytest.approx(1500)  # median of 8000 in 4 s and in 8 s
    assert cost.first_over_later == pytest.approx(1.5)
    assert cost.first.cpu_per_1000_s == pytest.approx(0.5)
    assert cost.later.cpu_per_1000_s == pytest.approx(0.4)  # 3.2 s for 8000
    assert cost.first.energy_per_1000_j.value == pytest.approx(15.0)
    assert cost.later.energy_per_1000_j.value == pytest.approx(10.0)  # 80 J for 8000
    assert cost.later.energy_per_1000_j.low == pytest.approx(5.0)
    assert (cost.first.storage_b, cost.later.storage_b) == (4.3e6, 0.0)
    assert (cost.first.called_b, cost.later.called_b) == (8e6, 4e6)  # of one epoch
    assert cost.dropping_share == pytest.approx(0.2)  # 0.8 of 4.0 s
    assert cost.read_b == 9_000_000


def test_what_a_platform_does_not_say_is_absent_and_said_to_be():
    unknown = {"first_storage_b", "later_storage_b", "first_called_b", "later_called_b", "resident_share"}
    unknown |= {"least_storage_share"}
    figures = {name: value for name, value in FIGURES.items() if name not in unknown}
    (cost,) = data_costs(experiment([run("npy", 0, read_b=None, quality=figures)], variants=("npy",)))
    assert (cost.first.storage_b, cost.later.called_b, cost.read_b) == (None, None, None)
    assert (cost.first.energy_per_1000_j, cost.resident_share) == (None, None)
    assert dict(zip(*io_table([cost]), strict=True))["first epoch"] == "-"
    assert any("does not say whether the files had left the page cache" in note for note in notes([cost]))


def test_energy_of_a_few_ticks_of_cpu_time_is_not_measured():
    given = delivered("npy", 0)
    short = replace(given.measurement, spans=(span("first epoch", 0.0, cpu_s=0.03), span("later epochs", 80.0)))
    (cost,) = data_costs(experiment([replace(given, measurement=short)], variants=("npy",)))
    assert cost.first.energy_per_1000_j is None
    assert cost.later.energy_per_1000_j.value == pytest.approx(10.0)
    assert not any("too little CPU time" in note for note in notes([cost]))
    none = replace(cost, name="npz", later=cost.first)
    assert any("too little CPU time" in note for note in notes([cost, none]))


def test_what_was_not_cold_and_what_was_not_right_is_said():
    runs = [
        delivered("warm", 0, resident_share=0.25),
        delivered("half", 0, least_storage_share=0.5),
        delivered("jpeg", 0, wrong_samples=2000.0),
    ]
    costs = data_costs(experiment(runs, variants=("warm", "half", "jpeg")))
    said = " | ".join(notes(costs))
    assert "warm: not cold, 25 % of its pages stayed in memory" in said
    assert "half: of an epoch that was to be cold, only 50 % of the bytes came from storage" in said
    assert "jpeg: 2000 of 2000 samples are not what was stored" in said
    assert cost_table(costs)[3][-1] == "2000 wrong"


def test_runs_of_another_program_have_no_costs():
    assert data_costs(experiment([run("a", 0, quality={"accuracy": 0.9})], variants=("a",))) == ()
    assert cpu_per_sample(run("a", 0, quality={"later_cpu_s": 1.0}).measurement) is None


def test_a_level_is_held_against_the_first_one_while_the_others_stay():
    """Cold takes twice the CPU time with npy and a tenth more with png, whatever the block."""
    cpu_s = {"npy warm": 1.0, "npy cold": 2.0, "png warm": 10.0, "png cold": 11.0}
    runs = [
        delivered(name, block, later_cpu_s=value * (1 + block / 10), later_s=value)
        for block in range(7)
        for name, value in cpu_s.items()
    ]
    made = experiment(
        runs,
        variants=tuple(cpu_s),
        factors=(Factor("format", ("npy", "png")), Factor("cache", ("warm", "cold"))),
    )
    variants = tuple(
        Variant(name, (name,), levels=dict(zip(("format", "cache"), name.split(), strict=True))) for name in cpu_s
    )
    design = replace(made.plan.design, variants=variants)
    made = replace(made, plan=replace(made.plan, design=design))
    npy, png = level_effects(made, "cache", cpu_per_sample)
    assert (npy.base, npy.level, npy.others, npy.blocks) == ("warm", "cold", {"format": "npy"}, 7)
    assert (npy.change, npy.low, npy.high) == pytest.approx((1.0, 1.0, 1.0))
    assert (png.others, png.change) == ({"format": "png"}, pytest.approx(0.1))
    assert npy.confidence == pytest.approx(0.975)  # two of them hold together at 95 %
    formats = level_effects(made, "format", time_per_sample)
    assert [(one.others["cache"], one.change) for one in formats] == [
        ("warm", pytest.approx(9.0)),
        ("cold", pytest.approx(4.5)),
    ]
