"""Quantities for people. The oracle reads the text back with a table of units of its own."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattleak.model import Estimate, Origin
from wattleak.reports import units

SIZES = {
    "ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0,
    "µJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9,
    "mW": 1e-3, "W": 1.0, "kW": 1e3, "MW": 1e6,
    "B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4,
    "µg": 1e-6, "mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6,
}  # fmt: skip


def read_back(text: str) -> float:
    """Sum of all "number unit" pairs, in SI."""
    plain = text.replace("\N{MINUS SIGN}", "-")
    total = sum(abs(float(number)) * SIZES[unit] for number, unit in re.findall(r"(-?[\d.]+(?:e-?\d+)?) (\S+)", plain))
    return -total if plain.startswith("-") else total


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.00000012, "120 ns"),
        (0.85, "850 ms"),
        (61.2, "61.2 s"),
        (119.4, "119 s"),
        (119.96, "2 min 00 s"),
        (725.0, "12 min 05 s"),
        (3599.7, "1 h 00 min"),
        (3720.0, "1 h 02 min"),
        (200000.0, "2 d 08 h"),
    ],
)
def test_durations(seconds, text):
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (units.energy(0.0123), "12.3 mJ"),
        (units.energy(999.4), "999 J"),
        (units.energy(999.6), "1.00 kJ"),
        (units.energy(13421.0), "13.4 kJ"),
        (units.energy(3.6e6), "3.60 MJ"),  # watt-hours are not mixed in
        (units.memory(1023), "1023 B"),
        (units.memory(3.3e9), "3.07 GiB"),
        (units.carbon(0.0013), "1.30 mg"),
        (units.carbon(2.5e6), "2.50 t"),
        (units.power(248.0), "248 W"),
        (units.percent(0.177), "+17.7 %"),
        (units.percent(-0.00412), "\N{MINUS SIGN}0.412 %"),
        (units.percent(0.0), "0 %"),
        (units.margin(0.02), "2 %"),
        (units.margin(0.005), "0.5 %"),
        (units.number(math.inf), "∞"),
    ],
)
def test_other_quantities(shown, text):
    assert shown == text


@given(st.floats(min_value=1e-12, max_value=1e12), st.sampled_from("sJWBg"))
def test_three_digits_are_kept_and_nothing_reads_as_zero(value, unit):
    text = units.quantity(value, unit)

    assert read_back(text) == pytest.approx(value, rel=5.01e-3)
    assert read_back(text) != 0


@given(st.floats(min_value=1e-9, max_value=1e7))
def test_durations_are_right_to_three_digits_or_to_their_last_unit(seconds):
    shown = read_back(units.duration(seconds))

    tolerance = 0.5 if seconds < 3600 else 30 if seconds < 172800 else 1800
    assert shown == pytest.approx(seconds, rel=5.01e-3) or abs(shown - seconds) <= tolerance + 1e-6
    assert shown != 0


@given(st.floats(min_value=-0.999, max_value=50), st.floats(min_value=1e-6, max_value=1))
def test_an_interval_never_swaps_a_side_with_zero(change, half):
    low, high = change - half, change + half
    texts = units.change_with_interval(change, low, high)

    numbers = [float(n) for n in re.findall(r"[-+]?[\d.]+(?:e-?\d+)?", "".join(texts).replace("\N{MINUS SIGN}", "-"))]
    assert [math.copysign(1, n) if n else 0 for n in numbers] == [
        math.copysign(1, value) if value else 0 for value in (change, low, high)
    ]
    for shown, value in zip(numbers, (change, low, high), strict=True):
        assert shown == pytest.approx(100 * value, abs=max(half * 100, 0.006 * max(map(abs, (100 * low, 100 * high)))))


def test_an_interval_has_decimals_that_suit_its_width():
    minus = "\N{MINUS SIGN}"

    assert units.change_with_interval(-0.1771, -0.186, -0.168) == (f"{minus}17.7 %", f"[{minus}18.6, {minus}16.8]")
    assert units.change_with_interval(3.744, 3.50, 4.01) == ("+374 %", "[+350, +401]")
    assert units.change_with_interval(0.01, -0.0004, 0.02) == ("+1.00 %", f"[{minus}0.04, +2.00]")
    assert units.change_with_interval(0.1, None, None) == ("+10.0 %", "")


def test_values_side_by_side_share_a_unit():
    assert units.same_unit((500.0, 13400.0), "J") == ("0.500 kJ", "13.4 kJ")
    assert units.with_range(Estimate(482.0, 201.0, 1044.6, Origin.MODELLED), "J") == ("482 J", "[201, 1045]")


def test_quality_figures_that_differ_look_different():
    assert units.figures((0.9120, 0.9118)) == ("0.9120", "0.9118")
    assert units.figures((0.912001, 0.912002)) == ("0.912001", "0.912002")
    assert units.figures((0.871, 0.871)) == ("0.8710", "0.8710")
    assert units.figures((math.nan, 0.5)) == ("NaN", "0.5000")


def test_a_missing_number_is_refused():
    with pytest.raises(ValueError, match="absent"):
        units.number(math.nan)
