"""What is attributed when parts of a machine are measured, modelled, or a constant. Sums done by hand."""

import pytest

from wattleak.analysis.attribution import attribute
from wattleak.analysis.energy import machine_energy
from wattleak.model import Channel, Estimate, Origin, Part, Quantity, Sample, Trace

IDLE_W, BUSY_W = 1.0, 4.0  # of the modelled CPU
RAM_W = 3.0
WALL_IDLE_W, WALL_BUSY_W = 20.0, 10.0  # of the plug: at rest, and for each busy CPU


def channel(name, part, origin, quantity, **more):
    return Channel(name, name, part, origin, quantity, 0.001, 0.5, 2.0, source="test", **more)


CPU = channel(
    "cpu",
    Part.CPU,
    Origin.MODELLED,
    Quantity.ENERGY_J,
    idle_w=Estimate(IDLE_W, IDLE_W / 2, IDLE_W * 2, Origin.MODELLED),
    watts_per_busy_cpu=Estimate(BUSY_W, BUSY_W / 2, BUSY_W * 2, Origin.MODELLED),
)
RAM = channel("ram", Part.DRAM, Origin.CONSTANT, Quantity.ENERGY_J)
PLUG = channel(
    "plug",
    Part.MACHINE,
    Origin.SAMPLED,
    Quantity.POWER_W,
    contains=frozenset({"cpu", "ram"}),
    idle_w=Estimate(WALL_IDLE_W, WALL_IDLE_W, WALL_IDLE_W, Origin.QUOTED),
)


def trace(*channels, seconds=10):
    """One CPU of two busy with our tree, the other with somebody else's."""
    samples = []
    for t in range(seconds + 1):
        raw = {
            "cpu": IDLE_W * t + BUSY_W * 2 * t,
            "ram": RAM_W * t,
            "plug": WALL_IDLE_W + 2 * WALL_BUSY_W,
        }
        raw = {item.name: raw[item.name] for item in channels}
        samples.append(Sample(float(t), raw, float(t), 2.0 * t, 0, 0, 0, 1))
    return Trace(tuple(channels), tuple(samples), cpus=2)


def test_a_constant_is_shown_for_the_machine_and_attributed_to_nobody():
    recorded = trace(RAM, CPU)
    shown = {item.channel.name: item.energy_j.value for item in machine_energy(recorded, 0, 10)}
    assert shown["ram"] == pytest.approx(RAM_W * 10)
    attribution = attribute(recorded, 0, 10)
    assert [item.channel.name for item in attribution.channels] == ["cpu"]
    assert attribution.total_j.value == pytest.approx(BUSY_W * 10)
    assert attribution.total_j.origin is Origin.MODELLED
    assert attribution.idle_j.value == pytest.approx(IDLE_W * 10)


def test_nothing_but_a_constant_leaves_nothing_to_attribute():
    attribution = attribute(trace(RAM), 0, 10)
    assert attribution.channels == ()
    assert attribution.total_j is None
    assert attribution.idle_j is None


def test_what_is_measured_at_the_wall_goes_before_what_is_modelled_inside():
    attribution = attribute(trace(PLUG, RAM, CPU), 0, 10)
    by_name = {item.channel.name: item.energy_j for item in attribution.channels}
    assert by_name["plug"].value == pytest.approx(WALL_BUSY_W * 10), "half of what is above idle"
    assert attribution.total_j.value == pytest.approx(WALL_BUSY_W * 10), "the model is not added to it"
    assert attribution.total_j.origin is Origin.SAMPLED
    assert any("cpu is modelled" in note for note in attribution.notes)
