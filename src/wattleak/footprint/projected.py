"""What a projection found: amounts of a day and a year, terms, what dominates, what changes would do. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.footprint.inputs import Input
    from wattleak.footprint.scenario import Scenario
    from wattleak.model import Estimate


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of a day or a year. Money and water are None where no price and no water was stated."""

    energy_kwh: Estimate
    carbon_kg: Estimate
    money: Estimate | None
    water_l: Estimate | None


@dataclass(frozen=True, slots=True)
class TermRow:
    """One named term, in kWh a day."""

    name: str
    kwh_per_day: Estimate
    how: str


@dataclass(frozen=True, slots=True)
class Swing:
    """The year's CO2e and energy with one input at either end of its 95 % range, all others at their values."""

    input: Input
    carbon_low_kg: float
    carbon_high_kg: float
    energy_low_kwh: float
    energy_high_kwh: float

    @property
    def width(self) -> float:
        return abs(self.carbon_high_kg - self.carbon_low_kg)


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change would do: after minus before."""

    name: str
    note: str
    day: Amounts
    year: Amounts
    relative: Estimate  # of the year's CO2e


@dataclass(frozen=True, slots=True)
class Balance:
    """Training against inference."""

    training_share: Estimate  # of the energy of both
    break_even_days: Estimate  # until the inferences have used as much as one training
    break_even_inferences: float


@dataclass(frozen=True, slots=True)
class Projection:
    """What a scenario comes to."""

    scenario: Scenario
    seed: int
    draws: int
    rows: tuple[TermRow, ...]
    day: Amounts
    year: Amounts
    carbon_rows: tuple[tuple[str, Estimate], ...]  # kg a day by place
    water_rows: tuple[tuple[str, Estimate], ...]  # L a day by term
    days_per_year: float  # of today's size
    inputs: tuple[Input, ...]
    swings: tuple[Swing, ...]  # the widest first
    effects: tuple[Effect, ...]
    balance: Balance | None  # None: no training, or no inference
