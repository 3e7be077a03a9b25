"""Carbon intensity of electricity by region, from tables that are shipped, and the emissions of an energy.

    carbon = energy x PUE x carbon intensity

No network unless a provider is named, no guess of where the machine is: without a region it is the world's average with
the range of the world.

Tables (folder data/, made by tools/make_intensity_tables.py): countries from Ember through Our World in Data (CC BY
4.0), US states from EPA eGRID2023 (public domain), Google Cloud regions (Apache-2.0). Regions of AWS and Azure stand
for the state or country that they are in (tools/make_place_tables.py). All are yearly averages, and what an hour of
work really emitted differs from them.

Range of one region: 0.40 to 1.75 times the yearly average. Over 2020, 95 % of the quarter and half hours lay within
0.44-1.72 of the yearly mean in Germany, 0.49-1.62 in Great Britain and 0.40-1.68 in France (computed from the data
of Wiesner et al., "Let's Wait Awhile", Middleware 2021, github.com/dos-group/lets-wait-awhile at 5e0d155); the
widest of these, rounded outwards, is assumed to hold everywhere, and to cover what the year of the table makes out.
Where nothing has been published for more than five years (two countries) the range takes in the world's.

Range of the world: the 5th and the 95th percentile of the countries in the table, each country counted once.

A region is a text, and what a user may bring instead of a table travels as one, too: `350 g/kWh` and
`table:sites.csv::Berlin` (footprint.own_figures), `online:PROVIDER:ZONE:REGION` (footprint.providers), `auto`
(footprint.cloud_metadata).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.places import WORLD, find_place
from wattleak.footprint.tables import COUNTRIES, INTENSITIES, read_table
from wattleak.model import Carbon

if TYPE_CHECKING:
    from wattleak.footprint.own_figures import StatedIntensity
    from wattleak.footprint.places import Place
    from wattleak.model import Estimate

AUTO = "auto"
ONLINE = "online:"
_HOUR_LOW, _HOUR_HIGH = 0.40, 1.75
_STALE_YEARS = 5  # a grid older than this says little about today's
_J_PER_KWH = 3.6e6

_WORLD_G_PER_KWH = 458.0
_WORLD_YEAR = 2025
_WORLD_SOURCE = "Ember, Global Electricity Review 2026 (CC BY 4.0)"


@dataclass(frozen=True, slots=True)
class Intensity:
    """Grams of CO2 equivalent per kWh, with the 95 % range of what an hour of that year can have been."""

    value: float
    low: float
    high: float
    source: str
    year: int | None  # None: whoever stated it did not say
    region: str  # as the table spells it
    note: str = ""
    licence: str = ""
    table: str = ""  # version of the table


def intensity(region: str | None, during: tuple[float, float] | None = None) -> Intensity:
    """Carbon intensity of `DE`, `US-CA`, `gcp:europe-west1`, `aws:eu-north-1`, `world` (in any case), or of None.

    None is the world's. `during` are start and end of the work in seconds since 1970: only providers, which are asked
    over the network, take notice of it, and without it they are not asked.

    Raises UsageError for a region that no table has, with the nearest names.
    """
    if region is None or region.strip().lower() == WORLD:
        return _world(unasked=region is None)
    text = region.strip()
    if text.startswith(ONLINE):
        from wattleak.footprint.providers import online_intensity  # noqa: PLC0415 - for those who named a provider

        return online_intensity(text, during)
    if text.lower() == AUTO:
        from wattleak.footprint.cloud_metadata import region_here  # noqa: PLC0415 - for those who asked for it

        return intensity(region_here())
    if text[:1].isdigit() or text[:1] == "." or text.startswith("table:"):
        return _stated(text, during)
    return _region(find_place(text))


def carbon(
    energy_j: Estimate,
    region: str | Intensity | None,
    pue: float | None = None,
    during: tuple[float, float] | None = None,
) -> Carbon:
    """Emissions of an energy in grams of CO2 equivalent: energy x PUE x carbon intensity.

    The ends of the range are the products of the ends of energy and intensity: right when both err together, wider
    than needed when they err independently. `pue` is the data centre's power usage effectiveness, at least 1; None
    takes the energy of the device alone. `during`: as of `intensity`. Raises UsageError for an unknown region or a PUE
    below 1.
    """
    if pue is not None and not 1.0 <= pue < float("inf"):
        raise UsageError(
            f"a PUE of {pue} cannot be", "state total energy over computing energy: 1.0 or more, as --pue 1.3"
        )
    grid = region if isinstance(region, Intensity) else intensity(region, during)
    factor = 1.0 if pue is None else pue
    ends = [
        joules * factor * grams / _J_PER_KWH
        for joules in (energy_j.low, energy_j.high)
        for grams in (grid.low, grid.high)
    ]
    notes = (grid.note, "no PUE given: the device's own energy" if pue is None else "")
    return Carbon(
        value_g=energy_j.value * factor * grid.value / _J_PER_KWH,
        low_g=min(ends),
        high_g=max(ends),
        intensity_g_per_kwh=grid.value,
        intensity_low=grid.low,
        intensity_high=grid.high,
        source=grid.source,
        year=grid.year,
        region=grid.region,
        pue=factor,
        origin=energy_j.origin,
        note="; ".join(note for note in notes if note),
        table=grid.table,
    )


def current_tables() -> frozenset[str]:
    """The versions of the tables that are shipped now: a result that names another one was made with that one."""
    return frozenset(read_table(name)["version"] for name in INTENSITIES)


@cache
def _world(*, unasked: bool) -> Intensity:
    table = read_table(COUNTRIES)
    countries = sorted(value for value, _ in table["regions"].values())
    span = "world average; range: 5th to 95th percentile of the countries"
    return Intensity(
        value=_WORLD_G_PER_KWH,
        low=_percentile(countries, 5),
        high=_percentile(countries, 95),
        source=_WORLD_SOURCE,
        year=_WORLD_YEAR,
        region=WORLD,
        note=f"no region given: {span} (--region DE narrows it)" if unasked else span,
        licence="CC BY 4.0",
        table=table["version"],
    )


def _region(place: Place) -> Intensity:
    table = read_table(place.table)
    value, year = table["regions"][place.code]
    low, high = value * _HOUR_LOW, value * _HOUR_HIGH
    note = f"{table['basis']}; an hour may be {_HOUR_LOW:.2f} to {_HOUR_HIGH:.2f} times that"
    if year < _WORLD_YEAR - _STALE_YEARS:
        world = _world(unasked=False)
        low, high = min(low, world.low), max(high, world.high)
        note += f"; nothing newer than {year} is published, so the range is the world's"
    if place.via:
        note = f"{place.via}; {note}"
    return Intensity(value, low, high, table["source"], year, place.region, note, table["licence"], table["version"])


def _stated(text: str, during: tuple[float, float] | None) -> Intensity:
    from wattleak.footprint.own_figures import (  # noqa: PLC0415 - for those who brought a figure or a table
        TABLE,
        as_region,
        from_user_table,
        stated_intensity,
    )

    found: StatedIntensity
    if text.startswith(TABLE):
        region, found = from_user_table(text, during)
        note = "from the user's own table"
    else:
        region, found = as_region(text), stated_intensity(text)
        note = "stated by the user" + (", taken as exact" if found.low == found.high else "")
    return Intensity(found.value, found.low, found.high, found.source, found.year, region, note, table=found.version)


def _percentile(ordered: list[float], percent: float) -> float:
    """Linear between order statistics (definition 7 of Hyndman and Fan, 1996: what numpy and R do unasked)."""
    place = percent / 100 * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
