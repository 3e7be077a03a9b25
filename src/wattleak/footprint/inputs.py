"""Inputs of a projection as a user states them: a number with its unit and, if known, its 95 % range. Read strictly.

    15 Wh        15 Wh ± 20%        12..18 Wh        15 [12, 18] Wh        15 Wh ± 3 Wh
    5%           31% ± 4 points     20..40%          0.05                  1.5M (jobs a day)

A range in which no value is named has its middle as value. No range stated: the number is taken as exact.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from math import exp, isfinite, sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.quantities import ENERGY, NONE, Dimension, kind_of, unit_of
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

# A comma only where it parts thousands: 1,5 is refused, not read as 15.
_NUMBER = r"[-+]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9][0-9_]*(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_RANGE = re.compile(rf"(?P<low>{_NUMBER})\s*(?P<of_low>[kMG%]?)\s*\.\.\s*(?P<high>{_NUMBER})\s*(?P<unit>\S*)")
_VALUE = re.compile(
    rf"(?P<value>{_NUMBER})\s*(?:\[\s*(?P<low>{_NUMBER})\s*(?:,|\.\.)\s*(?P<high>{_NUMBER})\s*\])?\s*(?P<unit>[^\s±+]*)"
    rf"(?:\s*(?:±|\+/-)\s*(?P<margin>{_NUMBER})\s*(?P<of>\S*))?"
)
_COUNTS = {"k": 1e3, "M": 1e6, "G": 1e9}  # 1M jobs
STATED = "stated by you"


@dataclass(frozen=True, slots=True)
class Input:
    """One number that goes into a projection, with its 95 % range, in base units of its dimension.

    `least` and `most` are what it can be at all: no draw lies outside. Two inputs of one `key` are the same unknown,
    such as one meter's error in all runs that it read, and are drawn together.
    """

    key: str
    value: float
    low: float
    high: float
    dimension: Dimension = NONE
    origin: Origin = Origin.CONSTANT
    source: str = STATED
    least: float = 0.0
    most: float = float("inf")

    @property
    def is_exact(self) -> bool:
        return self.low == self.value == self.high

    def named(self, key: str) -> Input:
        """The same under another key."""
        return replace(self, key=key)

    def quoted(self, source: str) -> Input:
        """The same as somebody else's figure."""
        return replace(self, origin=Origin.QUOTED, source=source)


def amount(key: str, text: object, dimension: Dimension = ENERGY, example: str = "15 Wh ± 20%") -> Input:
    """A quantity of this dimension, 0 or more.

    Raises:
        UsageError: it is no number, has no unit or an unknown one, or one of another dimension.
    """
    value, low, high, unit = _read(key, text, example)
    if not unit:
        raise UsageError(f"{key}: {text!r} has no unit", f"write it as {example}")
    try:
        size, found = unit_of(unit)
    except UsageError as error:
        raise UsageError(f"{key}: {text!r}: {error.message}", error.remedy) from error
    if found != dimension:
        raise UsageError(f"{key}: {text!r} is {kind_of(found)}, not {kind_of(dimension)}", f"write it as {example}")
    return bounded(key, text, (value * size, low * size, high * size), dimension, example=example)


def fraction(key: str, text: object, *, least: float = 0.0, most: float = 1.0, example: str = "5%, or 4..6%") -> Input:
    """A share: 5% is the same as 0.05. Raises UsageError outside [least, most]."""
    value, low, high, unit = _read(key, text, example)
    if unit not in {"", "%"}:
        raise UsageError(f"{key}: {text!r} is no share", f"write it as {example}")
    ends = (value, low, high) if not unit else (value / 100, low / 100, high / 100)
    return bounded(key, text, ends, least=least, most=most, example=example)


def ratio(key: str, text: object, *, least: float = 0.0, example: str = "1.3, or 1.2..1.5") -> Input:
    """A plain number. Raises UsageError below `least`."""
    value, low, high, unit = _read(key, text, example)
    if unit:
        raise UsageError(f"{key}: {text!r} has a unit, and is a plain number", f"write it as {example}")
    return bounded(key, text, (value, low, high), least=least, example=example)


def count(key: str, text: object, per: Dimension) -> Input:
    """How many of something in a time: 1000, 1e6, 1_000_000, 1M, 0.8..1.2M. Raises UsageError."""
    example = "1000, 1e6, 1M, or 0.8..1.2M"
    value, low, high, unit = _read(key, text, example)
    if unit not in {"", *_COUNTS}:
        raise UsageError(f"{key}: {text!r} is no number of things", f"write it as {example}")
    size = _COUNTS.get(unit, 1.0)
    return bounded(key, text, (value * size, low * size, high * size), per, example=example)


def bounded(
    key: str,
    text: object,
    ends: tuple[float, float, float],
    dimension: Dimension = NONE,
    *,
    least: float = 0.0,
    most: float = float("inf"),
    example: str = "",
) -> Input:
    """An input (value, low, high) whose whole range is possible. Raises UsageError."""
    value, low, high = ends
    if not (low <= value <= high and isfinite(low) and isfinite(high)):
        raise UsageError(f"{key}: {text!r} is no range with its value inside", f"write it as {example}")
    if not (least <= low and high <= most):
        span = f"at least {least:g}" if most == float("inf") else f"between {least:g} and {most:g}"
        raise UsageError(f"{key}: {text!r} cannot be: it must be {span}, its range too", f"write it as {example}")
    return Input(key, value, low, high, dimension, least=least, most=most)


def mean_of_runs(key: str, values: Sequence[float], origin: Origin, source: str) -> Input:
    """The mean energy of a program (joules, above 0), from some runs of it.

    A fleet uses jobs x mean, whatever the shape of the distribution. The range is Student's t interval of the mean, on
    the logarithm so that it cannot reach zero: mean x exp(±t(n-1) s / (mean sqrt(n))), by the delta method. It shrinks
    with the root of n. Of one run nobody knows how much the next one differs: the range is then the run itself, which
    the caller has to say.
    """
    mean = fmean(values)
    if len(values) < 2 or mean == 0.0:
        return Input(key, mean, mean, mean, ENERGY, origin, source)
    from scipy.stats import t  # noqa: PLC0415 - half a second that a stated figure does not need

    spread = exp(float(t.ppf(0.975, len(values) - 1)) * stdev(values) / (mean * sqrt(len(values))))
    return Input(key, mean, mean / spread, mean * spread, ENERGY, origin, source)


def _read(key: str, text: object, example: str) -> tuple[float, float, float, str]:
    """Value, ends and unit as written."""
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise UsageError(f"{key}: {text!r} is no number", f"write it as {example}")
    written = str(text).strip()
    if (match := _RANGE.fullmatch(written)) and match["of_low"] in {"", match["unit"]}:
        low, high = _number(match["low"]), _number(match["high"])
        return (low + high) / 2, low, high, match["unit"]
    match = _VALUE.fullmatch(written)
    if match is None:
        raise UsageError(f"{key}: {text!r} is no number with its unit", f"write it as {example}")
    value, unit = _number(match["value"]), match["unit"]
    if match["low"] is not None:
        return value, _number(match["low"]), _number(match["high"]), unit
    if match["margin"] is None:
        return value, value, value, unit
    margin = _margin(key, text, (value, unit), (_number(match["margin"]), match["of"]), example)
    return value, value - margin, value + margin, unit


def _margin(key: str, text: object, value: tuple[float, str], margin: tuple[float, str], example: str) -> float:
    """Half the width of the range, in the unit of the value."""
    (size, unit), (half, of) = value, margin
    if unit == of == "%":
        raise UsageError(
            f"{key}: {text!r} can be read in two ways",
            f"write {size:g}% ± {half:g} points, or the ends: {size - half:g}..{size + half:g}%",
        )
    if half >= 0 and of == "%":
        return abs(size) * half / 100
    if half >= 0 and of == ("points" if unit == "%" else unit):
        return half
    raise UsageError(f"{key}: {text!r} gives no range in the unit of its value, or in %", f"write it as {example}")


def _number(text: str) -> float:
    return float(text.replace("_", "").replace(",", ""))
