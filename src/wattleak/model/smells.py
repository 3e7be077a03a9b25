"""Smells, and what a scan finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


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
