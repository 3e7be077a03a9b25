"""Looks at a tree while it runs, rarely, and keeps what was seen: stretches of its threads, the state of its libraries.

The time between looks is a sixteenth of the time that has passed, from half a second to five, and never so short that
looking takes more than 0.2 % of a core: a tree of a thousand threads is looked at once a minute. The first looks may
take ten times that, or nothing were known of a program of seconds. Libraries are read when a process is a second old
and each time that its age has doubled.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from wattleak.environment.outside.libraries import read_libraries
from wattleak.environment.outside.loader import modules_of, read_interpreter, trace_imports
from wattleak.environment.outside.reading import read_limits, read_look
from wattleak.signals.outside.facts import FILE, libraries_record, stretch_record
from wattleak.signals.outside.stretches import stretches

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from wattleak.environment.outside.loader import Interpreter
    from wattleak.signals.outside.libraries import LoadedLibraries
    from wattleak.signals.outside.looks import Look
    from wattleak.signals.outside.stretches import Stretch

_SHORTEST_S, _LONGEST_S, _AT_MOST_S = 0.5, 5.0, 60.0
_MOST_OF_A_CORE = 0.002
_MOST_WHEN_ASKED = 0.02  # for who asks for so many looks, and
_FIRST = 8  # for so many looks at the beginning
_COSTS = 3  # looks of which the cheapest counts: a busy machine is charged to whoever has the CPU just then
_LIBRARIES_AGE_S = 1.0
_MOST_KEPT = 4096  # looks and stretches in memory: five hours at five seconds
_MOST_B = 16 << 20  # of the file: a recording of weeks must not fill the disk


class Observer:
    """One tree. `journal` is the folder that facts are noted in as they come; None keeps them in memory alone."""

    def __init__(self, pid: int, *, journal: Path | None = None, every_s: float | None = None) -> None:
        self._pid = pid
        self._every_s = every_s
        self._began_s = time.monotonic()
        self._limits = read_limits(pid)
        self._file = None if journal is None else journal / FILE
        self._written_b = 0
        self._read_at_s: dict[tuple[int, int], float] = {}  # age of a process at which its libraries are read next
        self._first_s: dict[tuple[int, int], float] = {}
        self.failure: str | None = None  # why nothing is looked at any more
        self.looks: deque[Look] = deque(maxlen=_MOST_KEPT)
        self.stretches: deque[Stretch] = deque(maxlen=_MOST_KEPT)
        self.libraries: dict[tuple[int, int], LoadedLibraries] = {}
        self.loader: list[dict[str, Any]] = []  # what `trace_loader` found
        self._interpreters: dict[tuple[int, int], Interpreter | None] = {}
        self._costs: deque[float] = deque(maxlen=_COSTS)
        self.next_s = self._began_s

    @property
    def wait_s(self) -> float | None:
        """Until the next look is due; None: there will be none."""
        return None if self.failure is not None else max(0.0, self.next_s - time.monotonic())

    def look(self) -> Look | None:
        """Look now. A tree that has ended gives a look without processes, which is not kept.

        Raises nothing: what goes wrong here must not end what is looked at. It is noted, and is the last look then.
        """
        try:
            return self._look()
        except Exception as error:  # noqa: BLE001 - see above
            self.failure = f"{type(error).__name__}: {error}"
            self._note({"k": "failure", "hook": "outside", "where": "observer", "error": self.failure})
            self.next_s = float("inf")
            return None

    def _look(self) -> Look:
        spent_s = time.thread_time()
        look = read_look(self._pid, self._limits)
        self._costs.append(time.thread_time() - spent_s)  # without libraries, which are read more and more rarely
        if look.processes and self.looks and look.processes[0].identity != self.looks[0].processes[0].identity:
            look = replace(look, processes=())  # another process has got the number
        if look.processes:
            if self.looks:
                for stretch in stretches((self.looks[-1], look)):
                    self.stretches.append(stretch)
                    if stretch.workers or stretch.periods:  # of rest there is nothing to judge afterwards
                        self._note(stretch_record(stretch))
            self.looks.append(look)
            self._read_libraries(look)
        elapsed_s = look.time_s - self._began_s
        usual_s = self._every_s or min(_LONGEST_S, max(_SHORTEST_S, elapsed_s / 16))
        is_generous = self._every_s is not None or len(self.looks) < _FIRST
        most = _MOST_WHEN_ASKED if is_generous else _MOST_OF_A_CORE
        self.next_s = time.monotonic() + max(usual_s, min(_AT_MOST_S, min(self._costs) / most))
        return look

    def trace_loader(self) -> None:
        """Import the frameworks of the tree once more, each in a Python of its own, and note what its loader did.

        Takes seconds. Only when the user asks for it.
        """
        done = set()
        for identity, libraries in self.libraries.items():
            python, modules = self._interpreters.get(identity), modules_of(libraries)
            if python is None or (python.path, modules) in done:
                continue
            done.add((python.path, modules))
            for record in trace_imports(python, modules):
                self.loader.append(record)
                self._note(record)

    def _read_libraries(self, look: Look) -> None:
        for process in look.processes:
            age_s = look.time_s - self._first_s.setdefault(process.identity, look.time_s)
            if age_s < self._read_at_s.get(process.identity, _LIBRARIES_AGE_S):
                continue
            self._read_at_s[process.identity] = 2 * max(age_s, _LIBRARIES_AGE_S)
            found = read_libraries(process)
            if found is not None and (found.mapped or found.devices):
                self.libraries[process.identity] = found
                if process.identity not in self._interpreters:
                    self._interpreters[process.identity] = read_interpreter(process.pid)
                if found.is_telling:
                    self._note(libraries_record(found))

    def _note(self, record: dict[str, Any]) -> None:
        if self._file is None or self._written_b >= _MOST_B:
            return
        line = json.dumps(record).encode() + b"\n"
        try:
            fd = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                self._written_b += os.write(fd, line)
            finally:
                os.close(fd)
        except OSError:
            self._written_b = _MOST_B  # no room: the recording goes on, and says elsewhere that the disk is full


def observer(pid: int, *, journal: Path | None = None, every_s: float | None = None) -> Observer | None:
    """An observer of a running process and all below it; None on a platform without Linux' /proc."""
    return Observer(pid, journal=journal, every_s=every_s) if sys.platform == "linux" else None
