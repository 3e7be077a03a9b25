"""Money for electricity, at a price that the user states. No price is assumed: without one there is no cost.

    cost = energy x PUE x price per kWh

No table of prices is shipped: tariffs differ by contract more than by country, and no source was found whose terms let
a table be passed on and whose figures fit a data centre.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.terms import Rate, figure, kwh, scaled

if TYPE_CHECKING:
    from wattleak.model import Estimate, Term

_EXAMPLE = "--price '0.30 EUR', or --price '0.25..0.40 EUR' for a range"
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}


def price(text: str) -> Rate:
    """Read a price per kWh with its currency: `0.30 EUR`, `0.25..0.40 EUR`, `0.30 [0.25, 0.40] EUR/kWh`.

    Raises UsageError where the number or the currency (three letters of ISO 4217, or one of € $ £ ¥) is missing.
    """
    amount, unit = figure(text, "price", _EXAMPLE)
    currency = unit.removesuffix("/kWh").removesuffix("per kWh").strip()
    currency = _SIGNS.get(currency, currency).upper()
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):  # ISO 4217
        raise UsageError(f"price: {text!r} says no currency", f"write it as {_EXAMPLE}")
    return Rate(
        "electricity", currency, "kWh", amount.value, amount.low, amount.high, amount.origin, "price stated by the user"
    )


def cost(energy_j: Estimate, per_kwh: Rate, pue: float = 1.0) -> Term:
    """Money in the currency of the price; the building's share of the energy (PUE) is paid, too."""
    return per_kwh.of(scaled(kwh(energy_j), pue), "kWh")
