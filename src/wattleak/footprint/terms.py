"""Numbers with a unit and a name, so that litres are never added to grams, nor on-site water to a power station's.

A `Rate` is what one unit of activity costs (money per kWh, grams per hour), a `Term` what an activity came to. Ranges
are multiplied end by end: right when factors err together, wider than needed when they err independently.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Estimate, Origin, Term

if TYPE_CHECKING:
    from collections.abc import Iterable

J_PER_KWH = 3.6e6
S_PER_H = 3600.0

_NUMBER = r"[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+"
_FIGURE = re.compile(
    rf"\s*(?:(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER})"
    rf"|(?P<value>{_NUMBER})(?:\s*\[\s*(?P<from>{_NUMBER})\s*(?:,|\.\.)\s*(?P<to>{_NUMBER})\s*\])?)\s*(?P<rest>.*?)\s*",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of an activity costs, with its 95 % range.

    `origin`: CONSTANT is stated by the user, QUOTED is somebody else's published figure.
    """

    name: str  # "price", "water on site"
    unit: str  # of the result: "EUR", "L", "g"
    per: str  # of the activity: "kWh", "h"
    value: float
    low: float
    high: float
    origin: Origin
    source: str
    year: int | None = None
    note: str = ""

    def of(self, amount: Estimate, per: str) -> Term:
        """The term that `amount` (in units of `per`) comes to; its origin is that of the amount.

        Raises ValueError when the amount is in another unit than the one that the rate is per.
        """
        if per != self.per:
            raise ValueError(f"{self.name} is in {self.unit} per {self.per} and cannot be multiplied by {per}")
        ends = [one * other for one in (amount.low, amount.high) for other in (self.low, self.high)]
        estimate = Estimate(amount.value * self.value, min(ends), max(ends), amount.origin)
        return Term(self.name, self.unit, estimate, self.source, self.year, self.note)


def total(name: str, terms: Iterable[Term]) -> Term:
    """The sum of terms of one unit; ends are added to ends. Its origin is theirs, or MODELLED where they differ.

    Raises ValueError for terms of two units, for the same name twice, and for none.
    """
    parts = tuple(terms)
    units = {part.unit for part in parts}
    if len(units) != 1:
        raise ValueError(f"{', '.join(sorted(units)) or 'nothing'} cannot be added up")
    if len({part.name for part in parts}) != len(parts):
        raise ValueError(f"a term stands twice among {', '.join(part.name for part in parts)}")
    origins = {part.amount.origin for part in parts}
    return Term(
        name,
        units.pop(),
        Estimate(
            sum(part.amount.value for part in parts),
            sum(part.amount.low for part in parts),
            sum(part.amount.high for part in parts),
            origins.pop() if len(origins) == 1 else Origin.MODELLED,
        ),
        "; ".join(dict.fromkeys(part.source for part in parts)),
    )


def kwh(energy_j: Estimate) -> Estimate:
    """Joules as kWh."""
    return Estimate(energy_j.value / J_PER_KWH, energy_j.low / J_PER_KWH, energy_j.high / J_PER_KWH, energy_j.origin)


def scaled(amount: Estimate, factor: float) -> Estimate:
    """An estimate times a number that is known exactly and not negative."""
    return Estimate(amount.value * factor, amount.low * factor, amount.high * factor, amount.origin)


def percent(share: float) -> str:
    """0.05 as `5 %`."""
    return f"{100 * share:.0f} %"


def figure(text: str | float, what: str, example: str) -> tuple[Estimate, str]:
    """What a user states, and the unit behind it: `0.30 EUR`, `0.30 [0.25, 0.40] EUR`, `0.25..0.40 EUR` (its middle).

    A number without a range is taken as exact. Raises UsageError, naming `what` and showing `example`.
    """
    found = _FIGURE.fullmatch(str(text))
    if found is None:
        raise UsageError(f"{what}: {text!r} is no number", f"write it as {example}")
    if found["low"] is not None:
        low, high = float(found["low"]), float(found["high"])
        value = (low + high) / 2
    else:
        value = float(found["value"])
        low, high = float(found["from"] or value), float(found["to"] or value)
    if not (low <= value <= high and isfinite(high)):
        raise UsageError(f"{what}: {text!r} is no range with its value inside", f"write it as {example}")
    return Estimate(value, low, high, Origin.CONSTANT), found["rest"]
