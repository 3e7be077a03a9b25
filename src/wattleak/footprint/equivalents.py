"""Emissions as something that people can picture. Off unless asked: a picture adds nothing to a number.

Factors: US EPA, Greenhouse Gas Equivalencies Calculator, "Calculations and References" (as of August 2026). They
describe the United States: its cars, its coal, its grid. EPA gives no ranges; the range here is that of the emissions.

    passenger car   0.393 kg per mile (4.29 t a year over 10,917 miles), 1 mile = 1.609344 km
    coal            0.900 kg per pound burned, 1 lb = 0.45359237 kg
    smartphone      0.0124 kg per charge, from the average of the US grid
    tree            60 kg per urban seedling grown for ten years (over the ten years, not each year)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.footprint.terms import scaled
from wattleak.model import Term

if TYPE_CHECKING:
    from wattleak.model import Estimate

SOURCE = "US EPA, Greenhouse Gas Equivalencies Calculator"
YEAR = 2026

_KM_PER_MILE = 1.609344
_KG_PER_LB = 0.45359237


@dataclass(frozen=True, slots=True)
class Equivalent:
    """Grams of CO2 equivalent of one unit of something."""

    name: str
    unit: str
    g_per_unit: float
    note: str


EQUIVALENTS = (
    Equivalent("car", "km", 393.0 / _KM_PER_MILE, "driven by an average US passenger car"),
    Equivalent("coal", "kg", 900.0 / _KG_PER_LB, "of coal burned"),
    Equivalent("smartphone", "charges", 12.4, "of a smartphone, on the average US grid"),
    Equivalent("trees", "seedlings", 60_000.0, "grown for ten years take up as much"),
)


def equivalents(carbon_g: Estimate) -> tuple[Term, ...]:
    """What so many grams of CO2 equivalent compare with. Negative savings are the caller's to word."""
    return tuple(
        Term(item.name, item.unit, scaled(carbon_g, 1 / item.g_per_unit), SOURCE, YEAR, item.note)
        for item in EQUIVALENTS
    )
