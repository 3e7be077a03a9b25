from __future__ import annotations

import pytest
from written_experiments import channel, cpu, energy, gpu, measurement, modelled

from wattleak.analysis.metrics import METRICS, choose_primary, metric_origin, metric_value, readings_alike
from wattleak.errors import UsageError
from wattleak.model import Carbon, Origin, Part

MODELLED_CPU = energy("cpu0", Part.CPU, 90.0, Origin.MODELLED)


def test_plain_figures():
    m = measurement(duration_s=3.0, cpu_s=5.0, peak_memory_b=7, read_b=11, written_b=0)
    expected = {"duration_s": 3.0, "cpu_s": 5.0, "peak_memory_b": 7, "read_b": 11, "written_b": 0}
    assert {name: metric_value(m, name) for name in expected} == expected
    assert {name: metric_origin([m], name) for name in expected} == {
        "duration_s": "counter",
        "cpu_s": "counter",
        "peak_memory_b": "sampled",
        "read_b": "counter",
        "written_b": "counter",
    }


def test_what_was_not_read_is_absent():
    m = measurement()
    for name in ("energy_j", "gpu_energy_j", "attributed_energy_j", "carbon_g"):
        assert metric_value(m, name) is None
        with pytest.raises(ValueError, match=r"empty|no "):
            metric_origin([m], name)


@pytest.mark.parametrize(
    ("channels", "energy_j", "gpu_energy_j", "origin"),
    [
        ([cpu(100.0), gpu(40.0)], 140.0, 40.0, "counter"),
        ([cpu(100.0), gpu(40.0, Origin.SAMPLED)], 140.0, 40.0, "sampled"),
        ([cpu(100.0), gpu(40.0), gpu(2.0, name="gpu1")], 142.0, 42.0, "counter"),
        ([cpu(100.0, Origin.SIMULATED), gpu(40.0, Origin.SIMULATED)], 140.0, 40.0, "simulated"),
        # a channel inside another, or the machine beside its parts, is never added
        ([cpu(100.0), energy("core0", Part.CPU, 70.0), gpu(1.0)], 171.0, 1.0, "counter"),
        (
            [energy("cpu0", Part.CPU, 100.0, contains=["core0"]), energy("core0", Part.CPU, 70.0)],
            100.0,
            None,
            "counter",
        ),
        ([energy("machine", Part.MACHINE, 300.0, contains=["cpu0"]), cpu(100.0)], 100.0, None, "counter"),
        ([energy("machine", Part.MACHINE, 300.0)], 300.0, None, "counter"),
        ([energy("machine", Part.MACHINE, 300.0, contains=["gpu0"]), gpu(40.0)], 300.0, 40.0, "counter"),
        ([energy("machine", Part.MACHINE, 300.0, contains=["cpu0"]), gpu(40.0)], 340.0, 40.0, "counter"),
        # measured before simulated, never both
        ([cpu(100.0), energy("cpu1", Part.CPU, 5.0, Origin.SIMULATED)], 100.0, None, "counter"),
        # a part of the whole is not the whole
        ([MODELLED_CPU, gpu(40.0)], None, 40.0, None),
        ([cpu(100.0, Origin.SIMULATED), gpu(40.0)], None, 40.0, None),
        ([energy("dram0", Part.DRAM, 10.0)], None, None, None),
    ],
)
def test_gross_energy(channels, energy_j, gpu_energy_j, origin):
    m = measurement(energy=tuple(channels), attributed_energy_j=modelled(7.0))
    assert metric_value(m, "energy_j") == energy_j
    assert metric_value(m, "gpu_energy_j") == gpu_energy_j
    if origin:
        assert metric_origin([m], "energy_j") == origin


def test_without_a_meter_energy_is_the_modelled_one_and_says_so():
    m = measurement(energy=(MODELLED_CPU,), attributed=(MODELLED_CPU,), attributed_energy_j=modelled(60.0))
    for name in ("energy_j", "attributed_energy_j"):
        (reading,) = readings_alike([m], name)
        assert (reading.value, reading.origin, reading.derived_from) == (60.0, "modelled", "cpu_s")


def test_carbon_is_derived_from_energy():
    carbon = Carbon(30.0, 20.0, 40.0, 475.0, 400.0, 500.0, "a table", 2024, "world", 1.0, Origin.COUNTER)
    (reading,) = readings_alike([measurement(carbon_g=carbon)], "carbon_g")
    assert (reading.value, reading.origin, reading.derived_from) == (30.0, "counter", "attributed_energy_j")


def test_the_weakest_origin_stands_for_all():
    runs = [measurement(energy=(cpu(1.0),)), measurement(energy=(cpu(1.0, Origin.SAMPLED),)), measurement()]
    assert metric_origin(runs, "energy_j") is Origin.SAMPLED


def test_a_reading_that_failed_once_is_no_saving():
    with_gpu, without = measurement(energy=(cpu(9.0), gpu(5.0))), measurement(energy=(cpu(9.0),))
    assert "same channels" in readings_alike([with_gpu, without], "energy_j")
    assert "1 of 2" in readings_alike([with_gpu, without], "gpu_energy_j")


def test_measured_is_not_compared_with_modelled():
    counted = measurement(energy=(cpu(9.0),))
    guessed = measurement(attributed_energy_j=modelled(9.0))
    assert isinstance(readings_alike([counted, guessed], "energy_j"), str)


@pytest.mark.parametrize(
    ("channels", "gpu_used", "primary"),
    [
        ([], None, "cpu_s"),
        ([channel("cpu0", Part.CPU)], None, "energy_j"),
        ([channel("cpu0", Part.CPU, Origin.SIMULATED)], None, "energy_j"),
        ([channel("cpu0", Part.CPU, Origin.MODELLED)], None, "cpu_s"),
        ([channel("cpu0", Part.CPU), channel("gpu0", Part.GPU)], None, "energy_j"),
        ([channel("cpu0", Part.CPU), channel("gpu0", Part.GPU, Origin.MODELLED)], None, "cpu_s"),
        ([channel("cpu0", Part.CPU, Origin.MODELLED), channel("gpu0", Part.GPU)], None, "gpu_energy_j"),
        ([channel("cpu0", Part.CPU, Origin.MODELLED), channel("gpu0", Part.GPU)], True, "gpu_energy_j"),
        ([channel("cpu0", Part.CPU, Origin.MODELLED), channel("gpu0", Part.GPU)], False, "cpu_s"),
        ([channel("machine", Part.MACHINE)], None, "energy_j"),
        ([channel("dram0", Part.DRAM)], None, "cpu_s"),
    ],
)
def test_the_primary_metric_follows_the_meters(channels, gpu_used, primary):
    assert choose_primary(channels, gpu_used) == primary


def test_the_primary_metric_can_be_read():
    for energies in ((cpu(3.0), gpu(2.0)), (MODELLED_CPU, gpu(2.0)), (MODELLED_CPU,), ()):
        m = measurement(energy=energies, attributed_energy_j=modelled(1.0))
        assert metric_value(m, choose_primary([item.channel for item in energies])) is not None


def test_an_unknown_metric_is_answered_with_the_names():
    with pytest.raises(UsageError) as caught:
        metric_value(measurement(), "joules")
    assert all(metric.name in caught.value.remedy for metric in METRICS)


def test_units_end_the_names():
    assert {metric.name.rsplit("_", 1)[1]: metric.unit for metric in METRICS} == {
        "j": "J",
        "s": "s",
        "b": "B",
        "g": "g",
    }
