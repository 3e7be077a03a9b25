"""What a report says, before anybody decides how it looks: rows and lines of plain text.

Terminal, Markdown and page are three ways of setting the same story, so that they can never tell different ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.model import Unavailable, Verdict
    from wattleak.reports.observed import ObservedStory

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Line:
    """A labelled statement."""

    label: str
    text: str


@dataclass(frozen=True, slots=True)
class ComparisonRow:
    """One line of the table of a comparison."""

    label: str
    reference: str
    candidate: str
    change: str
    interval: str
    note: str
    primary: bool = False
    measured: bool = True


@dataclass(frozen=True, slots=True)
class PairStory:
    """One candidate against the reference."""

    reference: str
    candidate: str
    verdict: Verdict
    headline: str
    grade: str
    sentence: str
    level: str  # "95 %"
    rows: tuple[ComparisonRow, ...]
    quality: str
    quality_is_a_warning: bool
    remark: str | None  # what must be said about energy that was not measured
    lines: tuple[Line, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ComparisonStory:
    title: str
    identity: str
    facts: tuple[str, ...]  # "8 of 8 blocks", "seed 4187"
    incomplete: str | None
    variants: tuple[Line, ...]  # name and command, the reference first
    pairs: tuple[PairStory, ...]
    doubts: tuple[str, ...]
    lacking: tuple[Unavailable, ...]
    notes: tuple[str, ...]
    following: tuple[str, ...]  # what to type next
    exploratory: str | None = None  # in what the runs are not what was planned


@dataclass(frozen=True, slots=True)
class Amount:
    """A labelled number with what is known about it."""

    label: str
    value: str
    interval: str = ""
    note: str = ""
    measured: bool = True


@dataclass(frozen=True, slots=True)
class MeasurementStory:
    title: str
    identity: str
    facts: tuple[str, ...]  # "exit 0", "2026-11-21 09:00:00 UTC"
    incomplete: str | None
    costs: tuple[Amount, ...]
    machine: tuple[Amount, ...]  # energy of the whole machine, by channel
    own: tuple[Amount, ...]  # energy of the process tree
    carbon: Amount | None
    carbon_lines: tuple[Line, ...]  # how the emissions were made, and whether the energy matters
    remark: str | None
    quality: tuple[Amount, ...]
    spans: tuple[Amount, ...]
    steps: tuple[Amount, ...]
    lacking: tuple[Unavailable, ...]
    notes: tuple[str, ...]
    following: tuple[str, ...]
    observed: ObservedStory | None = None  # None: nothing was looked at, or nothing is to be said of it
    footprint: tuple[Amount, ...] = ()  # money, water, embodied emissions: what the user stated


def distinct(items: Iterable[_Item]) -> tuple[_Item, ...]:
    """Each item once, in the order of its first appearance."""
    return tuple(dict.fromkeys(items))
