"""SI quantities as people read them: three significant digits, the unit that fits, a real minus sign.

Two promises hold everywhere: what is not zero never reads as zero, and values that stand side by side share a unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from math import floor, isfinite, isinf, isnan, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wattleak.model import Estimate

MINUS = "\N{MINUS SIGN}"
_DIGITS = 3
_LONGEST_FRACTION = 6  # decimals; what needs more is written as a power of ten


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit with its size in SI."""

    symbol: str
    size: float


_TIME = (Unit("ns", 1e-9), Unit("µs", 1e-6), Unit("ms", 1e-3), Unit("s", 1.0), Unit("min", 60.0), Unit("h", 3600.0))
_ENERGY = (Unit("µJ", 1e-6), Unit("mJ", 1e-3), Unit("J", 1.0), Unit("kJ", 1e3), Unit("MJ", 1e6), Unit("GJ", 1e9))
_POWER = (Unit("mW", 1e-3), Unit("W", 1.0), Unit("kW", 1e3), Unit("MW", 1e6))
_MEMORY = (Unit("B", 1.0), Unit("KiB", 2.0**10), Unit("MiB", 2.0**20), Unit("GiB", 2.0**30), Unit("TiB", 2.0**40))
_CARBON = (Unit("µg", 1e-6), Unit("mg", 1e-3), Unit("g", 1.0), Unit("kg", 1e3), Unit("t", 1e6))
_BILLED = (Unit("mWh", 1e-3), Unit("Wh", 1.0), Unit("kWh", 1e3), Unit("MWh", 1e6), Unit("GWh", 1e9), Unit("TWh", 1e12))
_VOLUME = (Unit("mL", 1e-3), Unit("L", 1.0), Unit("m³", 1e3))
_SCALES = {"s": _TIME, "J": _ENERGY, "W": _POWER, "B": _MEMORY, "g": _CARBON, "Wh": _BILLED, "L": _VOLUME}
_FIRST_MIN_S = 120.0  # below two minutes seconds say more than minutes
_FIRST_H_S = 7200.0


# -- one value -------------------------------------------------------------------------------------------------------


def number(value: float, digits: int = _DIGITS) -> str:
    """`value` to so many significant digits, never as a power of ten unless it is very small or very large."""
    if isnan(value):
        raise ValueError("a missing number is absent, not NaN")
    if isinf(value):
        return MINUS + "∞" if value < 0 else "∞"
    if value == 0:
        return "0"
    decimals = digits - 1 - floor(log10(abs(_rounded(value, digits))))
    if decimals > _LONGEST_FRACTION + digits - 1 or decimals < digits - 15:
        return f"{value:.{digits - 1}e}".replace("-", MINUS)
    return f"{value:.{max(0, decimals)}f}".replace("-", MINUS)


def duration(seconds: float) -> str:
    """850 ms, 61.2 s, 12 min 05 s, 1 h 02 min, 3 d 04 h."""
    if not isfinite(seconds) or abs(_rounded(seconds, _DIGITS)) < _FIRST_MIN_S:
        return quantity(seconds, "s")
    sign, rest = (MINUS, -seconds) if seconds < 0 else ("", seconds)
    if rest < 3599.5:
        minutes, left = divmod(round(rest), 60)
        return f"{sign}{minutes} min {left:02d} s"
    if rest < 48 * 3600 - 30:
        hours, left = divmod(round(rest / 60), 60)
        return f"{sign}{hours} h {left:02d} min"
    days, left = divmod(round(rest / 3600), 24)
    return f"{sign}{days} d {left:02d} h"


def energy(joules: float) -> str:
    """J, kJ or MJ; watt-hours are not mixed in."""
    return quantity(joules, "J")


def power(watts: float) -> str:
    return quantity(watts, "W")


def memory(byte_count: float) -> str:
    """Binary multiples: KiB, MiB, GiB."""
    return quantity(byte_count, "B")


def carbon(grams: float) -> str:
    """Mass of CO2 equivalent in mg, g, kg or t; that it is CO2e is said by the label."""
    return quantity(grams, "g")


def quantity(value: float, unit: str) -> str:
    """`value` of one of the SI units s, J, W, B, g in the multiple that fits. Any other unit is written as it is."""
    return same_unit((value,), unit)[0]


def same_unit(values: Sequence[float], unit: str) -> tuple[str, ...]:
    """The values in one unit, the one that fits the largest of them, so that they can be compared at a glance."""
    symbol, size = fitting(values, unit)
    suffix = f" {symbol}" if symbol else ""
    return tuple(_count(value, symbol) + suffix if value else f"0{suffix}" for value in (v / size for v in values))


def with_range(estimate: Estimate, unit: str) -> tuple[str, str]:
    """The value, and its range in brackets and in the same unit: ("13.4 kJ", "[12.9, 13.9]")."""
    return interval_in_unit(estimate.value, estimate.low, estimate.high, unit)


def interval_in_unit(value: float, low: float, high: float, unit: str) -> tuple[str, str]:
    """As `with_range`, of three numbers; the unit is the one that fits the value."""
    symbol, size = fitting((value or high,), unit)
    shown = tuple(_count(end / size, symbol) if end else "0" for end in (value, low, high))
    return f"{shown[0]} {symbol}".rstrip(), f"[{shown[1]}, {shown[2]}]"


def fitting(values: Iterable[float], unit: str) -> tuple[str, float]:
    """Symbol and size (in SI) of the multiple that suits the largest of the values: ("kJ", 1000.0)."""
    largest = max((abs(value) for value in values if isfinite(value)), default=0.0)
    scale = _SCALES.get(unit)
    if scale is None:
        return unit, 1.0
    if largest == 0:
        return unit, 1.0
    chosen = scale[0]
    for candidate in scale[1:]:
        if _rounded(largest / candidate.size, _DIGITS) >= _smallest_count(candidate):
            chosen = candidate
    return chosen.symbol, chosen.size


def _smallest_count(unit: Unit) -> float:
    """How many of a unit there must be before it is used."""
    return {"min": _FIRST_MIN_S / 60, "h": _FIRST_H_S / 3600}.get(unit.symbol, 1.0)


def _count(value: float, symbol: str) -> str:
    """Bytes come whole; 1000 to 1023 of a binary unit keep their four digits."""
    if symbol == "B" and value == int(value):
        return str(int(value)).replace("-", MINUS)
    return number(value)


# -- changes ---------------------------------------------------------------------------------------------------------


def percent(fraction: float) -> str:
    """A change with its sign: "+17.7 %", "-0.412 %", "0 %"."""
    return f"{_signed(number, 100 * fraction)} %"


def change_with_interval(change: float, low: float | None, high: float | None) -> tuple[str, str]:
    """A change and its interval, all fractions, with decimals that suit the width of the interval.

    ("-17.7 %", "[-18.6, -16.8]"); without an interval ("-17.7 %", "").
    """
    if low is None or high is None:
        return percent(change), ""
    write = _fixed(100 * change, 100 * low, 100 * high)
    return f"{_signed(write, 100 * change)} %", f"[{_signed(write, 100 * low)}, {_signed(write, 100 * high)}]"


def margin(fraction: float) -> str:
    """A smallest effect, which has no sign: "2 %"."""
    return f"{plain(100 * fraction)} %"


def difference(value: float, low: float | None = None, high: float | None = None) -> tuple[str, str]:
    """A difference in the unit of a quality figure, with its sign, and its interval."""
    if low is None or high is None:
        return _signed(number, value), ""
    write = _fixed(value, low, high)
    return _signed(write, value), f"[{_signed(write, low)}, {_signed(write, high)}]"


def figures(values: Sequence[float]) -> tuple[str, ...]:
    """Quality figures side by side: four significant digits, and more where it takes more to tell them apart.

    A program may report NaN as its quality (training that diverged); that is shown as it was reported.
    """
    finite = [value for value in values if isfinite(value)]
    largest = max((abs(value) for value in finite), default=0.0)
    spread = max(finite) - min(finite) if finite else 0.0
    decimals = max([3 - floor(log10(size)) for size in (largest,) if size], default=0)
    decimals = min(12, max(0, decimals, -floor(log10(spread)) if spread else 0))
    return tuple(
        f"{value:.{decimals}f}".replace("-", MINUS)
        if isfinite(value) and (not value or round(value, decimals))
        else "NaN"
        if isnan(value)
        else number(value, 4)
        for value in values
    )


def probability(p_value: float) -> str:
    """A p-value to two significant digits."""
    return number(p_value, 2)


def _fixed(*values: float) -> Callable[[float], str]:
    """A writer with the same decimals for all: two digits of their spread but no more than three of the largest.

    No value but zero reads as zero.
    """
    finite = [value for value in values if isfinite(value)]
    spread = max(finite) - min(finite) if finite else 0.0
    scale = spread or max((abs(value) for value in finite), default=0.0) / 10
    largest = max((abs(value) for value in finite), default=0.0)
    decimals = max(0, min(1 - floor(log10(scale)), _DIGITS - 1 - floor(log10(largest)))) if scale else 0
    while decimals < _LONGEST_FRACTION and any(value != 0 and round(value, decimals) == 0 for value in finite):
        decimals += 1

    def write(value: float) -> str:
        if not isfinite(value) or (value != 0 and round(value, decimals) == 0):
            return number(value, 2)
        return f"{value:.{decimals}f}".replace("-", MINUS)

    return write


def _signed(write: Callable[[float], str], value: float) -> str:
    return "+" + write(value) if value > 0 else write(value) if value < 0 else "0"


def plain(value: float) -> str:
    """What somebody chose, as they would write it: 2, 0.5, 12.5."""
    text = number(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def _rounded(value: float, digits: int) -> float:
    """`value` at so many significant digits: 999.6 is 1000, and wants the next unit."""
    if value == 0 or not isfinite(value):
        return value
    exact = Decimal(repr(value))
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - digits + 1), rounding=ROUND_HALF_EVEN))
