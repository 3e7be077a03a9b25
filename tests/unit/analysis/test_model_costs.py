"""What a model's training cost, from runs written by hand, and how busy the machine was, from written traces."""

from __future__ import annotations

from dataclasses import replace

import pytest
from written_experiments import experiment, modelled, run

from wattleak.analysis.model_costs import Busy, Shape, model_costs
from wattleak.analysis.utilisation import Utilisation, cpu_utilisation, device_utilisation
from wattleak.model import DeviceUse, Sample, ShortPlan, SpanCost, Trace
from wattleak.reports.model_table import model_table, models_document

SHAPE = Shape("Net", 1_000_000, 2_000_000, 6_000_000)


def epoch(duration_s, cpu_s, energy_j, name="epoch"):
    return SpanCost(name, 0.0, duration_s, cpu_s, (), modelled(energy_j))


def trained(block, *, energy_j, auc):
    return run(
        "net",
        block,
        duration_s=100.0 + block,
        cpu_s=150.0,
        attributed_energy_j=modelled(energy_j),
        spans=(epoch(20.0, 30.0, 300.0), epoch(20.0, 34.0, 340.0), epoch(5.0, 9.0, 70.0, "evaluation")),
        quality={"auc": auc, "samples": 4000.0, "gpu_peak_memory_b": 7e9},
    )


def test_a_full_training_by_epoch_and_by_sample():
    runs = [trained(0, energy_j=800.0, auc=0.9), trained(1, energy_j=900.0, auc=0.94)]
    failed = run("net", 2, duration_s=1.0, failure="exit code 1")
    (cost,) = model_costs(
        experiment([*runs, failed], variants=("net",)),
        {"net": SHAPE},
        {"net-0-1": Busy(Utilisation(0.8, 0.7, 10), {"gpu0": Utilisation(0.9, 0.6, 10)})},
    )
    assert cost.runs == 2
    assert cost.duration_s == 100.5
    assert cost.energy_j.value == 850.0
    assert cost.quality["auc"] == pytest.approx(0.92)
    assert cost.energy_per_epoch_j.value == 320.0  # (300 + 340) / 2; the evaluation is no epoch
    assert cost.energy_per_sample_j.value == pytest.approx(640 / 4000)
    assert cost.energy_per_sample_j.low == pytest.approx(320 / 4000)
    assert cost.cpu_per_sample_s == pytest.approx(64 / 4000)
    assert cost.duration_per_sample_s == pytest.approx(0.01)
    assert cost.achieved_flops_s == pytest.approx(6e8)
    assert (cost.cpu_mean, cost.cpu_weighted, cost.device_weighted) == (0.8, 0.7, {"gpu0": 0.6})
    assert cost.gpu_peak_memory_b == 7e9
    (document,) = models_document([cost])
    assert document["device_utilisation"] == {"gpu0": {"mean": 0.9, "time_weighted": 0.6}}
    table = dict(zip(*model_table([cost]), strict=True))
    assert table["GPU use"] == "gpu0 90 % (60 %)"
    assert table["energy/epoch"] == "320 J [160, 640]"


def test_a_run_that_was_ended_early_has_neither_quality_nor_totals():
    plain = [run("net", 0), run("net", 1)]
    given = experiment(plain, variants=("net",))
    short = replace(given, plan=replace(given.plan, design=replace(given.plan.design, short=ShortPlan(steps=5))))
    (cost,) = model_costs(short, {"net": SHAPE}, {})
    assert (cost.quality, cost.duration_s, cost.energy_j, cost.achieved_flops_s) == ({}, None, None, None)
    assert "runtime" not in model_table([cost])[0]


def sample(time_s, cpu_s):
    return Sample(time_s, {}, cpu_s, None, 0, None, None, 1)


def test_utilisation_as_monitors_print_it_and_weighted_by_time():
    """One CPU of two: busy all of 1 s, then idle for 9 s that a delay made one reading."""
    trace = Trace((), (sample(0.0, 0.0), sample(1.0, 1.0), sample(10.0, 1.0)), cpus=2)
    assert cpu_utilisation(trace) == Utilisation(pytest.approx(0.25), pytest.approx(0.05), 2)
    assert cpu_utilisation(Trace((), (sample(0.0, 0.0),))) is None
    use = (DeviceUse(0.0, 0.0, None, None), DeviceUse(1.0, 1.0, None, None), DeviceUse(10.0, 0.0, None, None))
    found = device_utilisation(Trace((), (), use={"gpu0": use, "gpu1": (DeviceUse(0.0, None, None, None),)}))
    assert found == {"gpu0": Utilisation(pytest.approx(0.5), pytest.approx(0.1), 2)}


def test_what_has_no_energy_has_none():
    (cost,) = model_costs(experiment([run("net", 0, quality={"samples": 10.0})], variants=("net",)), {"net": SHAPE}, {})
    assert cost.energy_j is None
    assert cost.energy_per_sample_j is None
