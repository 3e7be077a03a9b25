"""What this process and its workers have used so far: wall time, CPU time, bytes from storage, bytes by read calls.

/proc/PID/io (proc_pid_io(5)): `read_bytes` are bytes that a process made the kernel fetch from storage, by read calls
and by touching mapped files; `rchar` are bytes that read calls handed over, from wherever. The counters of a process
include those of the children it has waited for, so workers that have ended are in ours.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from dataclasses import dataclass

import psutil

_OWN = psutil.Process()


@dataclass(frozen=True, slots=True)
class Account:
    """A reading, or the difference of two. None: the platform does not say."""

    time_s: float
    cpu_s: float  # of workers in the ticks of the system: 10 ms on most
    storage_b: int | None
    called_b: int | None

    def since(self, earlier: Account) -> Account:
        return self._with(earlier, -1)

    def and_also(self, other: Account) -> Account:
        return self._with(other, 1)

    def _with(self, other: Account, sign: int) -> Account:
        def both(one: int | None, another: int | None) -> int | None:
            return None if one is None or another is None else one + sign * another

        return Account(
            self.time_s + sign * other.time_s,
            self.cpu_s + sign * other.cpu_s,
            both(self.storage_b, other.storage_b),
            both(self.called_b, other.called_b),
        )


NOTHING = Account(0.0, 0.0, 0, 0)


def account() -> Account:
    """Read everything now."""
    workers = [psutil.Process(child.pid) for child in multiprocessing.active_children() if child.pid is not None]
    io = [_bytes_read(process) for process in (_OWN, *workers)]
    ended, alive = os.times(), [process.cpu_times() for process in workers]
    workers_s = ended.children_user + ended.children_system + sum(times.user + times.system for times in alive)
    known = [read for read in io if read is not None]
    complete = len(known) == len(io)
    return Account(
        time.perf_counter(),
        time.process_time() + workers_s,
        sum(storage_b for storage_b, _ in known) if complete else None,
        sum(called_b for _, called_b in known) if complete else None,
    )


def _bytes_read(process: psutil.Process) -> tuple[int, int] | None:
    """From storage, and by read calls; None where the platform keeps no such counters (macOS, Windows)."""
    try:
        counters = process.io_counters()  # type: ignore[attr-defined, unused-ignore]  # not on macOS
    except (AttributeError, psutil.AccessDenied):
        return None
    called_b = getattr(counters, "read_chars", None)  # Windows has the first only
    return None if called_b is None else (counters.read_bytes, called_b)
