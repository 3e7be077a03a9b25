"""Carbon intensities that a user brings: one figure, or a table of their own.

    --intensity 350                      350 g/kWh, taken as exact
    --intensity '350 [300, 420]'         with a range
    --intensity-table sites.csv          columns region, g_per_kwh, low, high, year, source; the first two are needed

A table may have a column `hour` (0 to 23, UTC): a region then has one row for each hour of the day, and a run gets the
mean of the hours that it ran in, weighted by time; where the time of the work is not known, the mean of the day with
the range of its hours.

Both travel as the text of a region, so that whoever takes a region takes these: `350 [300..420] g/kWh` and
`table:sites.csv::Berlin`. A table's version is the beginning of its SHA-256: a result says which edition it used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import isfinite
from pathlib import Path

from wattleak.errors import UsageError
from wattleak.footprint.terms import figure

UNIT = "g/kWh"
TABLE = "table:"
_NEEDED = ("region", "g_per_kwh")
_KNOWN = (*_NEEDED, "hour", "low", "high", "year", "source")
_HOURS, _HOUR_S = 24, 3600.0
_BETWEEN = "::"  # a file and a region; cloud regions have one colon of their own
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
    return f"{TABLE}{path}{_BETWEEN}{region}"


def from_user_table(text: str, during: tuple[float, float] | None) -> tuple[str, StatedIntensity]:
    """What `table:FILE::REGION` names, and its region as the table spells it. Raises UsageError."""
    path, _, region = text.removeprefix(TABLE).rpartition(_BETWEEN)
    rows = _rows(path)
    for name, hours in rows.items():
        if name.lower() == region.strip().lower():
            return name, hours[0] if len(hours) == 1 else _over(hours, during)
    from difflib import get_close_matches  # noqa: PLC0415 - for a typing error only

    near = get_close_matches(region, rows, n=4, cutoff=0.4)
    raise UsageError(
        f"{path} has no region {region!r}",
        f"it has {', '.join(near or list(rows)[:8])}; or leave --intensity-table out",
    )


def has_row(path: str, region: str) -> bool:
    """Whether the user's table has a row for the region. Raises UsageError for a table that cannot be read."""
    return region.strip().lower() in {name.lower() for name in _rows(path)}


def _over(hours: tuple[StatedIntensity, ...], during: tuple[float, float] | None) -> StatedIntensity:
    """The mean of the hours of the day that the work was in, each weighted by how long; of all of them without a time.

    Ends of the range are those of the lowest and the highest hour that counts.
    """
    if during is None or during[1] - during[0] >= _HOURS * _HOUR_S:
        weights = [1.0] * _HOURS
    else:
        start_s, end_s = during[0], max(during[1], during[0] + 1e-3)
        weights = [0.0] * _HOURS
        while start_s < end_s:
            until_s = min(end_s, (start_s // _HOUR_S + 1) * _HOUR_S)
            weights[int(start_s // _HOUR_S) % _HOURS] += until_s - start_s
            start_s = until_s
    counted = [(weight, hour) for weight, hour in zip(weights, hours, strict=True) if weight > 0]
    mean = sum(weight * hour.value for weight, hour in counted) / sum(weight for weight, _ in counted)
    return replace(
        counted[0][1],
        value=mean,
        low=min(hour.low for _, hour in counted),
        high=max(hour.high for _, hour in counted),
    )


@cache
def _rows(path: str) -> dict[str, tuple[StatedIntensity, ...]]:
    """One figure for each region, or one for each hour of the day."""
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
    rows: dict[str, dict[int | None, StatedIntensity]] = {}
    for cells in reader:
        row = {str(key).strip(): (value or "").strip() for key, value in cells.items() if isinstance(value, str)}
        if any(row.values()):
            _add(rows, row, f"{path}, line {reader.line_num}", version)
    if not rows:
        raise UsageError(f"{path} has no rows", example)
    whole = set(range(_HOURS))
    for name, hours in rows.items():
        if hours.keys() not in ({None}, whole):
            lacking = (
                ", ".join(str(hour) for hour in sorted(whole - hours.keys())) or "rows without an hour beside others"
            )
            raise UsageError(
                f"{path}: {name} has no whole day: {lacking}", "one row, or one for each hour from 0 to 23"
            )
    return {
        name: tuple(hours[hour] for hour in sorted(hours, key=lambda one: one or 0)) for name, hours in rows.items()
    }


def _add(rows: dict[str, dict[int | None, StatedIntensity]], row: dict[str, str], where: str, version: str) -> None:
    name = next((known for known in rows if known.lower() == row["region"].lower()), row["region"])
    if not name or _BETWEEN in name:
        raise UsageError(f"{where}: {name!r} cannot be the name of a region", f"a name without {_BETWEEN}")
    try:
        hour = int(row["hour"]) if row.get("hour") else None
        value = float(row["g_per_kwh"])
        low, high = float(row.get("low") or value), float(row.get("high") or value)
        year = int(row["year"]) if row.get("year") else None
    except ValueError as error:
        raise UsageError(f"{where}: {error}", "numbers with a decimal point, whole years and hours") from error
    if hour is not None and not 0 <= hour < _HOURS:
        raise UsageError(f"{where}: there is no hour {hour}", "hours are 0 to 23, in UTC")
    if hour in rows.get(name, {}):
        raise UsageError(
            f"{where}: the region {name!r} stands twice", "one row for each region, or for each of its hours"
        )
    if not low <= value <= high:
        raise UsageError(f"{where}: {value:g} is not between {low:g} and {high:g}", "low <= g_per_kwh <= high")
    _check(low, high, where)
    source = row.get("source") or f"table {version}"
    rows.setdefault(name, {})[hour] = StatedIntensity(value, low, high, source, year, version)


def _check(low: float, high: float, where: str) -> None:
    if not (low >= 0 and isfinite(high) and high <= _MOST):
        raise UsageError(f"{where}: {low:g} to {high:g} g/kWh cannot be", f"grams per kWh, 0 to {_MOST:g}")
