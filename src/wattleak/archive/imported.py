"""What was read from files of other tools, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wattleak.model import Estimate


class RunOrder(StrEnum):
    """In which order the runs of several variants were made, as far as the files show."""

    SEQUENTIAL = "sequential"  # all of one variant, then all of the next
    MIXED = "mixed"  # they alternate; whether by chance nobody knows
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, with the variant that the user says it belongs to (`NAME=FILE`)."""

    path: Path
    variant: str | None = None


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """One run of one variant: a row of a table, a process of a benchmark, a power log. Values in SI units."""

    variant: str
    place: str  # "runs.csv:12"
    values: Mapping[str, float]  # metric -> value; what was not recorded is absent
    quality: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Archive:
    """Runs of several variants. They stand in the order in which they were made, as far as that is known."""

    format: str
    files: tuple[str, ...]
    runs: tuple[ImportedRun, ...]
    metrics: tuple[str, ...]  # the first one decides
    order_known_by: str | None  # "the rows of runs.csv"; None: the files do not tell
    excluded: tuple[str, ...] = ()  # what does not count, and why
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()  # weaknesses that come with the format

    @property
    def variants(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(run.variant for run in self.runs))

    def values(self, variant: str, metric: str) -> list[float]:
        """The metric of one variant in order; runs that do not have it are left out."""
        return [run.values[metric] for run in self.runs if run.variant == variant and metric in run.values]

    def quality(self, variant: str, figure: str) -> list[float]:
        return [run.quality[figure] for run in self.runs if run.variant == variant and figure in run.quality]


@dataclass(frozen=True, slots=True)
class PowerPoint:
    """One reading of one device: watts, or joules of a counter. None: the tool printed no number."""

    time_s: float
    value: float | None


@dataclass(frozen=True, slots=True)
class PowerSeries:
    """What one file says of one device."""

    device: str
    points: tuple[PowerPoint, ...]
    counter: bool  # joules since some start; else watts
    interval_j: bool = False  # each point holds the joules of the interval that it begins
    window: str = ""  # over what time the source averages its reading, in words
    relative_error: float = 0.1  # half-width of the 95 % range that the source itself leaves
    error_source: str = ""


@dataclass(frozen=True, slots=True)
class PowerLog:
    """Readings of one file, before they are integrated."""

    format: str
    source: Source
    series: tuple[PowerSeries, ...]
    start: str | None  # moment of time 0 as the file writes it; None: it has no clock
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceEnergy:
    """Joules of one device over the window that was asked for."""

    file: str
    variant: str | None
    device: str
    energy_j: Estimate
    start_s: float | None  # since the first reading of the file; None: the file has no clock
    end_s: float | None
    readings: int
    missing: int  # readings without a number
    gaps: tuple[tuple[float, float], ...]  # stretches without readings
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float | None:
        return None if self.start_s is None or self.end_s is None else self.end_s - self.start_s
