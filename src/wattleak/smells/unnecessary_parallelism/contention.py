"""When did a program want more CPUs than it has? From stretches of its threads, as the kernel counted them. Pure.

A program that has one thread that works for each CPU has as many runnable threads as CPUs, and never more, however busy
its neighbours are. Twice that is beyond what two pools do that hand over to each other; it has to last, because every
start of a pool is a short crowd.

Where neighbours have most of the CPUs (or the host of a virtual machine), threads that only wake up now and then wait
long for their turn, and look like a crowd. Then, or where the machine's own counters do not show, one of two things
must show besides that no neighbour can bring about:

- they would be too many without the waiting as well: a thread that ran r, waited w and slept s of the time would have
  been busy for r / (r + s) of it, if its sleep does not depend on the others (`ProcessStretch.unhindered`);
- they hand over to each other all the time, as threads do that meet at barriers: more than 5,000 switches a second and
  CPU.

Threads that do little else than hand over sleep as often as they run, so fewer of them want a CPU at once, and the
CPUs do not even get busy: 16 threads of OpenMP on two CPUs of some virtual machines. Beyond 20,000 switches a second
and CPU, by more than two threads for each CPU, of which more than one wants it, that is a crowd, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.signals.outside.stretches import ProcessStretch, Stretch

CROWDED = 2.0  # runnable threads for each CPU
MANY_PROCESSES = 8.0  # the same, of processes that each use one: they wait and do not spin, as smell.py says of jobs
SWITCHES = 20_000.0  # a second and CPU
THROTTLED = 0.05  # of the periods in which the group wanted a CPU
_OWN_DOING = 0.5  # of the CPUs: who gets as much, or leaves as much to others, is held up by itself more than by them
_HANDED_OVER = 5_000.0  # switches a second and CPU; threads on timers and sockets stay far below
_LEAST_S = 0.7  # that it lasted, in sum
_LEAST_SHARE = 0.1  # of the CPU time that was seen
_LEAST_PERIODS = 20


@dataclass(frozen=True, slots=True)
class Crowd:
    """The stretches in which a process, or several together, wanted more CPUs than there are: sums and means."""

    pids: tuple[int, ...]  # by CPU time, the most first
    command: str  # of the first
    name: str  # of most of its threads
    cpus: float
    why: str
    duration_s: float
    workers: float  # threads that worked, mean
    runnable: float | None  # that wanted a CPU at once, mean; None: the kernel does not count waiting
    run_s: float
    wait_s: float
    system_s: float
    voluntary: int
    involuntary: int

    @property
    def switches_per_s(self) -> float:
        return (self.voluntary + self.involuntary) / self.duration_s

    @property
    def involuntary_share(self) -> float:
        """Of the switches: threads that were working, or spinning, when their CPU was taken from them."""
        return self.involuntary / max(1, self.voluntary + self.involuntary)


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a quota did to a program with more working threads than the quota has CPUs."""

    cpus: float
    why: str
    periods: int
    throttled: int
    throttled_s: float
    workers: float
    pid: int
    command: str

    @property
    def share(self) -> float:
        return self.throttled / self.periods


def crowded_processes(found: Sequence[Stretch]) -> tuple[Crowd, ...]:
    """Processes of which each by itself has too many threads."""
    crowds: dict[int, Crowd] = {}
    for is_crowded in (_hands_over, _wants_more):  # of who shows both, the second is told
        by_process: dict[int, list[tuple[Stretch, ProcessStretch]]] = {}
        for stretch in found:
            for process in stretch.processes:
                if is_crowded(process, stretch):
                    by_process.setdefault(process.pid, []).append((stretch, process))
        for pid, items in by_process.items():
            crowd = _crowd([(stretch, (process,)) for stretch, process in items])
            if _lasted(crowd, found):
                crowds[pid] = crowd
    return tuple(crowds.values())


def crowded_together(found: Sequence[Stretch]) -> tuple[Crowd | None, Crowd | None]:
    """Pools in several processes that multiply, and plain crowds of processes; None: not seen.

    Only stretches in which no process is a crowd by itself: what one process does is said of that one.
    """
    nested, plain = [], []
    for stretch in found:
        if any(_is_crowded(process, stretch) for process in stretch.processes) or stretch.runnable is None:
            continue
        busy = tuple(process for process in stretch.processes if process.workers)
        pools = tuple(process for process in busy if process.workers > 1 and (process.runnable or 0.0) > 1.0)
        room = max(1.0, stretch.cpus)
        wanted = sum(process.runnable or 0.0 for process in pools)
        if len(pools) > 1 and wanted > CROWDED * room and _crowds_itself(stretch, pools):
            nested.append((stretch, pools))
        elif len(busy) > 1 and stretch.runnable > MANY_PROCESSES * room and _crowds_itself(stretch, busy):
            plain.append((stretch, busy))
    crowds = [_crowd(items) if items else None for items in (nested, plain)]
    kept = [crowd if crowd is not None and _lasted(crowd, found) else None for crowd in crowds]
    return kept[0], kept[1]


def stopped_by_quota(found: Sequence[Stretch]) -> Stopped | None:
    """Throttling of a program that could do with fewer threads; None for one that has none to spare."""
    wide = [stretch for stretch in found if stretch.periods and stretch.workers > math.ceil(stretch.cpus)]
    periods = sum(stretch.periods for stretch in wide)
    throttled = sum(stretch.throttled for stretch in wide)
    if periods < _LEAST_PERIODS or throttled <= THROTTLED * periods:
        return None
    biggest = max((process for process in wide[-1].processes), key=lambda process: process.run_s)
    return Stopped(
        cpus=wide[-1].cpus,
        why=wide[-1].why,
        periods=periods,
        throttled=throttled,
        throttled_s=sum(stretch.throttled_s for stretch in wide),
        workers=sum(stretch.workers for stretch in wide) / len(wide),
        pid=biggest.pid,
        command=biggest.command,
    )


def _is_crowded(process: ProcessStretch, stretch: Stretch) -> bool:
    return _wants_more(process, stretch) or _hands_over(process, stretch)


def _wants_more(process: ProcessStretch, stretch: Stretch) -> bool:
    """More CPUs than there are, many times over."""
    room = max(1.0, stretch.cpus)
    if process.workers <= math.ceil(stretch.cpus) or process.runnable is None:
        return False
    return process.runnable > CROWDED * room and _crowds_itself(stretch, (process,))


def _hands_over(process: ProcessStretch, stretch: Stretch) -> bool:
    """Its threads are many, and do little else than wake each other."""
    room = max(1.0, stretch.cpus)
    switches = (process.voluntary + process.involuntary) / stretch.duration_s
    if process.workers <= CROWDED * room or switches <= SWITCHES * room:
        return False
    return process.runnable is None or process.runnable > room


def _crowds_itself(stretch: Stretch, processes: Sequence[ProcessStretch]) -> bool:
    """Whether waiting is these processes' own doing, and not that of neighbours on the machine."""
    if stretch.run_s >= _OWN_DOING * stretch.duration_s * stretch.cpus:
        return True
    if stretch.others is not None and stretch.others <= _OWN_DOING:
        return True
    room = max(1.0, stretch.cpus)
    switches = sum(process.voluntary + process.involuntary for process in processes) / stretch.duration_s
    return sum(process.unhindered for process in processes) > room or switches > _HANDED_OVER * room


def _crowd(items: Sequence[tuple[Stretch, tuple[ProcessStretch, ...]]]) -> Crowd:
    parts = [(stretch, process) for stretch, processes in items for process in processes]
    duration_s = sum(stretch.duration_s for stretch, _ in items)
    by_pid: dict[int, float] = {}
    for _, process in parts:
        by_pid[process.pid] = by_pid.get(process.pid, 0.0) + process.run_s
    pids = sorted(by_pid, key=lambda pid: by_pid[pid], reverse=True)
    first = next(process for _, process in reversed(parts) if process.pid == pids[0])
    known = [(stretch.duration_s, process.runnable) for stretch, process in parts if process.runnable is not None]
    return Crowd(
        pids=tuple(pids),
        command=first.command,
        name=first.name,
        cpus=items[-1][0].cpus,
        why=items[-1][0].why,
        duration_s=duration_s,
        workers=sum(stretch.duration_s * process.workers for stretch, process in parts) / duration_s,
        runnable=sum(part_s * runnable for part_s, runnable in known) / duration_s if known else None,
        run_s=sum(process.run_s for _, process in parts),
        wait_s=sum(process.wait_s or 0.0 for _, process in parts),
        system_s=sum(process.system_s for _, process in parts),
        voluntary=sum(process.voluntary for _, process in parts),
        involuntary=sum(process.involuntary for _, process in parts),
    )


def _lasted(crowd: Crowd, found: Sequence[Stretch]) -> bool:
    seen_s = sum(stretch.run_s for stretch in found)
    return crowd.duration_s >= _LEAST_S and crowd.run_s >= _LEAST_SHARE * seen_s
