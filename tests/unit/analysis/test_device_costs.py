"""Devices side by side: figures worked out by hand, and who gets no verdict, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from wattleak.analysis.device_costs import different_job, grams_per_joule, job_of, measured, stated
from wattleak.analysis.model_costs import ModelCost, Shape
from wattleak.model import Estimate, Origin, Variant

RUN = ModelCost(
    name="cuda-0",
    shape=Shape("NVIDIA T4", 11_000_000, 100, 300),
    runs=6,
    quality={"accuracy": 0.9, "auc": 0.95},
    duration_s=20.0,
    energy_j=Estimate(1000.0, 900.0, 1100.0, Origin.COUNTER),
    energy_per_epoch_j=None,
    energy_per_sample_j=Estimate(0.5, 0.45, 0.55, Origin.COUNTER),
    cpu_per_sample_s=0.001,
    duration_per_sample_s=0.008,
    carbon_g=Estimate(0.1, 0.045, 0.22, Origin.COUNTER),  # 0.1 mg a joule; 0.05 to 0.2 by the intensity alone
    cpu_mean=0.2,
    cpu_weighted=0.25,
    device_mean={"gpu0": 0.7},
    device_weighted={"gpu0": 0.8},
    peak_memory_b=1e9,
    gpu_peak_memory_b=2e9,
)
PROGRAM = ("/usr/bin/python", "/opt/wattleak/workloads/fine_tuning.py", "--device", "cuda:0", "--epochs", "2")
VARIANT = Variant("cuda-0", (*PROGRAM, "--batch", "32"))


def test_what_was_measured_is_told_per_sample() -> None:
    (cost,) = measured([RUN], {"cuda-0": VARIANT})
    assert cost.samples_per_s == pytest.approx(125)
    assert cost.flops_s == pytest.approx(300 / 0.008)
    assert (cost.accuracy, cost.auc, cost.cpu_use, cost.device_use) == (0.9, 0.95, 0.25, {"gpu0": 0.8})
    assert cost.carbon_per_sample_g is not None
    assert cost.carbon_per_sample_g.value == pytest.approx(0.5 * 1e-4)
    assert cost.carbon_per_sample_g.low == pytest.approx(0.45 * 0.5e-4)
    assert cost.carbon_per_sample_g.high == pytest.approx(0.55 * 2e-4)
    assert cost.why_no_verdict == ""


def test_without_energy_there_are_no_emissions_and_nothing_turns_to_zero() -> None:
    (cost,) = measured([replace(RUN, energy_j=None, energy_per_sample_j=None)], {"cuda-0": VARIANT})
    assert cost.energy_per_sample_j is None
    assert cost.carbon_per_sample_g is None


def test_watts_over_samples_per_second_are_joules_per_sample_and_quoted() -> None:
    figures = {"power_w": 70.0, "power_low_w": 60.0, "power_high_w": 72.0, "samples_per_s": 1250.0, "utilisation": 0.9}
    cost = stated("T4", "t4.csv:2, a paper", "stated", figures, "", grams_per_joule([RUN]))
    assert cost.energy_per_sample_j == Estimate(0.056, 0.048, 0.0576, Origin.QUOTED)
    assert cost.carbon_per_sample_g is not None
    assert cost.carbon_per_sample_g.value == pytest.approx(5.6e-6)
    assert cost.device_use == {"device": 0.9}
    assert cost.ranged
    assert cost.runs is None
    without_range = stated("T4", "t4.csv:2, a paper", "stated", {"energy_per_sample_j": 0.05, "samples_per_s": 10.0})
    assert without_range.energy_per_sample_j is not None
    assert without_range.energy_per_sample_j.value == 0.05
    assert not without_range.ranged
    assert without_range.carbon_per_sample_g is None  # nothing says where that would be


def test_two_jobs_are_the_same_when_they_differ_by_the_device_alone() -> None:
    cpu = Variant("cpu-2", (*PROGRAM[:2], "--batch", "64", "--epochs", "2", "--device", "cpu", "--batch", "32"))
    assert job_of(cpu) == job_of(VARIANT)  # of an option that stands there twice the last counts, as in the program
    (cost,) = measured([RUN], {"cuda-0": VARIANT})
    assert different_job(cost, job_of(cpu)) is None
    other = Variant("cpu-2", (*PROGRAM, "--batch", "8", "--image-size", "64"))
    told = different_job(cost, job_of(other))
    assert told == "another job: --batch 32, --image-size not given"
    assert different_job(replace(cost, job=""), job_of(other)) == "what the job was is not said"
