"""What an energy and a device come to in money, water and emissions: named parts, each in its own unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.model.numbers import Estimate


@dataclass(frozen=True, slots=True)
class Term:
    """One named part of a footprint. Its unit is part of it: terms of two units are never added."""

    name: str  # "electricity", "water on site", "embodied"
    unit: str  # "EUR", "L", "g", "g/prediction"
    amount: Estimate
    source: str
    year: int | None = None
    note: str = ""
