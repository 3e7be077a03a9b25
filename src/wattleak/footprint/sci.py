"""Software Carbon Intensity: a rate of emissions per functional unit, its terms apart.

    SCI = ((E x I) + M) / R                                                  (ISO/IEC 21031:2024; Green Software
                                                                              Foundation, SCI specification 1.1)

E is the energy (with the building's share where a PUE is stated), I the location-based intensity of the grid, M the
embodied emissions, R the number of functional units (predictions, samples, jobs). Without M it is no SCI score, and
none is given: leaving a term out makes scores that cannot be compared. Offsets and purchases never enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.terms import scaled, total
from wattleak.model import Estimate, Term

if TYPE_CHECKING:
    from wattleak.model import Carbon

STANDARD = "ISO/IEC 21031:2024"


@dataclass(frozen=True, slots=True)
class Sci:
    """Grams of CO2 equivalent per functional unit."""

    operational: Term  # E x I / R
    embodied: Term  # M / R
    score: Term
    functional_unit: str
    units: float  # R


def sci(operational: Carbon, embodied: Term, units: float, functional_unit: str) -> Sci:
    """The score of so many functional units. Raises UsageError unless there is at least a part of one."""
    if not 0 < units < float("inf"):
        raise UsageError(
            f"{units} functional units cannot be", "state what was done: --functional-units '1000 prediction'"
        )
    if embodied.unit != "g":
        raise ValueError(f"embodied emissions are in grams, not in {embodied.unit}")
    per = f"g/{functional_unit}"
    grams = Estimate(operational.value_g, operational.low_g, operational.high_g, operational.origin)
    energy = Term("operational", per, scaled(grams, 1 / units), operational.source, operational.year)
    made = Term("embodied", per, scaled(embodied.amount, 1 / units), embodied.source, embodied.year, embodied.note)
    return Sci(energy, made, total("SCI", (energy, made)), functional_unit, units)
