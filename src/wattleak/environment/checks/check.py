"""What a check is, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from inspect import getdoc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from wattleak.environment.checks.host import Host


class State(StrEnum):
    """How it stands, from worst to best. What could not be looked at is `not_known`, never `ok`."""

    ERROR = "error"  # nothing that is measured here can be relied on, or nothing can be measured
    WARNING = "warning"  # results get noisier or wrong; a careful person mends it before an experiment
    INFO = "info"  # belongs beside a result; nothing is wrong
    NOT_KNOWN = "not_known"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check found, in words, and what to type."""

    state: State
    finding: str
    remedy: str = ""


def ok(finding: str) -> Outcome:
    return Outcome(State.OK, finding)


def info(finding: str, remedy: str = "") -> Outcome:
    return Outcome(State.INFO, finding, remedy)


def warning(finding: str, remedy: str) -> Outcome:
    return Outcome(State.WARNING, finding, remedy)


def error(finding: str, remedy: str) -> Outcome:
    return Outcome(State.ERROR, finding, remedy)


def not_known(finding: str, remedy: str = "") -> Outcome:
    return Outcome(State.NOT_KNOWN, finding, remedy)


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the machine. The docstring of `look` is the page that `wattleak explain NAME` prints."""

    name: str  # stable: scripts and suppressions rely on it
    test: str  # what is asked, in a few words
    look: Callable[[Host], Outcome]

    @property
    def page(self) -> str:
        return getdoc(self.look) or ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A row of the table."""

    name: str
    test: str
    state: State
    finding: str
    remedy: str
