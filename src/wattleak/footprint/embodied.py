"""Emissions of making a device, shared out over the hours in which it is used.

    grams per hour = embodied kg x 1000 / (years of life x 8760 h x utilisation)
    grams of a run = grams per hour x hours x share of the device

That is TE x (TiR/EL) x (RR/ToR) of the Software Carbon Intensity specification (ISO/IEC 21031:2024, embodied
emissions), with utilisation added: hours in which nobody uses the device are borne by the hours in which somebody does.
No device is assumed: without a stated figure there is no embodied term.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.terms import S_PER_H, Rate, figure, percent, scaled
from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from wattleak.model import Term

_H_PER_YEAR = 8760.0
_EXAMPLE = "--embodied '1200 kg' --device-life 4, or --embodied '900..1600 kg'"


@dataclass(frozen=True, slots=True)
class Device:
    """What making one device emitted, and how long it will be used. `source` as the user names it."""

    embodied_kg: Estimate
    life_years: float
    utilisation: float = 1.0  # share of its life in which it works for somebody
    source: str = "stated by the user"
    year: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.life_years < float("inf"):
            raise UsageError(f"a device life of {self.life_years} years cannot be", "state years: --device-life 4")
        if not 0 < self.utilisation <= 1:
            raise UsageError(
                f"a utilisation of {self.utilisation} cannot be", "state a share above 0, at most 1: --utilisation 0.6"
            )
        if not 0 <= self.embodied_kg.low <= self.embodied_kg.value <= self.embodied_kg.high < float("inf"):
            raise UsageError("embodied emissions are no range with its value inside", f"write {_EXAMPLE}")

    def per_hour(self) -> Rate:
        """Grams of CO2 equivalent per hour of use."""
        hours = self.life_years * _H_PER_YEAR * self.utilisation
        amount = scaled(self.embodied_kg, 1000 / hours)
        return Rate(
            "embodied",
            "g",
            "h",
            amount.value,
            amount.low,
            amount.high,
            self.embodied_kg.origin,
            self.source,
            self.year,
            f"over {self.life_years:g} years, used {percent(self.utilisation)} of the time",
        )

    def term(self, duration_s: float, share: float = 1.0) -> Term:
        """Embodied grams of so long a use of so large a share (0 to 1) of the device.

        The origin is that of the embodied figure: nothing of it was measured but the clock.
        """
        if not (0 <= share <= 1 and 0 <= duration_s < float("inf")):
            raise ValueError(f"{share} of a device for {duration_s} s cannot be")
        hours = duration_s / S_PER_H * share
        return self.per_hour().of(Estimate(hours, hours, hours, self.embodied_kg.origin), "h")


def embodied_kg(text: str | float, origin: Origin = Origin.CONSTANT) -> Estimate:
    """Read `1200 kg`, `1.2 t`, `900..1600 kg`; a bare number is kg. Raises UsageError."""
    amount, unit = figure(text, "embodied", _EXAMPLE)
    factor = {"": 1.0, "kg": 1.0, "kgco2e": 1.0, "t": 1000.0, "tco2e": 1000.0, "g": 0.001}.get(unit.lower())
    if factor is None:
        raise UsageError(f"embodied: {text!r} is not in kg, t or g", f"write it as {_EXAMPLE}")
    kilograms = scaled(amount, factor)
    return Estimate(kilograms.value, kilograms.low, kilograms.high, origin)
