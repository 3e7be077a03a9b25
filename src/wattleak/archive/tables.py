"""Tables of runs, one run a row: CSV with named columns, CodeCarbon's emissions.csv, experiment-runner's run table.

Sources: CodeCarbon documentation, "Output" (energies in kWh, emissions in kg, duration in s; one row for each run, and
with `flush()` one for each flush, cumulative under one run_id); S2-group/experiment-runner, run_table.csv (columns
`__run_id` and `__done`, DONE once a run has ended, then factors and data columns in the order in which it ran).
"""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattleak.analysis.quality import default_target
from wattleak.archive.imported import Archive, ImportedRun
from wattleak.archive.text import nearest
from wattleak.archive.units import Unit, metric_name, split_column, unit_asked, unit_named
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from wattleak.archive.imported import Source

ABSENT = frozenset({"", "na", "n/a", "[n/a]", "nan", "null", "none", "-", "[not supported]", "[unknown error]", "err!"})
"""What tools write where they have no number; compared in lower case. Never read as zero."""

_MOST_ROWS = 100_000
_NUMBER = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµ%]*)$")
_CODECARBON = {  # metric -> (column, unit), the one that decides first
    "energy_j": ("energy_consumed", "kWh"),
    "duration_s": ("duration", "s"),
    "cpu_energy_j": ("cpu_energy", "kWh"),
    "gpu_energy_j": ("gpu_energy", "kWh"),
    "ram_energy_j": ("ram_energy", "kWh"),
    "carbon_g": ("emissions", "kg"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A metric that is asked for: `NAME=COLUMN[:UNIT]`."""

    metric: str
    column: str
    unit: Unit | None


@dataclass(frozen=True, slots=True)
class TableOptions:
    """How to read the columns of a table."""

    variant_column: str | None = None
    order_column: str | None = None
    metrics: tuple[str, ...] = ()  # as typed
    quality: str | None = None  # name of the column


@dataclass(frozen=True, slots=True)
class _Row:
    cells: Mapping[str, str]
    place: str
    variant: str | None  # said by the user, for the whole file


@dataclass(frozen=True, slots=True)
class _Table:
    header: tuple[str, ...]
    rows: tuple[_Row, ...]


def header_of(text: str) -> list[str]:
    """The names of the columns in the first line that is no comment."""
    first = next((line for line in io.StringIO(text) if line.strip() and not line.startswith("#")), "")
    return [name.strip() for name in next(_lines(first), [])]


def read_csv(files: Sequence[tuple[Source, str]], options: TableOptions) -> Archive:
    """Runs of a table whose columns are named by the user, or recognised by the unit that ends their names."""
    table = _table(files)
    variant = _variant_column(table, options, "variant")
    return _archive("csv", files, table, options, variant, [])


def read_experiment_runner(files: Sequence[tuple[Source, str]], options: TableOptions) -> Archive:
    """A run table of experiment-runner; rows that are not DONE do not count."""
    table = _table(files)
    done = tuple(row for row in table.rows if row.cells["__done"].upper() == "DONE")
    excluded = [
        f"{row.place}: {row.cells['__run_id']} is {row.cells['__done'] or 'not begun'}"
        for row in table.rows
        if row not in done
    ]
    kept = _Table(tuple(name for name in table.header if not name.startswith("__")), done)
    if not done:
        raise UsageError("no run of the table is DONE", "let the experiment finish")
    variant = _variant_column(kept, options, None)
    return _archive("experiment-runner", files, kept, options, variant, excluded)


def read_codecarbon(files: Sequence[tuple[Source, str]], options: TableOptions) -> Archive:
    """CodeCarbon's emissions.csv: one variant for each project_name, unless another column is named."""
    table = _table(files)
    last: dict[tuple[str, str], _Row] = {}
    for row in table.rows:
        last[row.place.rpartition(":")[0], row.cells["run_id"]] = row
    notes = []
    if len(last) < len(table.rows):
        notes.append(f"{len(table.rows) - len(last)} rows are earlier states of a run_id: the last row of each counts")
    kept = _Table(table.header, tuple(last.values()))
    asked = options
    if not options.metrics:
        named = [f"{name}={column}:{unit}" for name, (column, unit) in _CODECARBON.items() if column in table.header]
        asked = TableOptions(options.variant_column, options.order_column, tuple(named), options.quality)
    if asked.order_column is None and "timestamp" in table.header:
        asked = TableOptions(asked.variant_column, "timestamp", asked.metrics, asked.quality)
    archive = _archive(
        "codecarbon", files, kept, asked, _variant_column(kept, asked, "project_name"), [], skip_zero=True
    )
    doubts = []
    places = {(row.cells.get("country_iso_code", ""), row.cells.get("region", "")) for row in kept.rows}
    if len(places) > 1:
        doubts.append("the runs were not all in one country or region: their CO2 differs by the grid, not by the work")
    if any(row.cells.get("tracking_mode") == "machine" for row in kept.rows):
        notes.append("CodeCarbon tracked the whole machine: everything else that ran is in its energy")
    return Archive(
        archive.format,
        archive.files,
        archive.runs,
        archive.metrics,
        archive.order_known_by,
        archive.excluded,
        (*archive.notes, *notes),
        tuple(doubts),
    )


def parse_number(text: str, where: str) -> tuple[float | None, str]:
    """A cell's number and the unit that is written behind it; None where the tool had none.

    Raises:
        UsageError: something else stands there; `where` says it.
    """
    plain = text.strip()
    if plain.lower() in ABSENT:
        return None, ""
    match = _NUMBER.match(plain)
    if match is None:
        remedy = "write decimals with a point" if re.fullmatch(r"[+-]?\d+,\d+", plain) else "leave it empty or NA"
        raise UsageError(f"{where}: {plain[:40]!r} is no number", remedy)
    number = float(match[1])
    if not math.isfinite(number):
        raise UsageError(f"{where}: {plain[:40]!r} is no finite number", "leave it empty or NA")
    return number, match[2]


# -- inside ----------------------------------------------------------------------------------------------------------


def _lines(text: str) -> Iterator[list[str]]:
    body = io.StringIO("\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#")))
    first = body.readline()
    delimiter = max(",;\t", key=first.count)
    body.seek(0)
    try:
        yield from csv.reader(body, delimiter=delimiter, strict=True)
    except csv.Error as error:
        raise UsageError(f"the table breaks off: {error}", "check the quotes in it") from error


def _table(files: Sequence[tuple[Source, str]]) -> _Table:
    header: tuple[str, ...] = ()
    rows: list[_Row] = []
    for source, text in files:
        name = source.path.name
        own, *body = ([cell.strip() for cell in line] for line in _lines(text))
        if len(set(own)) < len(own) or not all(own):
            twice = sorted({column for column in own if own.count(column) > 1}) or ["(no name)"]
            raise UsageError(f"{name}: two columns are called {twice[0]}", "give every column a name of its own")
        if header and set(own) != set(header):
            odd = sorted(set(own) ^ set(header))
            raise UsageError(f"{name} has other columns than the first file: {', '.join(odd[:5])}", "import it apart")
        header = header or tuple(own)
        for number, line in enumerate(body, start=2):
            if len(line) != len(own):
                raise UsageError(
                    f"{name}: row {number} has {len(line)} cells, the header {len(own)}",
                    "check the file; a decimal comma splits a number in two",
                )
            rows.append(_Row(dict(zip(own, line, strict=True)), f"{name}:{number}", source.variant))
        if len(rows) > _MOST_ROWS:
            raise UsageError(
                f"{name} has more than {_MOST_ROWS:,} rows: that is no table of runs",
                "one row a run: sum or average the samples of each run first",
            )
    if not rows:
        raise UsageError("the table has a header and no rows", "give a file with runs in it")
    return _Table(header, tuple(rows))


def _variant_column(table: _Table, options: TableOptions, usual: str | None) -> str | None:
    """The column that says which variant a row belongs to; None when the user said it for every file."""
    if options.variant_column is not None:
        return _existing(options.variant_column, table.header, "--variant-column")
    if all(row.variant is not None for row in table.rows):
        return None
    if usual is not None and usual in table.header:
        return usual
    words = [name for name in table.header if _is_text(table, name)]
    if usual is None and len(words) == 1:
        return words[0]
    raise UsageError(
        "which column says the variant of a row?", "--variant-column NAME; there are " + ", ".join(table.header[:20])
    )


def _is_text(table: _Table, column: str) -> bool:
    cells = {row.cells[column] for row in table.rows}
    return any(cell.lower() not in ABSENT and _NUMBER.match(cell) is None for cell in cells)


def _has_no_number(table: _Table, column: str) -> bool:
    """Whether words stand in every row; one word among numbers is an error, to be told when it is read."""
    cells = {row.cells[column] for row in table.rows if row.cells[column].lower() not in ABSENT}
    return bool(cells) and not any(_NUMBER.match(cell) for cell in cells)


def _existing(column: str, header: Sequence[str], option: str) -> str:
    if column not in header:
        raise UsageError(f"{option}: there is no column {column!r}", nearest(column, header))
    return column


def _columns(table: _Table, options: TableOptions, taken: set[str | None]) -> tuple[list[Column], list[str]]:
    """The metrics to compare, and what to say of how they were found."""
    if options.metrics:
        return [_asked(text, table) for text in options.metrics], []
    found = []
    for name in table.header:
        plain, unit = split_column(name)
        if name in taken or unit is None or _has_no_number(table, name):
            continue
        found.append(Column(metric_name(plain, unit), name, unit))
    found.sort(key=lambda column: "jsbgw".index(column.unit.ending if column.unit else "w"))
    if not found:
        numbers = [name for name in table.header if name not in taken and not _is_text(table, name)]
        raise UsageError(
            "no column ends in a unit: which one is to be compared?",
            f"--metric energy={(numbers or ['COLUMN'])[0]}:kWh; there are " + ", ".join(numbers[:20]),
        )
    said = ", ".join(f"{c.column} ({c.unit.symbol})" for c in found if c.unit)
    return found, [f"columns taken by the unit that ends their names: {said}; --metric names others"]


def _asked(text: str, table: _Table) -> Column:
    name, equals, rest = text.partition("=")
    if not equals or not name.strip() or not rest.strip():
        raise UsageError(
            f"cannot read --metric {text!r}", "write NAME=COLUMN or NAME=COLUMN:UNIT: energy=train_kwh:kWh"
        )
    column, unit = rest.strip(), None
    if column not in table.header and ":" in column:
        column, _, symbol = column.rpartition(":")
        unit = unit_asked(symbol)
    _existing(column, table.header, "--metric")
    if unit is None:
        unit = split_column(column)[1]
    return Column(metric_name(name, unit), column, unit)


def _archive(
    kind: str,
    files: Sequence[tuple[Source, str]],
    table: _Table,
    options: TableOptions,
    variant_column: str | None,
    excluded: Sequence[str],
    *,
    skip_zero: bool = False,
) -> Archive:
    quality = _quality_columns(table, options)
    order = None if options.order_column is None else _existing(options.order_column, table.header, "--order-column")
    columns, notes = _columns(table, options, {variant_column, order, *quality})
    runs = []
    symbols: dict[str, str] = {}
    for row in _in_order(table, order):
        variant = row.cells[variant_column] if variant_column is not None else row.variant
        if not variant:
            raise UsageError(f"{row.place}: no variant stands in {variant_column}", "name the variant of every row")
        values = {c.metric: v for c in columns if (v := _value(row, c, symbols)) is not None}
        figures = {
            q: v for q in quality if (v := parse_number(row.cells[q], f"{row.place}, column {q}")[0]) is not None
        }
        runs.append(ImportedRun(variant, row.place, values, figures))
    kept = []
    for column in columns:
        known = [run.values[column.metric] for run in runs if column.metric in run.values]
        if not known:
            notes.append(f"{column.column} has no number in any row: left out")
        elif skip_zero and not any(known):
            notes.append(f"{column.column} is zero in every row: nothing was measured there, left out")
        else:
            kept.append(column.metric)
    if not kept:
        raise UsageError("no column that was asked for has a number in it", "name others: --metric NAME=COLUMN:UNIT")
    if len(set(kept)) < len(kept):
        twice = next(name for name in kept if kept.count(name) > 1)
        raise UsageError(f"two columns would be the metric {twice}", "name them apart: --metric NAME=COLUMN:UNIT")
    rows = "the order of the rows" if order is None else f"column {order}"
    seen: dict[tuple[str, ...], str] = {}
    for row in table.rows:
        cells = tuple(row.cells.values())
        if cells in seen:
            notes.append(f"{row.place} repeats {seen[cells]} in every cell: perhaps one run, counted twice")
        seen.setdefault(cells, row.place)
    return Archive(
        kind, tuple(str(s.path) for s, _ in files), tuple(runs), tuple(kept), rows, tuple(excluded), tuple(notes)
    )


def _quality_columns(table: _Table, options: TableOptions) -> tuple[str, ...]:
    if options.quality is not None:
        return (_existing(options.quality, table.header, "--quality"),)
    target = default_target(name for name in table.header if not _is_text(table, name))
    return () if target is None else (target.metric,)


def _value(row: _Row, column: Column, symbols: dict[str, str]) -> float | None:
    where = f"{row.place}, column {column.column}"
    number, written = parse_number(row.cells[column.column], where)
    if number is None:
        return None
    before = symbols.setdefault(column.column, written)
    if written != before:
        raise UsageError(
            f"{where}: the unit is {written or 'not written'}, above it is {before or 'not written'}",
            "write one unit in the whole column",
        )
    unit = column.unit
    if written:
        own = unit_named(written)
        if unit is not None and own is not None and own != unit:
            raise UsageError(f"{where} is in {written}, and {unit.symbol} was said", "leave the unit out of --metric")
        unit = own or unit
    return number * unit.size if unit is not None else number


def _in_order(table: _Table, order: str | None) -> list[_Row]:
    if order is None:
        return list(table.rows)
    return sorted(table.rows, key=lambda row: moment_s(row.cells[order], f"{row.place}, column {order}"))


def moment_s(text: str, where: str) -> float:
    """A number, or a moment as tools write it, as something that sorts as time does; seconds where it is a moment.

    Raises:
        UsageError: it is neither.
    """
    plain = text.strip()
    if _NUMBER.match(plain):
        return float(_NUMBER.match(plain)[1])  # type: ignore[index]
    try:
        found = datetime.fromisoformat(plain.replace("/", "-"))
    except ValueError:
        raise UsageError(f"{where}: {plain[:40]!r} is no number and no moment", "write 2026-11-21 09:00:00") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def is_experiment_runner(header: Sequence[str]) -> bool:
    return {"__run_id", "__done"} <= set(header)


def is_codecarbon(header: Sequence[str]) -> bool:
    return {"run_id", "emissions", "energy_consumed"} <= set(header)


def is_table(path: Path, header: Sequence[str]) -> bool:
    return len(header) > 1 or path.suffix.lower() == ".csv"
