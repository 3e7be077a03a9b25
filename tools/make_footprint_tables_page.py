"""Make docs/reference/footprint-tables.md from the shipped tables and the constants of the code.

    python tools/make_footprint_tables_page.py

tests/unit/footprint/test_footprint_page.py holds the page against what this makes.
"""

# ruff: noqa: E501, ISC004 - it writes a page of prose and tables

from __future__ import annotations

from pathlib import Path

from wattleak.footprint import context
from wattleak.footprint.equivalents import EQUIVALENTS, SOURCE, YEAR
from wattleak.footprint.intensity import intensity
from wattleak.footprint.providers import BUILTIN, make_provider
from wattleak.footprint.tables import CLOUD_GRIDS, INTENSITIES, ISO_3166, read_table
from wattleak.footprint.terms import percent

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "footprint-tables.md"

HEAD = """# Footprint: tables, factors and their sources

Made by `python tools/make_footprint_tables_page.py` from what is shipped; a test holds it against the tables.
[How to use them](../how-to/carbon.md).

## Carbon intensity

`--region` names a row of one of these tables. Each result stores the figure, its range, its source, its year and the
edition of the table (`carbon_g.table`), so that an old result reads the same after a table was updated, and
`wattleak verify` recomputes it with the stored figure where the edition is not the one at hand.

"""

RANGES = """
The range of a region is 0.40 to 1.75 times its yearly average. Over 2020, 95 % of the quarter and half hours lay within
0.44-1.72 of the yearly mean in Germany, 0.49-1.62 in Great Britain and 0.40-1.68 in France (data of Wiesner et al.,
"Let's Wait Awhile", Middleware 2021); the widest of these is assumed everywhere. Where nothing newer than five years is
published the range takes in the world's. The world's range is the 5th to the 95th percentile of the countries. Tables
differ in what they count: life-cycle emissions (Ember) are higher than emissions at the stack (eGRID).

"""

REST = """
Figures of one's own: `--intensity 350` (g/kWh), `--intensity-table FILE.csv` (columns `region,g_per_kwh,low,high,year,source`,
the first two needed, `hour` for one row an hour; the result names the file and the beginning of its SHA-256).

## Providers, asked only when named

| `--provider` | who | what its figures count | account |
|---|---|---|---|
{providers}

Range: from the lowest to the highest stretch that the work touched (forecast and outcome where both are published), and
10 % beyond them, which is assumed: no provider publishes the error of its figures. Answers are kept in
`~/.cache/wattleak/intensity` (15 minutes for the last day, 30 days for older ones), never a token. What cannot be asked
is said in the result, and the yearly table is used. Other packages register a provider under the entry-point group
`wattleak.intensity_providers`.

## Equivalents

{source} ("Calculations and References", as of August {year}). They describe the United States; EPA gives no ranges, so the
range is that of the emissions.

| equivalent | unit | grams CO2e of one | |
|---|---|---|---|
{equivalents}

## Context

Orders of magnitude, quoted:

| thing | figure | source |
|---|---|---|
| laptop hour | {laptop:g} kJ (30 W) | laptops at work draw 15 to 45 W: M. Bluejay, "Saving Electricity", as quoted by ehow.co.uk (2017) |
| phone charge | {phone:g} kJ (11.6 Wh) | {source}: 14.46 Wh a day less 22 h x 0.13 W (DOE 2020) |
| flight London-New York and back, economy | {flight:,.0f} kg CO2e a passenger | 2 x 5555 km x 0.150 kg/km, UK DESNZ 2024 as used by airmilescalc.com; other calculators give 1.4 t |

An experiment of n runs that finds a saving of a share s is given back after n / s runs, whatever one run uses: {runs} runs
(two variants, twenty blocks and a warm-up each) at {hoped} after {pays:.0f}.

## What has no table

| | why |
|---|---|
| price of electricity | tariffs differ by contract more than by country; state it: `--price '0.30 EUR'` |
| water on site | published WUE runs from 0.05 L/kWh (hyperscale, air-cooled: Milton Roy) through 0.27 (Microsoft, FY25) to 1.8-1.9 (an often named average): it is the building's, not the country's; state it: `--wue` |
| water at the power station | no table was found whose figures could be checked and whose terms let it be passed on; state it: `--grid-water` |
| embodied emissions | no open table of devices may be passed on (Boavizta's is AGPL); state the maker's figure: `--embodied`, `--device-life` |
"""


def page() -> str:
    """The whole page."""
    rows = ["| table | regions | source | years | licence | example |", "|---|---|---|---|---|---|"]
    examples = dict(zip(INTENSITIES, ("DE", "US-CA", "gcp:europe-west1"), strict=True))
    for name in INTENSITIES:
        table = read_table(name)
        years = sorted({year for _, year in table["regions"].values()})
        span = f"{years[0]}" if len(years) == 1 else f"{years[0]}-{years[-1]}"
        found = intensity(examples[name])
        shown = f"`{found.region}` {found.value:g} [{found.low:.4g}, {found.high:.4g}] g/kWh"
        rows.append(
            f"| `{table['version']}` | {len(table['regions'])} | [{table['source']}]({table['url']}): {table['basis']} "
            f"| {span} | {table['licence'].partition(' https')[0]} | {shown} |"
        )
    world = intensity("world")
    rows.append(
        f"| `{world.table}` | `world` | {world.source} | {world.year} | {world.licence} | "
        f"{world.value:g} [{world.low:.4g}, {world.high:.4g}] g/kWh |"
    )
    grids, names = read_table(CLOUD_GRIDS), read_table(ISO_3166)
    missing = sorted(code for code in names["names"] if code not in read_table(INTENSITIES[0])["regions"])
    clouds = {cloud: sum(region.startswith(f"{cloud}:") for region in grids["grids"]) for cloud in ("aws", "azure")}
    rows += [
        "",
        f"`{grids['version']}`: {clouds['aws']} regions of AWS and {clouds['azure']} of Azure by {grids['basis']} "
        f"([{grids['source']}]({grids['url']})). What a provider buys is not in it.",
        "",
        f"Names of countries: {names['source']} ({names['licence']}). Without a published figure, and refused with what "
        f"to type instead: {', '.join(missing)}.",
    ]
    providers = "\n".join(
        f"| `{made.name}` | {made.source} | {made.basis} | "
        f"{', '.join(f'`${variable}`' for variable in made.needs) or 'none'} |"
        for made in (make_provider(name) for name, _ in BUILTIN)
    )
    equivalents = "\n".join(f"| {e.name} | {e.unit} | {e.g_per_unit:.6g} | {e.note} |" for e in EQUIVALENTS)
    rest = REST.format(
        providers=providers,
        equivalents=equivalents,
        source=SOURCE,
        year=YEAR,
        laptop=context.LAPTOP_HOUR_J / 1000,
        phone=context.PHONE_CHARGE_J / 1000,
        flight=context.FLIGHT_G / 1000,
        runs=context.EXPERIMENT_RUNS,
        hoped=percent(context.HOPED_FOR),
        pays=context.EXPERIMENT_RUNS / context.HOPED_FOR,
    )
    return HEAD + "\n".join(rows) + "\n" + RANGES + rest.lstrip("\n")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
