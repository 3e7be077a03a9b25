"""Names of places: which table a region stands in, which grid feeds a cloud region, and what was meant instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError
from wattleak.footprint.tables import CLOUD_GRIDS, COUNTRIES, INTENSITIES, ISO_3166, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

WORLD = "world"
_ALIASES = {"UK": "GB", "EL": "GR"}  # what the European Union writes

# Places without published figures, and larger grids beside them: to try instead, never assumed.
_BESIDE = {
    "AD": ("ES", "FR"), "AI": ("AG",), "AX": ("FI",), "BL": ("GP",), "BM": ("US",), "BQ": ("AW",), "CC": ("AU",),
    "CW": ("AW",), "CX": ("AU",), "FM": ("GU",), "GG": ("FR", "GB"), "IM": ("GB",), "IO": ("MU",), "JE": ("FR",),
    "LI": ("CH",), "MC": ("FR",), "MF": ("GP",), "MH": ("GU",), "MP": ("GU",), "NF": ("AU",), "NU": ("NZ",),
    "PN": ("NZ",), "PW": ("GU",), "SJ": ("NO",), "SM": ("IT",), "SX": ("AG",), "TK": ("NZ",), "TV": ("FJ",),
    "UM": ("US",), "VA": ("IT",), "WF": ("NC",), "YT": ("KM",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a region's figures are found."""

    region: str  # as the table, or the list of cloud regions, spells it
    table: str  # file of the table of intensities
    code: str  # key in it
    via: str = ""  # how it came to that key, in words; empty: it was asked for


def find_place(region: str) -> Place:
    """The place of `DE`, `Germany`, `US-CA`, `gcp:europe-west1`, `aws:eu-north-1`, `azure:westus2`, in any case.

    Raises UsageError for a place that no table has, with the nearest names.
    """
    wanted = region.strip().lower()
    for table in INTENSITIES:
        for code in read_table(table)["regions"]:
            if code.lower() == wanted:
                return Place(code, table, code)
    for cloud, code in read_table(CLOUD_GRIDS)["grids"].items():
        if cloud.lower() == wanted:
            return Place(cloud, _table_of(code), code, f"{cloud} stands in {_named(code)}: that grid's average")
    names: Mapping[str, str] = read_table(ISO_3166)["names"]
    for code, name in names.items():
        if wanted in {name.lower(), code.lower()}:
            if code in read_table(COUNTRIES)["regions"]:
                return Place(code, COUNTRIES, code)
            raise UsageError(f"no carbon intensity is published for {name} ({code})", _instead(code))
    if (alias := _ALIASES.get(wanted.upper())) is not None:
        return Place(alias, COUNTRIES, alias)
    raise UsageError(f"no carbon intensity is known for region {region!r}", _nearest(wanted))


def known_places() -> dict[str, str]:
    """Every name that is accepted, in lower case, and how it is spelled."""
    codes = {code.lower(): code for table in INTENSITIES for code in read_table(table)["regions"]}
    codes |= {cloud.lower(): cloud for cloud in read_table(CLOUD_GRIDS)["grids"]}
    known = read_table(COUNTRIES)["regions"]
    codes |= {name.lower(): code for code, name in read_table(ISO_3166)["names"].items() if code in known}
    return codes | {WORLD: WORLD}


def _table_of(code: str) -> str:
    return next(table for table in INTENSITIES if code in read_table(table)["regions"])


def with_name(region: str) -> str:
    """`CA (Canada)`, so that whoever meant California sees it; as it is where no name is known."""
    try:
        return _named(region)
    except OwnFailure:
        return region


def _named(code: str) -> str:
    name = read_table(ISO_3166)["names"].get(code)
    return f"{code} ({name})" if name else code


def _instead(code: str) -> str:
    beside = _BESIDE.get(code, ())
    nearby = f"beside it lies {' and '.join(map(_named, beside))}; " if beside else ""
    return f"{nearby}name the grid that feeds the machine (--region), or state its figure: --intensity 350"


def _nearest(wanted: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - for a typing error only

    codes = known_places()
    near = list(dict.fromkeys(codes[code] for code in get_close_matches(wanted, codes, n=4, cutoff=0.5)))
    kinds = (
        "countries as DE or Germany, US states as US-CA, cloud regions as gcp:europe-west1, aws:eu-north-1, "
        "azure:westus2, or world; --intensity 350 states a figure"
    )
    return f"did you mean {', '.join(map(_named, near))}? known are {kinds}" if near else f"known are {kinds}"
