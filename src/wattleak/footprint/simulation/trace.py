"""Jobs of a trace, read line by line: CSV with a head, or JSON lines with the same names.

    arrival_s   seconds since midnight UTC of the first day; or ISO 8601 (without offset: UTC); or, from 1e9 on,
                seconds since 1970
    length_s    seconds of work
    cores       default 1
    power_w     watts above the node's idle power; or energy_j, joules of the whole job; default: the cores' part
    deadline_s  as arrival_s; or slack_s, seconds that it may wait; default: none
    place       name of the place where it arrives; default: the first

Jobs stand in the order of their arrival, so that no trace has to fit into memory. Other columns are left alone.
"""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from itertools import chain
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError
from wattleak.footprint.simulation.jobs import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

    from wattleak.footprint.simulation.place import Site

_AT_ONCE = 4096
_DAY_S = 86_400.0
_EPOCH_S = 1e9  # 31 years: no trace is as long, so it counts from 1970


def read_trace(stream: TextIO, name: str, sites: Sequence[Site]) -> Iterator[list[Job]]:
    """The jobs of a trace, some thousands at a time. Raises UsageError that names the line that cannot be."""
    reader = _Reader(name, sites)
    rows = _rows(stream, name)
    jobs: list[Job] = []
    try:
        for line, row in rows:
            jobs.append(reader.job(line, row))
            if len(jobs) >= _AT_ONCE:
                yield jobs
                jobs = []
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not text in UTF-8: {error}", "write the trace as CSV or JSON lines") from error
    if not reader.is_begun:
        raise UsageError(f"{name} has no jobs", "one line for each job: see docs/how-to/simulate-a-fleet.md")
    if jobs:
        yield jobs


def _rows(stream: TextIO, name: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line numbers and named values. What the first character says decides between JSON lines and CSV."""
    first = stream.readline()
    lines: Iterable[str] = chain((first,), stream)
    if first.lstrip().startswith("{"):
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{name}, line {number}: not JSON: {error}", "one object a line") from error
            if not isinstance(row, dict):
                raise UsageError(f"{name}, line {number}: not a JSON object", 'write {"arrival_s": 0, "length_s": 60}')
            yield number, row
        return
    table = csv.reader(lines)
    head = [cell.strip().lstrip("\ufeff") for cell in next(table, [])]
    lacking = [column for column in ("arrival_s", "length_s") if column not in head]
    if lacking:
        raise UsageError(
            f"{name} has no column {' and no column '.join(lacking)}",
            "the first line of a CSV trace names its columns: arrival_s,length_s,cores,power_w,slack_s,place",
        )
    for cells in table:
        if cells:
            if len(cells) > len(head):
                raise UsageError(f"{name}, line {table.line_num}: more cells than columns", "check the commas")
            yield table.line_num, dict(zip(head, cells, strict=False))


class _Reader:
    """Turns rows into jobs; remembers the last arrival and where time zero lies."""

    def __init__(self, name: str, sites: Sequence[Site]) -> None:
        self._name, self._sites = name, sites
        self._homes = {site.name: index for index, site in enumerate(sites)}
        self._last = 0.0
        self._zero: float | None = None  # epoch seconds of time zero, where times are dates
        self.is_begun = False

    def job(self, line: int, row: Mapping[str, Any]) -> Job:
        arrival = self._time(line, row, "arrival_s")
        if arrival is None:
            raise self._error(line, "no arrival_s", "each job needs one")
        length = self._number(line, row, "length_s")
        if length is None or length <= 0:
            raise self._error(line, "no length_s above 0", "each job needs seconds of work")
        if arrival < 0:
            raise self._error(line, f"arrival_s {arrival:g} lies before time zero", "count from 0 upwards")
        if arrival < self._last:
            raise self._error(line, "this job arrived before the one above it", "sort the trace by arrival")
        self._last, self.is_begun = arrival, True
        home = self._home(line, row)
        nodes = self._sites[home].nodes
        cores = self._cores(line, row, nodes.cores)
        watts, joules = self._number(line, row, "power_w"), self._number(line, row, "energy_j")
        if watts is None:
            watts = cores * nodes.core_w if joules is None else joules / length
        elif joules is not None:
            raise self._error(line, "both power_w and energy_j", "give one of them")
        if watts < 0:
            raise self._error(line, "a negative power", "watts above the idle power of the node: 0 or more")
        return Job(arrival, length, cores, watts, self._deadline(line, row, arrival, length), home)

    def _deadline(self, line: int, row: Mapping[str, Any], arrival: float, length: float) -> float:
        slack, deadline = self._number(line, row, "slack_s"), self._time(line, row, "deadline_s")
        if slack is not None and deadline is not None:
            raise self._error(line, "both slack_s and deadline_s", "give one of them")
        if slack is not None:
            if slack < 0:
                raise self._error(line, "a negative slack_s", "seconds that the job may wait: 0 or more")
            return arrival + slack + length
        return inf if deadline is None else deadline

    def _cores(self, line: int, row: Mapping[str, Any], most: int) -> int:
        cores = self._number(line, row, "cores")
        if cores is None:
            return 1
        if cores != int(cores) or not 1 <= cores <= most:
            raise self._error(line, f"{cores:g} cores", f"a job runs on one node: 1 to {most} cores there")
        return int(cores)

    def _home(self, line: int, row: Mapping[str, Any]) -> int:
        name = row.get("place")
        if name is None or name == "":
            return 0
        if name not in self._homes:
            raise self._error(line, f"no place is called {name!r}", f"places are {', '.join(self._homes)}")
        return self._homes[name]

    def _time(self, line: int, row: Mapping[str, Any], column: str) -> float | None:
        value = row.get(column)
        if isinstance(value, str) and ("-" in value[1:5] or ":" in value) and "e-" not in value:
            try:
                moment = datetime.fromisoformat(value.strip())
            except ValueError as error:
                raise self._error(line, f"{column} {value!r} is no time", "seconds, or as 2026-03-01T08:30Z") from error
            return self._since_zero((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        number = self._number(line, row, column)
        return number if number is None or number < _EPOCH_S else self._since_zero(number)

    def _since_zero(self, epoch_s: float) -> float:
        if self._zero is None:
            self._zero = epoch_s // _DAY_S * _DAY_S
        return epoch_s - self._zero

    def _number(self, line: int, row: Mapping[str, Any], column: str) -> float | None:
        value = row.get(column)
        if value is None or value == "":
            return None
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = inf
        if not isfinite(number) or isinstance(value, bool):
            raise self._error(line, f"{column} {value!r} is no number", "seconds, watts and joules are plain numbers")
        return number

    def _error(self, line: int, what: str, remedy: str) -> UsageError:
        return UsageError(f"{self._name}, line {line}: {what}", remedy)
