"""The shipped tables, read when first asked for."""

from __future__ import annotations

from functools import cache
from typing import Any

COUNTRIES = "ember_countries.json"
CLOUD_GRIDS = "cloud_grids.json"
ISO_3166 = "iso3166.json"
INTENSITIES = (COUNTRIES, "egrid_us_states.json", "gcp_regions.json")
"""Tables of carbon intensity, in the order in which a region is looked up. Their `regions` hold (g/kWh, year)."""


@cache
def read_table(name: str) -> dict[str, Any]:
    """A file of the folder data/. Raises OwnFailure when it is missing or damaged."""
    import json  # noqa: PLC0415 - whoever asks for no carbon does not pay for it

    from wattleak.shipped import broken, shipped_text  # noqa: PLC0415 - as above

    try:
        document: dict[str, Any] = json.loads(shipped_text("wattleak.footprint", "data", name))
    except ValueError as error:
        raise broken(name, "it is damaged") from error
    return document
