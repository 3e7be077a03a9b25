"""What threads did between two looks: differences of the kernel's counters. Pure.

`runnable` is the key figure. A thread is runnable while it runs and while it waits for a CPU, so

    runnable = (sum of run time + sum of waiting time) / duration

is how many threads on average wanted a CPU at once: the load of this tree alone. Neighbours on the machine cannot push
it above the number of threads that have something to do, which is what sets it apart from the load of the machine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.signals.outside.looks import Look, ProcessCounts, ThreadCounts

_WORKED = 0.02  # of a stretch: a thread that was runnable for less only woke up to see that there is nothing to do


@dataclass(frozen=True, slots=True)
class ProcessStretch:
    """One process between two looks."""

    pid: int
    command: str
    threads: int  # alive at the end
    workers: int  # of them: runnable for more than 2 % of the stretch
    name: str  # what most of the workers are called, else what most threads are
    runnable: float | None  # threads that wanted a CPU at once, on average; None: the kernel does not say
    run_s: float
    wait_s: float | None
    user_s: float
    system_s: float
    voluntary: int
    involuntary: int
    unhindered: float = 0.0  # threads that would have wanted a CPU at once, had nobody waited for one


@dataclass(frozen=True, slots=True)
class Stretch:
    """The tree between two looks."""

    start_s: float
    end_s: float
    cpus: float  # that it may use
    why: str  # what says so
    processes: tuple[ProcessStretch, ...]
    periods: int = 0
    throttled: int = 0
    throttled_s: float = 0.0
    others: float | None = None  # of the time of the CPUs that it may run on, what others had; None: not known

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s

    @property
    def runnable(self) -> float | None:
        """Threads of the tree that wanted a CPU at once, on average."""
        known = [process.runnable for process in self.processes if process.runnable is not None]
        return sum(known) if known else None

    @property
    def workers(self) -> int:
        return sum(process.workers for process in self.processes)

    @property
    def run_s(self) -> float:
        return sum(process.run_s for process in self.processes)

    @property
    def wait_s(self) -> float:
        return sum(process.wait_s or 0.0 for process in self.processes)


def stretches(looks: Sequence[Look]) -> tuple[Stretch, ...]:
    """Return what was done between each look and the next. A thread that died in between shows in neither."""
    return tuple(_stretch(before, after) for before, after in pairwise(looks) if after.time_s > before.time_s)


def _stretch(before: Look, after: Look) -> Stretch:
    known = {process.identity: process for process in before.processes}
    duration_s = after.time_s - before.time_s
    old, new = before.throttling, after.throttling
    both = old is not None and new is not None
    processes = tuple(_process(known.get(process.identity), process, duration_s) for process in after.processes)
    return Stretch(
        before.time_s,
        after.time_s,
        after.cpus,
        after.why_so_many(),
        processes,
        others=_others(before, after, sum(process.run_s for process in processes)),
        periods=new.periods - old.periods if both and new and old else 0,
        throttled=new.throttled - old.throttled if both and new and old else 0,
        throttled_s=new.throttled_s - old.throttled_s if both and new and old else 0.0,
    )


def _others(before: Look, after: Look, run_s: float) -> float | None:
    if not after.busy_s or before.busy_s.keys() != after.busy_s.keys():
        return None
    busy_s = sum(after.busy_s.values()) - sum(before.busy_s.values())
    return min(1.0, max(0.0, (busy_s - run_s) / (len(after.busy_s) * (after.time_s - before.time_s))))


def _process(before: ProcessCounts | None, after: ProcessCounts, duration_s: float) -> ProcessStretch:
    earlier = {} if before is None else {thread.tid: thread for thread in before.threads}
    changes = [_Change.of(earlier.get(thread.tid), thread) for thread in after.threads]
    busy = [change for change in changes if change.runnable_s >= _WORKED * duration_s]
    names = Counter(change.name for change in busy or changes).most_common(1)
    waits = [change.wait_s for change in changes if change.wait_s is not None]
    return ProcessStretch(
        pid=after.pid,
        command=after.command,
        threads=len(after.threads),
        workers=len(busy),
        name=names[0][0] if names else "",
        runnable=sum(change.runnable_s for change in changes) / duration_s if waits else None,
        run_s=sum(change.run_s for change in changes),
        wait_s=sum(waits) if waits else None,
        user_s=max(0.0, after.user_s - (before.user_s if before else 0.0)),
        system_s=max(0.0, after.system_s - (before.system_s if before else 0.0)),
        voluntary=sum(change.voluntary for change in changes),
        involuntary=sum(change.involuntary for change in changes),
        unhindered=sum(change.unhindered(duration_s) for change in changes),
    )


@dataclass(frozen=True, slots=True)
class _Change:
    name: str
    run_s: float
    wait_s: float | None
    voluntary: int
    involuntary: int

    @property
    def runnable_s(self) -> float:
        return self.run_s + (self.wait_s or 0.0)

    def unhindered(self, duration_s: float) -> float:
        """The part of the time for which it would have been busy without waiting, if it slept for as long."""
        # Threads are read one after the other: a wait may come out a little longer than the stretch.
        rest_s = max(self.run_s, duration_s - (self.wait_s or 0.0))
        return self.run_s / rest_s if rest_s > 0 else 0.0

    @classmethod
    def of(cls, before: ThreadCounts | None, after: ThreadCounts) -> _Change:
        if before is None:
            return cls(after.name, after.run_s, after.wait_s, after.voluntary, after.involuntary)
        wait_s = None if after.wait_s is None or before.wait_s is None else max(0.0, after.wait_s - before.wait_s)
        return cls(
            after.name,
            max(0.0, after.run_s - before.run_s),
            wait_s,
            max(0, after.voluntary - before.voluntary),
            max(0, after.involuntary - before.involuntary),
        )
