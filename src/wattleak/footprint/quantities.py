"""Numbers that carry their dimension: joules are never added to grams, nor jobs multiplied by the price of a training.

A projection multiplies a dozen numbers. Each of them is a `Quantity`, and a formula that mixes dimensions fails when it
is evaluated, with whatever numbers. Bases are J, g, L, the day, the currency (each is a dimension of its own: euros are
never added to dollars) and what is counted (job, training, inference). A year is 365 days, a week is 7.

The magnitude is one number, or an array of Monte Carlo draws; both pass through the same formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from wattleak.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Magnitude = float | NDArray[np.float64]

Dimension = tuple[tuple[str, int], ...]
"""Bases with their exponents, sorted: (("J", 1), ("job", -1)) is joules per job."""

NONE: Dimension = ()
ENERGY: Dimension = (("J", 1),)
MASS: Dimension = (("g", 1),)
DAYS_PER_YEAR = 365.0
DAYS_PER_WEEK = 7.0

_UNITS: dict[str, tuple[float, str]] = {
    "mJ": (1e-3, "J"),
    "J": (1.0, "J"),
    "kJ": (1e3, "J"),
    "MJ": (1e6, "J"),
    "GJ": (1e9, "J"),
    "mWh": (3.6, "J"),
    "Wh": (3.6e3, "J"),
    "kWh": (3.6e6, "J"),
    "MWh": (3.6e9, "J"),
    "GWh": (3.6e12, "J"),
    "mg": (1e-3, "g"),
    "g": (1.0, "g"),
    "kg": (1e3, "g"),
    "t": (1e6, "g"),
    "mL": (1e-3, "L"),
    "L": (1.0, "L"),
    "m3": (1e3, "L"),
    "day": (1.0, "day"),
    "week": (DAYS_PER_WEEK, "day"),
    "year": (DAYS_PER_YEAR, "day"),
    "job": (1.0, "job"),
    "training": (1.0, "training"),
    "inference": (1.0, "inference"),
}
_KINDS = {"J": "an energy", "g": "a mass", "L": "a volume", "day": "a time"}


class DimensionMismatch(TypeError):
    """A formula of ours mixes dimensions. What a user states in the wrong unit is a UsageError instead."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A magnitude in base units, and its dimension."""

    base: Magnitude
    dimension: Dimension = NONE

    def __mul__(self, other: Quantity | float) -> Quantity:
        right = _quantity(other)
        return Quantity(self.base * right.base, _powers(self.dimension, right.dimension, 1))

    def __truediv__(self, other: Quantity | float) -> Quantity:
        right = _quantity(other)
        return Quantity(self.base / right.base, _powers(self.dimension, right.dimension, -1))

    def __add__(self, other: Quantity | float) -> Quantity:
        return Quantity(self.base + self._alike(other), self.dimension)

    def __sub__(self, other: Quantity | float) -> Quantity:
        return Quantity(self.base - self._alike(other), self.dimension)

    def __neg__(self) -> Quantity:
        return Quantity(-self.base, self.dimension)

    def in_unit(self, unit: str) -> Magnitude:
        """The magnitude in a unit such as `kWh/day`. Raises DimensionMismatch when it is not of that dimension."""
        size, dimension = unit_of(unit)
        if dimension != self.dimension:
            raise DimensionMismatch(f"{_written(self.dimension)} cannot be given in {unit}")
        return self.base / size

    def _alike(self, other: Quantity | float) -> Magnitude:
        right = _quantity(other)
        if right.dimension != self.dimension:
            raise DimensionMismatch(f"{_written(self.dimension)} and {_written(right.dimension)} cannot be added")
        return right.base


def of(magnitude: Magnitude, unit: str = "") -> Quantity:
    """A quantity of so many of a unit: `of(15, "Wh/job")`."""
    size, dimension = unit_of(unit)
    return Quantity(magnitude * size, dimension)


def total(parts: list[Quantity]) -> Quantity:
    """Their sum. Raises DimensionMismatch for two dimensions, ValueError for none."""
    if not parts:
        raise ValueError("nothing to add up")
    added = parts[0]
    for part in parts[1:]:
        added = added + part
    return added


def unit_of(text: str) -> tuple[float, Dimension]:
    """Size in base units and dimension of `kWh`, `g/kWh`, `EUR/kWh`, `job/day`; empty: a plain number.

    Raises UsageError for a unit that is not known, with the nearest ones. Case counts: mWh is not MWh.
    """
    size, dimension = 1.0, NONE
    for place, part in enumerate(text.split("/") if text else ()):
        if place == 0 and part.strip() == "1":  # "1/day"
            continue
        one, of_one = _single(part.strip())
        size = size * one if place == 0 else size / one
        dimension = _powers(dimension, of_one, 1 if place == 0 else -1)
    return size, dimension


def kind_of(dimension: Dimension) -> str:
    """A dimension in words, for errors: an energy."""
    if len(dimension) == 1 and dimension[0][1] == 1 and dimension[0][0] in _KINDS:
        return _KINDS[dimension[0][0]]
    return _written(dimension)


def shown_unit(dimension: Dimension) -> tuple[str, float]:
    """A unit that people write for this dimension, and its size in base units: Wh, g/kWh, EUR/kWh, job/day."""
    if dimension == ENERGY:
        return "Wh", _UNITS["Wh"][0]
    above = [base for base, exponent in dimension if exponent > 0]
    below = ["kWh" if base == "J" else base for base, exponent in dimension if exponent < 0]
    text = "/".join(["·".join(above) or "1", *below]) if dimension else ""
    return text, unit_of(text)[0]


def is_currency(symbol: str) -> bool:
    """Three capital letters, as ISO 4217 writes them."""
    return len(symbol) == 3 and symbol.isascii() and symbol.isalpha() and symbol.isupper()


def _single(symbol: str) -> tuple[float, Dimension]:
    known = _UNITS.get(symbol)
    if known is not None:
        return known[0], ((known[1], 1),)
    if is_currency(symbol):
        return 1.0, ((symbol, 1),)
    alike = [unit for unit in _UNITS if unit.lower() == symbol.lower()]
    near = alike or get_close_matches(symbol, _UNITS, n=3)
    raise UsageError(
        f"there is no unit {symbol!r}" if symbol else "a unit is missing",
        f"did you mean {' or '.join(near)}?" if near else "energies are in J, kJ, MJ, Wh, kWh or MWh",
    )


def _quantity(value: Quantity | float) -> Quantity:
    return value if isinstance(value, Quantity) else Quantity(value)


def _powers(left: Dimension, right: Dimension, sign: int) -> Dimension:
    powers = dict(left)
    for base, exponent in right:
        powers[base] = powers.get(base, 0) + sign * exponent
    return tuple(sorted((base, exponent) for base, exponent in powers.items() if exponent))


def _written(dimension: Dimension) -> str:
    if not dimension:
        return "a plain number"
    above = "·".join(base + (f"^{exponent}" if exponent > 1 else "") for base, exponent in dimension if exponent > 0)
    below = "".join(
        f"/{base}" + (f"^{-exponent}" if exponent < -1 else "") for base, exponent in dimension if exponent < 0
    )
    return (above or "1") + below
