"""Make the tables of src/wattleak/footprint/data from the published files.

    python tools/make_intensity_tables.py FOLDER

FOLDER holds `ember_country_intensity.json` (Ember through Our World in Data, CC BY 4.0),
`egrid2023_us_states.json` (EPA eGRID2023, US public domain) and `gcp_region_intensity_2024.csv`
(GoogleCloudPlatform/region-carbon-info, Apache-2.0). Values are grams of CO2 equivalent per kWh; eGRID's pounds per MWh
are multiplied by 0.45359237 (the international pound in kilograms), rounded to a hundredth.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src" / "wattleak" / "footprint" / "data"
KG_PER_LB = 0.45359237


def main(folder: Path) -> None:
    """Write one file per source."""
    ember = json.loads((folder / "ember_country_intensity.json").read_text(encoding="utf-8"))
    _write(
        "ember_countries.json",
        {
            "version": f"ember-{ember['updated_at']}",
            "source": ember["source"],
            "licence": ember["license"],
            "url": ember["url"],
            "modifications": ember["modifications"],
            "basis": "life-cycle emissions of the electricity generated in the country, yearly average",
        },
        {row["name"].upper(): (row["co2g_kwh"], row["year"]) for row in ember["countries"]},
    )
    egrid = json.loads((folder / "egrid2023_us_states.json").read_text(encoding="utf-8"))
    about = egrid["_source"]
    states = (row for key, row in egrid.items() if not key.startswith("_") and len(row["regionCode"]) == 2)
    _write(
        "egrid_us_states.json",
        {
            "version": "egrid2023",
            "source": f"{about['name']} ({about['field']})",
            "licence": "US government work, public domain",
            "url": about["url"],
            "modifications": "lb/MWh x 0.45359237 = g/kWh",
            "basis": "emissions at the power plants of the state (no upstream), yearly average",
        },
        {f"US-{row['regionCode']}": (round(row["emissions"] * KG_PER_LB, 2), about["year"]) for row in states},
    )
    with (folder / "gcp_region_intensity_2024.csv").open(encoding="utf-8") as file:
        regions = {
            f"gcp:{row['Google Cloud Region']}": (float(row["Grid carbon intensity (gCO2eq / kWh)"]), 2024)
            for row in csv.DictReader(file)
        }
    _write(
        "gcp_regions.json",
        {
            "version": "gcp-2024",
            "source": "Google Cloud, region carbon data 2024",
            "licence": "Apache-2.0",
            "url": "https://github.com/GoogleCloudPlatform/region-carbon-info",
            "modifications": "the column of grid carbon intensity; purchases of carbon-free energy are not deducted",
            "basis": "average operational emissions of the grid that feeds the region, yearly average",
        },
        regions,
    )


def _write(name: str, about: dict[str, str], regions: dict[str, tuple[float, int]]) -> None:
    """One region a line, so that the change from one edition of a table to the next can be read."""
    head = json.dumps(about, indent=1, ensure_ascii=False)[:-2]
    lines = ",\n".join(f"  {json.dumps(code)}: {json.dumps(value)}" for code, value in sorted(regions.items()))
    (TARGET / name).write_text(f'{head},\n "regions": {{\n{lines}\n }}\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
