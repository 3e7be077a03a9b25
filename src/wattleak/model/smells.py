"""Smells, and what a scan finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

from wattleak.model.numbers import Origin

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.model.numbers import Interval


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Confidence(IntEnum):
    LOW = 1
    MEDIUM = 2
    HIGH = 3


class Persona(StrEnum):
    """Who should see a finding."""

    DEFAULT = "default"
    AUDITOR = "auditor"  # who wants hypotheses and weak suspicions too


@dataclass(frozen=True, slots=True)
class Smell:
    """A way in which code wastes energy. `page` is the docstring of its smell.py."""

    code: str  # "PAR001", never reused
    name: str  # "unnecessary-parallelism": "allow <name>" reads well
    summary: str
    page: str
    folder: Path


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text between two positions (lines from 1, columns from 0, UTF-8 characters) by `text`.

    A rule gives the lines of its module; what a scan returns for a notebook are lines of the `cell`.
    """

    line: int
    column: int
    end_line: int
    end_column: int
    text: str
    cell: int | None = None  # of a notebook, from 1


@dataclass(frozen=True, slots=True)
class Fix:
    title: str
    safe: bool
    edits: tuple[Edit, ...]
    why_unsafe: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One place where a smell is suspected. Lines and columns from 1, as editors show them."""

    code: str
    name: str
    path: Path
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    severity: Severity
    confidence: Confidence
    fix: Fix | None = None
    cell: int | None = None  # of a notebook, from 1: then the lines are those of the cell
    persona: Persona = Persona.DEFAULT


class EvidenceLevel(StrEnum):
    """How much is known of a smell at a place."""

    SUSPECTED = "suspected"  # the code reads so
    SEEN = "seen"  # a counter showed it, in a run of this program
    MEASURED = "measured"  # an experiment with this program did


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a counter showed of a smell in one run: `value` is beyond `threshold`. Costs are so far, of this run."""

    code: str  # of the smell, "MOD001"
    path: str | None  # file of the user's own, absolute; None: the smell has no place in the code
    line: int | None
    counter: str  # "models built alike"
    value: float
    unit: str  # "", "B/step", "threads"
    threshold: float
    message: str
    function: str | None = None
    interval: Interval | None = None  # of `value`, where it is an estimate
    origin: Origin = Origin.COUNTER  # of `value`
    cost_s: float | None = None
    cost_b: float | None = None
    cost_j: float | None = None
    pid: int | None = None  # of the process that it was seen in
    level: EvidenceLevel = EvidenceLevel.SEEN
