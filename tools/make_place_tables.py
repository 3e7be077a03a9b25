"""Make the tables of places in src/wattleak/footprint/data: names of countries, and the grid that feeds a cloud region.

    python tools/make_place_tables.py /usr/share/zoneinfo/iso3166.tab

The file of the IANA time zone database (public domain) holds code and usual English name of each country of ISO
3166-1. Which state or country a region of AWS or Azure stands in is what the provider says of it (AWS: names of regions
in its documentation; Azure: "Azure regions list", column physical location), written down by hand in November 2026.
A region stands for the average of its state's or country's grid; what the provider bought is not in it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src" / "wattleak" / "footprint" / "data"

AWS = """
US-VA us-east-1 | US-OH us-east-2 us-gov-east-1 | US-CA us-west-1 | US-OR us-west-2 us-gov-west-1
CA ca-central-1 ca-west-1 | MX mx-central-1 | BR sa-east-1
IE eu-west-1 | GB eu-west-2 | FR eu-west-3 | DE eu-central-1 eusc-de-east-1 | CH eu-central-2 | SE eu-north-1
IT eu-south-1 | ES eu-south-2 | BH me-south-1 | AE me-central-1 | IL il-central-1 | ZA af-south-1
HK ap-east-1 | TW ap-east-2 | IN ap-south-1 ap-south-2 | SG ap-southeast-1 | AU ap-southeast-2 ap-southeast-4
ID ap-southeast-3 | MY ap-southeast-5 | NZ ap-southeast-6 | TH ap-southeast-7 | JP ap-northeast-1 ap-northeast-3
KR ap-northeast-2 | CN cn-north-1 cn-northwest-1
"""
AZURE = """
US-VA eastus eastus2 usgovvirginia | US-IA centralus | US-IL northcentralus | US-TX southcentralus usgovtexas
US-CA westus | US-WA westus2 | US-AZ westus3 usgovarizona | US-WY westcentralus
CA canadacentral canadaeast | MX mexicocentral | BR brazilsouth brazilsoutheast | CL chilecentral
IE northeurope | NL westeurope | GB uksouth ukwest | FR francecentral francesouth
DE germanywestcentral germanynorth | CH switzerlandnorth switzerlandwest | SE swedencentral swedensouth
NO norwayeast norwaywest | PL polandcentral | IT italynorth | ES spaincentral | AT austriaeast | BE belgiumcentral
DK denmarkeast | IL israelcentral | QA qatarcentral | AE uaenorth uaecentral | ZA southafricanorth southafricawest
HK eastasia | SG southeastasia | JP japaneast japanwest | KR koreacentral koreasouth
IN centralindia southindia westindia jioindiacentral jioindiawest
AU australiaeast australiasoutheast australiacentral australiacentral2 | NZ newzealandnorth
ID indonesiacentral | MY malaysiawest | CN chinaeast chinaeast2 chinaeast3 chinanorth chinanorth2 chinanorth3
"""


def main(countries: Path) -> None:
    """Write both tables."""
    grids = {
        f"{cloud}:{region}": place
        for cloud, text in (("aws", AWS), ("azure", AZURE))
        for line in text.strip().splitlines()
        for place, *regions in (part.split() for part in line.split("|"))
        for region in regions
    }
    _write(
        "cloud_grids.json",
        {
            "version": "cloud-grids-2026-11",
            "source": "AWS and Azure, lists of their regions with the place each stands in",
            "licence": "facts, written down for wattleak (MIT)",
            "url": "https://learn.microsoft.com/azure/reliability/regions-list",
            "basis": "the grid of the state (USA) or country that a region stands in",
            "modifications": "names of places as ISO 3166 codes",
        },
        "grids",
        grids,
    )
    rows = (line.split("\t") for line in countries.read_text(encoding="utf-8").splitlines() if line[:1].isalpha())
    _write(
        "iso3166.json",
        {
            "version": "iso3166-tzdb",
            "source": "IANA time zone database, iso3166.tab",
            "licence": "public domain",
            "url": "https://www.iana.org/time-zones",
            "basis": "codes of ISO 3166-1 alpha-2 with usual English names",
            "modifications": "none",
        },
        "names",
        dict(rows),
    )


def _write(name: str, about: dict[str, str], key: str, table: dict[str, str]) -> None:
    head = json.dumps(about, indent=1, ensure_ascii=False)[:-2]
    lines = ",\n".join(
        f"  {json.dumps(code)}: {json.dumps(value, ensure_ascii=False)}" for code, value in sorted(table.items())
    )
    (TARGET / name).write_text(f'{head},\n "{key}": {{\n{lines}\n }}\n}}\n', encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
