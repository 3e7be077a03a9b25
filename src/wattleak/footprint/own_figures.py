"""Carbon intensities that a user brings: one figure, or a table of their own.

    --intensity 350                      350 g/kWh, taken as exact
    --intensity '350 [300, 420]'         with a range
    --intensity-table sites.csv          columns region, g_per_kwh, low, high, year, source; the first two are needed

Both travel as the text of a region, so that whoever takes a region takes these: `350 [300..420] g/kWh` and
`table:sites.csv:Berlin`. A table's version is the beginning of its SHA-256: a result says which edition it used.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path

from wattleak.errors import UsageError
from wattleak.footprint.terms import figure

UNIT = "g/kWh"
TABLE = "table:"
_NEEDED = ("region", "g_per_kwh")
_KNOWN = (*_NEEDED, "low", "high", "year", "source")
_MOST = 5000.0  # no power station emits more per kWh; a larger figure is in another unit


@dataclass(frozen=True, slots=True)
class StatedIntensity:
    """Grams of CO2 equivalent per kWh, as somebody stated them."""

    value: float
    low: float
    high: float
    source: str
    year: int | None
    version: str  # of the table; empty: it was stated on its own


def stated_intensity(text: str | float) -> StatedIntensity:
    """Read `350`, `350 g/kWh`, `350 [300, 420] g/kWh`, `300..420`. Raises UsageError."""
    amount, unit = figure(text, "intensity", "--intensity 350, or --intensity '350 [300, 420]', in g/kWh")
    if unit.lower().replace(" ", "").removesuffix("co2e").removesuffix("co2") not in {"", "g/kwh", "gco2e/kwh"}:
        raise UsageError(f"intensity: {text!r} is not in g/kWh", "--intensity 350 (kg/MWh is the same number)")
    _check(amount.low, amount.high, f"intensity {text}")
    return StatedIntensity(amount.value, amount.low, amount.high, "stated by the user", None, "")


def as_region(text: str | float) -> str:
    """The region that stands for a stated figure. Raises UsageError."""
    found = stated_intensity(text)
    if found.low == found.high:
        return f"{found.value!r} {UNIT}"
    return f"{found.value!r} [{found.low!r}..{found.high!r}] {UNIT}"  # no comma: that parts the places of a mix


def table_region(path: str, region: str) -> str:
    """The region that stands for a row of a user's table."""
    return f"{TABLE}{path}:{region}"


def from_user_table(text: str) -> tuple[str, StatedIntensity]:
    """The row that `table:FILE:REGION` names, and its region as the table spells it. Raises UsageError."""
    path, _, region = text.removeprefix(TABLE).rpartition(":")
    rows = _rows(path)
    for name, row in rows.items():
        if name.lower() == region.strip().lower():
            return name, row
    from difflib import get_close_matches  # noqa: PLC0415 - for a typing error only

    near = get_close_matches(region, rows, n=4, cutoff=0.4)
    raise UsageError(
        f"{path} has no region {region!r}",
        f"it has {', '.join(near or list(rows)[:8])}; or leave --intensity-table out",
    )


def has_row(path: str, region: str) -> bool:
    """Whether the user's table has a row for the region. Raises UsageError for a table that cannot be read."""
    return region.strip().lower() in {name.lower() for name in _rows(path)}


@cache
def _rows(path: str) -> dict[str, StatedIntensity]:
    import csv  # noqa: PLC0415 - for those who bring a table
    from hashlib import sha256  # noqa: PLC0415 - as above

    example = "a CSV file with the columns region,g_per_kwh,low,high,year,source"
    try:
        data = Path(path).read_bytes()
        lines = data.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the table of intensities {path}: {error}", example) from error
    reader = csv.DictReader(lines)
    columns = [name.strip() for name in reader.fieldnames or ()]
    if set(_NEEDED) - set(columns):
        raise UsageError(f"{path} lacks the column {', '.join(sorted(set(_NEEDED) - set(columns)))}", example)
    if unknown := sorted(set(columns) - set(_KNOWN)):
        raise UsageError(f"{path} has columns that mean nothing here: {', '.join(unknown)}", example)
    version = f"{Path(path).name} sha256:{sha256(data).hexdigest()[:12]}"
    rows = {}
    for cells in reader:
        row = {str(key).strip(): (value or "").strip() for key, value in cells.items() if isinstance(value, str)}
        if any(row.values()):
            _add(rows, row, f"{path}, line {reader.line_num}", version)
    if not rows:
        raise UsageError(f"{path} has no rows", example)
    return rows


def _add(rows: dict[str, StatedIntensity], row: dict[str, str], where: str, version: str) -> None:
    if not row["region"] or row["region"].lower() in {name.lower() for name in rows}:
        raise UsageError(f"{where}: the region {row['region']!r} is empty or stands twice", "one row for each region")
    if ":" in row["region"] and row["region"].startswith(TABLE):
        raise UsageError(f"{where}: a region cannot begin with {TABLE}", "call it otherwise")
    try:
        value = float(row["g_per_kwh"])
        low, high = float(row.get("low") or value), float(row.get("high") or value)
        year = int(row["year"]) if row.get("year") else None
    except ValueError as error:
        raise UsageError(f"{where}: {error}", "numbers with a decimal point, a whole year") from error
    if not low <= value <= high:
        raise UsageError(f"{where}: {value:g} is not between {low:g} and {high:g}", "low <= g_per_kwh <= high")
    _check(low, high, where)
    rows[row["region"]] = StatedIntensity(value, low, high, row.get("source") or f"table {version}", year, version)


def _check(low: float, high: float, where: str) -> None:
    if not (low >= 0 and isfinite(high) and high <= _MOST):
        raise UsageError(f"{where}: {low:g} to {high:g} g/kWh cannot be", f"grams per kWh, 0 to {_MOST:g}")
