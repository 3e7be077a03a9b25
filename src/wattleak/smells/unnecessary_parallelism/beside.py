"""Jobs that joblib runs side by side, and the pools of threads inside them: what the agent noted of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from wattleak.signals import Signals

JOBS, POOLS = "jobs", "pools"  # kinds of facts
_THREADS = "threading"
_SAID = {"openmp": "OpenMP", "blas": "the BLAS"}


class Jobs(NamedTuple):
    """A line under which jobs ran side by side."""

    path: str
    line: int
    function: str | None
    number: int
    backend: str  # "loky": processes; "threading": threads of one process
    pids: frozenset[int]  # of the processes that were started for them


def jobs_around(signals: Signals, pids: Collection[int]) -> Jobs | None:
    """The most jobs that were asked for by what started these processes, or as threads in one of them."""
    starters = {process.pid: process.parent or process.started_by for process in signals.processes}
    found: list[Jobs] = []
    for fact in signals.of(JOBS):
        path, line, number, asker = fact.text("file"), fact.line, fact.number("number"), fact.process.pid
        if path is None or line is None or number is None or number <= 1 or asker is None:
            continue
        backend = fact.text("backend") or "of an unknown kind"
        if any(asker == (pid if backend == _THREADS else starters.get(pid)) for pid in pids):
            started = frozenset(pid for pid, starter in starters.items() if pid is not None and starter == asker)
            found.append(Jobs(path, line, fact.text("function"), int(number), backend, started))
    return max(found, key=lambda jobs: (jobs.backend != _THREADS, jobs.number), default=None)


def threads_inside(signals: Signals, jobs: Jobs) -> tuple[int, str] | None:
    """The threads of the largest pool in a process of the jobs, and whose pool it is; None: it is not known.

    The process that asked tells nothing of those that it started: joblib cuts their pools down.
    """
    if jobs.backend == _THREADS:
        return None
    inside = [
        (int(threads), _SAID.get(kind, kind))
        for fact in signals.of(POOLS)
        if fact.process.pid in jobs.pids and fact.values.get("job")
        if (threads := fact.number("threads")) is not None and (kind := fact.text("kind")) is not None
    ]
    return max(inside, default=None)
