"""A table of devices that somebody states: watts and throughput, or joules per sample, with the source of each.

CSV with a header, or TOML with a [[device]] for each:

    device,power_w,samples_per_s,source
    NVIDIA T4,70,1250,"MLPerf Inference v4.1, closed"

Of `power_w` and `energy_per_sample_j` there is one; `power_low_w` and `power_high_w` are its 95 % range. Also known:
`accuracy`, `auc`, `utilisation` (fractions of 1) and `job`. Every figure is `quoted`: a source is asked for.
"""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattleak.archive.tables import ABSENT, parse_number
from wattleak.archive.text import nearest, read_text
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_POSITIVE = ("power_w", "power_low_w", "power_high_w", "energy_per_sample_j", "samples_per_s")
_SHARES = ("accuracy", "auc", "utilisation")
_WORDS = ("device", "source", "job")
COLUMNS = (*_WORDS, *_POSITIVE, *_SHARES)
_EXAMPLE = "device,power_w,samples_per_s,source"
_TABLE = "a [[device]] with device, power_w, samples_per_s, source"


@dataclass(frozen=True, slots=True)
class StatedDevice:
    """A row: figures that are not stated are absent."""

    device: str
    source: str  # as the row says
    place: str  # "t4.csv:2"
    job: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


def read_device_table(path: Path) -> tuple[StatedDevice, ...]:
    """Every row of the table.

    Raises:
        UsageError: no such file, no table of devices, a column that is not known, or a figure that cannot be.
    """
    text = read_text(path)
    rows = list(_toml(path, text) if path.suffix.lower() == ".toml" else _csv(path, text))
    if not rows:
        raise UsageError(f"{path} has no row", f"a line for each device, under {_EXAMPLE}")
    return tuple(_device(place, row) for place, row in rows)


def _csv(path: Path, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    if not lines:
        return
    reader = csv.reader([line for _, line in lines], strict=True)
    try:
        header = [name.strip() for name in next(reader)]
        for (number, _), cells in zip(lines[1:], reader, strict=True):
            if len(cells) != len(header):
                raise UsageError(
                    f"{path.name}:{number} has {len(cells)} cells, and the header {len(header)}",
                    "put a text with commas in it into quotes",
                )
            yield f"{path.name}:{number}", {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    except (csv.Error, ValueError) as error:
        raise UsageError(f"{path} is no CSV table: {error}", f"begin with {_EXAMPLE}") from error


def _toml(path: Path, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no TOML: {error}", _TABLE) from error
    tables = document.get("device")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise UsageError(f"{path} has no [[device]]", _TABLE)
    for number, table in enumerate(tables, 1):
        yield f"{path.name}, device {number}", {name: str(value) for name, value in table.items()}


def _device(place: str, row: Mapping[str, str]) -> StatedDevice:
    for name in row:
        if name not in COLUMNS:
            raise UsageError(f"{place}: there is no column {name!r} in a table of devices", nearest(name, COLUMNS))
    for name in ("device", "source"):
        if row.get(name, "").lower() in ABSENT:
            raise UsageError(f"{place} does not state its {name}", "a figure without its source cannot be shown")
    figures = {}
    for name in (*_POSITIVE, *_SHARES):
        value, unit = parse_number(row.get(name, ""), f"{place}, {name}")
        if value is None:
            continue
        if unit or value <= 0 or (name in _SHARES and value > 1):
            expected = "a fraction from 0 to 1" if name in _SHARES else "a number above zero, without a unit"
            raise UsageError(
                f"{place}: {name} is {row[name]!r}, and not {expected}", "leave it empty where none is known"
            )
        figures[name] = value
    _check(place, figures)
    return StatedDevice(row["device"], row["source"], place, row.get("job", ""), figures)


def _check(place: str, figures: Mapping[str, float]) -> None:
    if ("power_w" in figures) == ("energy_per_sample_j" in figures):
        raise UsageError(f"{place} states both or neither of power_w and energy_per_sample_j", "state one of them")
    if "power_w" in figures and "samples_per_s" not in figures:
        raise UsageError(f"{place}: watts without samples_per_s say nothing of a sample", "state samples_per_s")
    if ("power_low_w" in figures) != ("power_high_w" in figures):
        raise UsageError(f"{place} states one end of the range of its watts", "state power_low_w and power_high_w")
    if "power_low_w" in figures and not (
        figures["power_low_w"] <= figures.get("power_w", 0.0) <= figures["power_high_w"]
    ):
        raise UsageError(f"{place}: its watts do not lie in their range", "power_low_w <= power_w <= power_high_w")
