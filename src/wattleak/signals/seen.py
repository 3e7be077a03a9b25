"""Facts of a run, by process."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True, slots=True)
class Process:
    """Who noted facts: a process with an agent inside, or a probe outside of all of them."""

    name: str  # of its file; unlike a pid, never used twice
    pid: int | None  # None: a probe from outside
    parent: int | None = None  # the process that it was forked from, where the agent saw that
    python: str | None = None  # "3.11.7"
    started_by: int | None = None  # pid of the process that started this one as a program of its own
    rank: int | None = None  # of the WORLD that a launcher (torchrun, srun, mpirun) said it is part of
    world: int | None = None
    born_s: float | None = None  # on CLOCK_MONOTONIC: when its Python began


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that was noted. `values` are as the hook wrote them: ask through `number` and `text`."""

    kind: str
    process: Process
    time_s: float | None  # on CLOCK_MONOTONIC, as the samples of the recorder are; of the last line, if cumulative
    key: str | None  # None: an event; otherwise the last of its kind and key in its process
    values: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str) -> float | None:
        """A finite number, or None. True and False are no numbers."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return float(value)

    def text(self, name: str) -> str | None:
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    @property
    def line(self) -> int | None:
        """Of the user's own code, where the fact has one."""
        line = self.number("line")
        return None if line is None else int(line)

    def numbers(self, name: str) -> tuple[float, ...]:
        """The finite numbers of a list; empty where there is none."""
        value = self.values.get(name)
        if not isinstance(value, list):
            return ()
        return tuple(
            float(item)
            for item in value
            if isinstance(item, int | float) and not isinstance(item, bool) and math.isfinite(item)
        )


@dataclass(frozen=True, slots=True)
class Signals:
    """Everything that was noted in one run."""

    processes: tuple[Process, ...] = ()
    facts: tuple[Fact, ...] = ()  # by process, events and final states in the order in which they were last noted

    def of(self, kind: str) -> Iterator[Fact]:
        """The facts of one kind."""
        return (fact for fact in self.facts if fact.kind == kind)
