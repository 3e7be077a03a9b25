"""Where the program asked for its threads: what the agent noted of set_num_threads and of variables it set itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from wattleak.signals import Signals

THREADS, VARIABLE = "threads", "environment"  # kinds of facts


class Place(NamedTuple):
    """A line that asks for threads."""

    path: str
    line: int
    function: str | None
    setter: str
    number: int


def asked_for(signals: Signals, pids: Collection[int], cpus: float) -> Place | None:
    """The line that asked for the most threads, and for more than there are CPUs, in one of these processes.

    A forked process has the pools that its parent asked for.
    """
    found: list[Place] = []
    wanted = _with_parents(signals, pids)
    for kind in (THREADS, VARIABLE):
        for fact in signals.of(kind):
            if fact.process.pid not in wanted:
                continue
            name, path, line = fact.text("name"), fact.text("file"), fact.number("line")
            number = fact.number("number") if kind == THREADS else _number(fact.text("now"))
            if name is None or path is None or line is None or number is None or number <= cpus:
                continue
            if kind == THREADS or name.endswith("_THREADS"):
                found.append(Place(path, int(line), fact.text("function"), name, int(number)))
    return max(found, key=lambda place: place.number, default=None)


def _with_parents(signals: Signals, pids: Collection[int]) -> set[int]:
    parents = {process.pid: process.parent for process in signals.processes}
    found: set[int] = set()
    for pid in pids:
        at: int | None = pid
        while at is not None and at not in found:
            found.add(at)
            at = parents.get(at)
    return found


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdigit() else None
