"""Carbon intensity hour by hour, and what a watt emits between two moments.

    grams(a, b) = watts x integral of g/kWh over [a, b] / 3.6e6 J/kWh

Hours repeat: 24 values are every day alike, 168 a week, 8760 a year. Hour 0 begins at time zero of the trace.
"""

from __future__ import annotations

import csv
from itertools import accumulate
from math import cos, isfinite, pi
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.intensity import intensity
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOUR_S = 3600.0
_J_PER_KWH = 3.6e6
_DAY = 24  # hours
_OWN_TABLE = "table:"  # footprint.own_figures
_COLUMNS = ("g_per_kwh", "intensity", "carbon_intensity")


class Profile:
    """Hourly carbon intensity that repeats."""

    __slots__ = ("_before", "_cycle", "_hours", "_rate", "g_per_kwh", "is_flat", "origin", "source", "spread", "table")

    def __init__(
        self,
        g_per_kwh: Sequence[float],
        source: str,
        origin: Origin,
        spread: tuple[float, float] | None = None,
        table: str = "",
    ) -> None:
        """`source` says where the values are from, `origin` how they came to be.

        `spread`: 95 % range of one hour as parts of its value, where it is known. `table`: its version.
        Raises UsageError for no values, or for values that are no g/kWh.
        """
        values = tuple(float(value) for value in g_per_kwh)
        if not values or not all(isfinite(value) and value >= 0 for value in values):
            raise UsageError(
                f"the carbon intensity of {source} has no hours, or hours that are no g/kWh",
                "give one number of 0 or more for each hour: 24 of them are a day that repeats",
            )
        self.g_per_kwh = values
        self.source = source
        self.origin = origin
        self.spread = spread
        self.table = table
        self._hours = len(values)
        self._rate = tuple(value / _J_PER_KWH for value in values)  # g per joule
        self._before = tuple(accumulate((rate * HOUR_S for rate in self._rate), initial=0.0))
        self._cycle = self._before[-1]
        self.is_flat = min(values) == max(values)  # no hour is greener: shifting in time cannot save anything

    @property
    def mean(self) -> float:
        return sum(self.g_per_kwh) / self._hours

    def emitted(self, time_s: float) -> float:
        """Grams that one watt has caused from time zero until `time_s`."""
        hour = int(time_s / HOUR_S)
        index = hour % self._hours
        before = hour // self._hours * self._cycle + self._before[index]
        return before + (time_s - hour * HOUR_S) * self._rate[index]

    def grams_per_joule(self, start_s: float, end_s: float) -> float:
        """Mean over a stretch of time; at the moment itself where it has no length."""
        if self.is_flat or end_s - start_s <= 1e-6:
            return self._rate[int(start_s // HOUR_S) % self._hours]
        return (self.emitted(end_s) - self.emitted(start_s)) / (end_s - start_s)

    def rate_in_hour(self, hour: int) -> float:
        """Grams per joule in that hour since time zero."""
        return self._rate[hour % self._hours]


def profile_of_region(region: str | None, swing: float = 0.0, greenest_hour: float = 13.0) -> Profile:
    """The average of a shipped table, with a daily cosine around it if a swing is given; or a user's own table.

    `swing` 0.3 lets the hours move between 0.7 and 1.3 times the average, lowest at `greenest_hour` (UTC). The shape is
    the user's assumption: no table that is shipped has hours. `table:FILE::REGION` has hours if the file has them.
    Raises UsageError for an unknown region, a swing outside 0 to 1, or one on top of hours.
    """
    if not 0.0 <= swing <= 1.0:
        raise UsageError(f"swing {swing} cannot be", "it is the part by which hours differ from the average: 0 to 1")
    grid = intensity(region)
    year = "" if grid.year is None else f", {grid.year}"
    source = f"{grid.region}: {grid.source}{year}, average {grid.value:g} g/kWh"
    spread = (grid.low / grid.value, grid.high / grid.value) if grid.value else None
    stated = (
        [intensity(region, (hour * HOUR_S, (hour + 1) * HOUR_S)).value for hour in range(_DAY)]
        if (region is not None and region.startswith(_OWN_TABLE))
        else []
    )
    if len(set(stated)) > 1:
        if swing:
            raise UsageError(f"{region} has hours of its own", "leave out swing")
        return Profile(stated, f"{source}, by hour of the day", Origin.QUOTED, table=grid.table)
    if swing == 0.0:
        return Profile((grid.value,), f"{source}, every hour alike", Origin.QUOTED, spread, grid.table)
    values = [grid.value * (1.0 - swing * cos(2 * pi * (hour + 0.5 - greenest_hour) / _DAY)) for hour in range(_DAY)]
    shape = f"assumed daily cosine of ±{swing:.0%}, lowest at {greenest_hour:g}:00 UTC"
    return Profile(values, f"{source}; {shape}", Origin.MODELLED, spread, grid.table)


def profile_of_file(path: Path) -> Profile:
    """Values of a CSV file: a column g_per_kwh (or intensity, carbon_intensity), or one number a line, in order.

    Raises UsageError with the line that cannot be read.
    """
    try:
        lines = [row for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines()) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the carbon intensities in {path}: {error}", "check the path") from error
    column, first = 0, 0
    head = [cell.strip().lower() for cell in lines[0]] if lines else []
    named = next((name for name in _COLUMNS if name in head), None)
    if named is not None:
        column, first = head.index(named), 1
    elif len(head) > 1:
        raise UsageError(f"{path} has no column of carbon intensity", f"name one of its columns {_COLUMNS[0]}")
    values = []
    for number, row in enumerate(lines[first:], first + 1):
        try:
            values.append(float(row[column]))
        except (IndexError, ValueError) as error:
            raise UsageError(
                f"{path}, row {number}: no carbon intensity in {','.join(row)!r}", "one number of g/kWh for each hour"
            ) from error
    return Profile(values, f"{path.name} ({len(values)} hours)", Origin.QUOTED)
