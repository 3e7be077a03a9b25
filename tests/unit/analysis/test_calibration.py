"""The wall calibration against numpy, scipy, sums done by hand, and synthetic machines whose line is known."""

import math
import random

import numpy as np
import pytest
from scipy import stats

from wattleak.analysis.attribution import Attribution
from wattleak.analysis.calibration import (
    at_the_wall,
    calibrated_channels,
    describe,
    fit,
    wall_energy,
    wall_power,
)
from wattleak.errors import UsageError
from wattleak.model import Channel, ChannelEnergy, Estimate, Origin, Part, Quantity

READINGS = [(10.0, 45.2), (60.0, 101.0), (110.0, 166.1), (160.0, 222.9)]
METER = 0.03  # how far a wall meter may be off, as the module states
TWO, MORE = 0.20, 0.077  # what another day's work leaves, after Fischer 2025


def fitted(readings, channels=("cpu0",)):
    return fit(readings, machine="m", channels=channels, made_at="2026-11-21T06:00:00+00:00")


def channel(name, part=Part.CPU, origin=Origin.COUNTER, meter="rapl", low=0.95, high=1.05, contains=()):
    return Channel(name, meter, part, origin, Quantity.ENERGY_J, 0.001, low, high, contains=frozenset(contains))


def energy(item, value, low=None, high=None, **more):
    low, high = value if low is None else low, value if high is None else high
    return ChannelEnergy(item, Estimate(value, low, high, item.origin), **more)


def test_slope_and_offset_are_those_of_numpy_and_scipy():
    found = fitted(READINGS)
    slope, offset = np.polyfit(*zip(*READINGS, strict=True), 1)
    assert found.slope.value == pytest.approx(slope)
    assert found.offset_w.value == pytest.approx(offset)
    oracle = stats.linregress(*zip(*READINGS, strict=True))
    t = stats.t.ppf(0.975, len(READINGS) - 2)
    half = found.slope.high - found.slope.value
    assert half == pytest.approx(math.hypot(t * oracle.stderr, METER * slope))
    half = found.offset_w.high - found.offset_w.value
    assert half == pytest.approx(math.hypot(t * oracle.intercept_stderr, METER * offset))
    left = [wall - slope * power - offset for power, wall in READINGS]
    assert found.residual_w == pytest.approx(math.sqrt(sum(value**2 for value in left) / len(left)))


def test_the_range_of_a_prediction_is_the_textbook_interval_and_what_else_is_unsure():
    found = fitted(READINGS)
    powers, walls = map(np.array, zip(*READINGS, strict=True))
    oracle = stats.linregress(powers, walls)
    n, at = len(powers), 130.0
    wall = oracle.slope * at + oracle.intercept
    s = math.sqrt(((walls - oracle.slope * powers - oracle.intercept) ** 2).sum() / (n - 2))
    spread = ((powers - powers.mean()) ** 2).sum()
    prediction = stats.t.ppf(0.975, n - 2) * s * math.sqrt(1 + 1 / n + (at - powers.mean()) ** 2 / spread)
    estimate = wall_power(found, at)
    assert estimate.value == pytest.approx(wall)
    assert estimate.high - estimate.value == pytest.approx(math.hypot(prediction, METER * wall, MORE * wall))
    assert estimate.origin is Origin.MODELLED


def test_two_readings_leave_no_residual_and_a_wide_range():
    """By hand: (10 W, 32 W) and (30 W, 64 W) lie on 1.6 P + 16."""
    found = fitted([(10, 32), (30, 64)])
    assert (found.slope.value, found.offset_w.value) == (pytest.approx(1.6), pytest.approx(16.0))
    assert found.residual_w is None
    assert found.slope.high - 1.6 == pytest.approx(math.hypot(0.96, 1.92) / 20)
    assert found.offset_w.high - 16 == pytest.approx(math.hypot(0.96 * 30, 1.92 * 10) / 20)
    at_rest = wall_power(found, 10)
    assert at_rest.value == pytest.approx(32)
    assert at_rest.high - 32 == pytest.approx(math.hypot(0.96, TWO * 32))
    assert "no residual: two readings" in describe(found)
    with_third = wall_power(fitted([(10, 32), (20, 48), (30, 64)]), 10)
    assert with_third.high - with_third.low < at_rest.high - at_rest.low


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ([(10, 32)], "two readings"),
        ([(10, 32), (10.2, 48)], "differ by less"),
        ([(10, 32), (10, 48)], "differ by less"),
        ([(0, 32), (0, 48)], "differ by less"),
        ([(10, 48), (30, 32)], "falls when the load rises"),
        ([(10, 32), (30, float("nan"))], "no power"),
        ([(-1, 32), (30, 48)], "no power"),
        ([(10, 0), (30, 48)], "no power"),
        ([(3.24, 12.5), (3.86, 48)], "not at rest"),
    ],
)
def test_readings_that_make_no_line_are_refused(readings, said):
    with pytest.raises(UsageError, match=said):
        fitted(readings)


@pytest.mark.parametrize("seed", range(5))
def test_a_known_line_is_found_again_through_noise(seed):
    """A machine like the published one: wall = 1.22 P + 33 W, 6 % scatter from run to run. A second session is drawn
    from the same machine; its median error and the share of truths inside the range are what a user would see.
    """
    a, b, scatter = 1.22, 33.0, 0.06
    draw = random.Random(seed)

    def session(n):
        powers = [draw.uniform(40, 400) for _ in range(n)]
        return [(power, (a * power + b) * draw.gauss(1, scatter)) for power in powers]

    found = fitted(session(60))
    assert found.slope.low < a < found.slope.high
    assert found.offset_w.low < b < found.offset_w.high
    later = session(300)
    estimates = [(wall_power(found, power), power, wall) for power, wall in later]
    with_line = np.median([abs(estimate.value - wall) / wall for estimate, _, wall in estimates])
    without = np.median([abs(power - wall) / wall for _, power, wall in estimates])
    assert without > 0.2, "as published: the channels alone are 20 to 33 % low"
    assert with_line < 0.05
    inside = sum(estimate.low <= wall <= estimate.high for estimate, _, wall in estimates)
    assert inside >= 0.93 * len(estimates)


# -- what it makes of a run --------------------------------------------------------------------------------------


CPU0 = channel("cpu0")
MODEL = channel("cpu", origin=Origin.MODELLED, meter="cpu-model", low=0.5, high=2.0)
RAM = channel("ram", Part.DRAM, Origin.CONSTANT, "ram-model", 0.3, 2.8)
LINE = fitted([(10, 32), (30, 64)])  # 1.6 P + 16


def test_a_run_at_the_wall():
    """100 s at 20 W: 48 W at the wall. The tree's 500 J are 800 J there; the 16 W are nobody's."""
    energies = (energy(CPU0, 2000.0), energy(RAM, 50.0))
    found = wall_energy(LINE, energies, (energy(CPU0, 500.0),), 100.0)
    assert found.machine.energy_j.value == pytest.approx(4800)
    assert found.machine.energy_j.origin is Origin.MODELLED
    assert found.machine.channel.contains == {"cpu0", "ram"}
    assert "calibrated" in found.machine.channel.source
    assert found.attributed.energy_j.value == pytest.approx(800)
    assert found.notes == ()


def test_a_calibrated_model_is_no_longer_a_factor_of_two():
    """Its own range is in the line; what is left is the line's."""
    line = fitted([(10, 32), (20, 48), (30, 64)], channels=("cpu",))
    tree = energy(MODEL, 500.0, 250.0, 1000.0)
    found = wall_energy(line, (energy(MODEL, 2000.0, 1000.0, 4000.0),), (tree,), 100.0)
    slope_share = METER
    assert found.attributed.energy_j.high == pytest.approx(800 * (1 + math.hypot(slope_share, MORE)))
    assert found.machine.energy_j.high < 1.1 * found.machine.energy_j.value


def test_an_unsure_share_stays_unsure():
    tree = energy(CPU0, 500.0, 100.0, 900.0)  # idle power was not known
    found = wall_energy(LINE, (energy(CPU0, 2000.0),), (tree,), 100.0)
    assert found.attributed.energy_j.low < 1.6 * 110
    assert found.attributed.energy_j.high > 1.6 * 850


def test_outside_the_calibrated_powers_it_says_so():
    found = wall_energy(LINE, (energy(CPU0, 9000.0),), (), 100.0)
    assert "90.0 W" in found.notes[0]
    assert "between 10.0 and 30.0 W" in found.notes[0]


def test_where_the_line_does_not_apply_nothing_changes():
    attribution = Attribution((energy(CPU0, 500.0),), Estimate(500, 490, 510, Origin.COUNTER), None, ())
    other = (energy(channel("gpu0", Part.GPU), 100.0),)
    assert at_the_wall(LINE, other, attribution, 100.0) == (other, attribution)
    plug = channel("plug", Part.MACHINE, Origin.SAMPLED, "plug", contains=("cpu0",))
    measured = (energy(plug, 5000.0), energy(CPU0, 2000.0))
    assert at_the_wall(LINE, measured, attribution, 100.0) == (measured, attribution)


def test_totals_at_the_wall():
    idle = Estimate(1000, 950, 1050, Origin.SAMPLED)  # 10 W
    attribution = Attribution((energy(CPU0, 500.0),), Estimate(500, 490, 510, Origin.COUNTER), idle, ("a note",))
    energies, found = at_the_wall(LINE, (energy(CPU0, 2000.0),), attribution, 100.0)
    assert [item.channel.name for item in energies] == ["wall", "cpu0"]
    assert [item.channel.name for item in found.channels] == ["cpu0", "wall"]
    assert found.total_j.value == pytest.approx(800)
    assert found.total_j.origin is Origin.MODELLED
    assert found.idle_j.value == pytest.approx(3200), "1.6 x 10 W + 16 W"
    assert found.notes[0] == "a note"


def test_a_device_outside_the_line_keeps_its_own_total():
    gpu = channel("gpu0", Part.GPU)
    ours = (energy(CPU0, 500.0), energy(gpu, 9000.0))
    attribution = Attribution(ours, Estimate(9500, 9000, 10000, Origin.COUNTER), None, ())
    _, found = at_the_wall(LINE, (energy(CPU0, 2000.0), energy(gpu, 9000.0)), attribution, 100.0)
    assert found.total_j == attribution.total_j
    assert found.channels[-1].channel.name == "wall"


def test_on_a_shared_node_the_wall_is_counted_once():
    half = energy(CPU0, 2000.0, counted_j=Estimate(1000, 990, 1010, Origin.COUNTER))
    found = wall_energy(LINE, (half,), (), 100.0)
    assert found.machine.counted_j.value == pytest.approx(2400)


@pytest.mark.parametrize(
    ("channels", "names"),
    [
        ([CPU0, RAM], ("cpu0",)),
        ([CPU0, channel("psys", Part.MACHINE, contains=("cpu0",))], ("cpu0",)),
        ([channel("plug", Part.MACHINE, Origin.SAMPLED, "plug"), CPU0], ("cpu0",)),
        ([channel("machine", Part.MACHINE, meter="apple")], ("machine",)),
        ([CPU0, channel("gpu0", Part.GPU)], ("cpu0", "gpu0")),
        ([RAM], ()),
    ],
)
def test_which_channels_make_p(channels, names):
    assert calibrated_channels(channels) == names
