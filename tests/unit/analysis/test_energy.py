"""Joules over a window, against sums done by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattleak.analysis.energy import curve, machine_energy
from wattleak.model import Channel, Origin, Part, Quantity, Sample, Trace


def channel(quantity: Quantity = Quantity.ENERGY_J, **more: object) -> Channel:
    facts: dict[str, object] = {
        "name": "cpu0",
        "meter": "test",
        "part": Part.CPU,
        "origin": Origin.COUNTER,
        "quantity": quantity,
        "period_s": 0.001,
        "relative_low": 1.0,
        "relative_high": 1.0,
    }
    return Channel(**{**facts, **more})  # type: ignore[arg-type]


def samples(*readings: tuple[float, float | None]) -> tuple[Sample, ...]:
    return tuple(
        Sample(time_s, {} if raw is None else {"cpu0": raw}, 0.0, None, 0, 0, 0, 1) for time_s, raw in readings
    )


def test_a_counter_is_differenced() -> None:
    energy = curve(channel(), samples((0, 1000.0), (1, 1030.0), (4, 1100.0))).between(0, 4)

    assert energy is not None
    assert energy.value == 100.0
    assert energy.low == pytest.approx(100 - 2 * 25 * 0.001)
    assert energy.high == pytest.approx(100 + 2 * 25 * 0.001)


def test_a_counter_that_wraps_goes_on() -> None:
    """262143.328850 J is the largest value of a usual RAPL counter."""
    wrap_j = 262143.328850
    energy = curve(channel(wrap_j=wrap_j), samples((0, wrap_j - 10), (1, 20.0))).between(0, 1)

    assert energy is not None
    assert energy.value == pytest.approx(30.0)


def test_a_counter_that_was_reset_never_gives_negative_energy() -> None:
    energy = curve(channel(), samples((0, 5000.0), (1, 12.0), (2, 20.0))).between(0, 2)

    assert energy is not None
    assert energy.value == 20.0


def test_power_is_integrated_by_trapezoid() -> None:
    """100 W falling to 0 over 2 s is 100 J; half the step over the time bounds what happened in between."""
    energy = curve(channel(Quantity.POWER_W), samples((0, 100.0), (2, 0.0))).between(0, 2)

    assert energy is not None
    assert energy.value == 100.0
    assert energy.low <= 0.1
    assert energy.high >= 199.9


def test_a_window_between_readings_is_cut_linearly() -> None:
    energy = curve(channel(), samples((0, 0.0), (10, 1000.0))).between(2.5, 5.0)

    assert energy is not None
    assert energy.value == pytest.approx(250.0)


def test_a_dropped_reading_loses_no_energy_of_a_counter() -> None:
    energy = curve(channel(), samples((0, 0.0), (1, None), (2, None), (3, 90.0))).between(0, 3)

    assert energy is not None
    assert energy.value == 90.0


@pytest.mark.parametrize("readings", [(), ((0, 5.0),), ((0, None), (1, None))])
def test_a_channel_that_was_not_read_twice_is_absent_not_zero(readings: tuple[tuple[float, float | None], ...]) -> None:
    assert curve(channel(), samples(*readings)).between(0, 1) is None
    assert machine_energy(Trace((channel(),), samples(*readings)), 0, 1) == ()


def test_the_accuracy_of_the_source_is_in_the_range() -> None:
    energy = curve(channel(relative_low=0.5, relative_high=2.0), samples((0, 0.0), (100, 1000.0))).between(0, 100)

    assert energy is not None
    assert energy.low == pytest.approx(500, rel=0.001)
    assert energy.high == pytest.approx(2000, rel=0.001)


@given(st.lists(st.floats(0.01, 10), min_size=3, max_size=30), st.floats(0.05, 0.95))
def test_windows_add_up(steps: list[float], cut: float) -> None:
    """A run cut in two costs what it cost in one piece."""
    time_s, energy_j, readings = 0.0, 0.0, [(0.0, 0.0)]
    for number, step in enumerate(steps):
        time_s += step
        energy_j += step * (10 + number)
        readings.append((time_s, energy_j))
    found = curve(channel(), samples(*readings))
    first, second, both = found.between(0, cut * time_s), found.between(cut * time_s, time_s), found.between(0, time_s)

    assert first is not None
    assert second is not None
    assert both is not None
    assert math.isclose(first.value + second.value, both.value, rel_tol=1e-9)
