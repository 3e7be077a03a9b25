"""Water that an amount of energy takes: in the cooling of the building, and at the power station, two terms apart.

    on site          = energy of the computers x WUE       (which is defined per kWh of IT energy: ISO/IEC 30134-9)
    power station    = energy of the computers x PUE x litres per kWh generated

Both are consumption (water that does not come back), not withdrawal. Nothing is assumed: a term that was not stated
is absent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.terms import Rate, figure, kwh, scaled

if TYPE_CHECKING:
    from wattleak.model import Estimate, Term

ON_SITE = "water on site"
POWER_STATION = "water at the power station"


def wue(text: str | float) -> Rate:
    """Litres on site per kWh of IT energy: `1.8`, `0.2..1.8 L/kWh`. Raises UsageError."""
    return _litres(text, ON_SITE, "--wue 1.8, or --wue 0.2..1.8 for a range")


def grid_water(text: str | float) -> Rate:
    """Litres at the power station per kWh generated. Raises UsageError."""
    return _litres(text, POWER_STATION, "--grid-water 3.1, or --grid-water 1.0..4.5 for a range")


def water(energy_j: Estimate, on_site: Rate | None, power_station: Rate | None, pue: float = 1.0) -> tuple[Term, ...]:
    """The terms that were stated, in litres."""
    computers = kwh(energy_j)
    terms = []
    if on_site is not None:
        terms.append(on_site.of(computers, "kWh"))
    if power_station is not None:
        terms.append(power_station.of(scaled(computers, pue), "kWh"))
    return tuple(terms)


def _litres(text: str | float, name: str, example: str) -> Rate:
    amount, unit = figure(text, name, example)
    if unit.lower().replace("per", "/").replace(" ", "") not in {"", "l/kwh"}:
        raise UsageError(f"{name}: {text!r} is not in L/kWh", f"write it as {example}")
    return Rate(name, "L", "kWh", amount.value, amount.low, amount.high, amount.origin, "stated by the user")
