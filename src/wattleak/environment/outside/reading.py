"""One look at a process tree. What cannot be read is left out; a tree that is gone gives no processes."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.cgroups import control_groups, cpu_quota, cpu_statistics
from wattleak.environment.redaction import redact_command
from wattleak.signals.outside.looks import Look, ProcessCounts, ThreadCounts, Throttling

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_PROCESSES = 512
_LONGEST_COMMAND = 200  # characters


@dataclass(frozen=True, slots=True)
class Limits:
    """What does not change while a process runs, or only by hand."""

    quota_cpus: float | None
    slurm_cpus: int | None
    sees_machine: bool = False  # /proc/stat is the machine's, and not a container's own


def read_look(root_pid: int, limits: Limits, *, proc: Path = Path("/proc"), base: Path = Path("/")) -> Look:
    """Look at a process and all below it now."""
    processes = tuple(_tree(root_pid, proc))
    allowed = frozenset().union(*(process.cpus_allowed for process in processes))
    return Look(
        time.monotonic(),
        processes,
        busy_s=_busy_s(proc, allowed) if limits.sees_machine else {},
        quota_cpus=limits.quota_cpus,
        slurm_cpus=limits.slurm_cpus,
        throttling=read_throttling(root_pid, base=base) if limits.quota_cpus is not None else None,
    )


def read_limits(pid: int, *, base: Path = Path("/")) -> Limits:
    """What a process was given, from its control groups and from the variables that it began with.

    SLURM_CPUS_ON_NODE: CPUs of this node that the job or step has (sbatch(1), srun(1)); what binds them is affinity,
    which a cluster without task confinement does not set.
    """
    groups = control_groups(base, pid=pid)
    quota = cpu_quota(groups)
    given = read_environ(base / "proc", pid).get("SLURM_CPUS_ON_NODE", "")
    return Limits(
        quota_cpus=quota if quota is not None and quota != float("inf") else None,
        slurm_cpus=int(given) if given.isdigit() and int(given) > 0 else None,
        sees_machine=all(mount.point != "/proc/stat" for mount in groups.mounts),
    )


def read_throttling(pid: int, *, base: Path = Path("/")) -> Throttling | None:
    """What the quota of its control group has done; None where nothing counts it."""
    counted = cpu_statistics(control_groups(base, pid=pid))
    if not counted:
        return None
    # Version 2 counts throttled_usec, version 1 throttled_time in nanoseconds.
    stopped_s = counted.get("throttled_usec", 0) / 1e6 or counted.get("throttled_time", 0) / 1e9
    return Throttling(counted.get("nr_periods", 0), counted["nr_throttled"], stopped_s)


def _busy_s(proc: Path, allowed: frozenset[int]) -> dict[int, float]:
    """By number of the CPU: all of its time but idle and I/O wait (proc_stat(5): the fourth and fifth figure)."""
    ticks = os.sysconf("SC_CLK_TCK")
    found = {}
    for line in _read(proc / "stat").split(b"\n")[:-1]:
        if not line.startswith(b"cpu"):
            break  # the CPUs come first
        number, _, counted = line[3:].partition(b" ")
        if number.isdigit() and int(number) in allowed:
            figures = [int(word) for word in counted.split()[:8]]  # guests are in user and nice
            found[int(number)] = (sum(figures) - sum(figures[3:5])) / ticks
    return found


def read_environ(proc: Path, pid: int) -> dict[str, str]:
    """The variables that a process began with; what it set later does not show. Empty where we may not look."""
    try:
        data = (proc / str(pid) / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.decode(errors="replace").partition("=") for entry in data.split(b"\0") if entry)
    return {name: value for name, _, value in pairs}


def read_words(proc: Path, pid: int) -> tuple[str, ...]:
    """The command of a process, word by word; empty for a kernel thread, or where we may not look."""
    try:
        data = (proc / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(word.decode(errors="replace") for word in data.rstrip(b"\0").split(b"\0")) if data.strip(b"\0") else ()


def _tree(root_pid: int, proc: Path) -> Iterator[ProcessCounts]:
    queue = [root_pid]
    seen: set[int] = set()
    while queue and len(seen) < _MOST_PROCESSES:
        pid = queue.pop(0)
        if pid in seen:
            continue
        seen.add(pid)
        found = _process(pid, proc)
        if found is None:
            continue
        yield found
        for thread in found.threads:
            queue += [int(word) for word in _read(proc / str(pid) / "task" / str(thread.tid) / "children").split()]


def _process(pid: int, proc: Path) -> ProcessCounts | None:
    stat = _stat_fields(_read(proc / str(pid) / "stat"))
    if len(stat) < 22 or stat[0] in {b"Z", b"X"}:
        return None
    allowed: set[int] = set()
    threads = []
    try:
        tids = sorted(int(name) for name in os.listdir(proc / str(pid) / "task"))  # noqa: PTH208 - names, nothing else
    except OSError:
        return None
    for tid in tids:
        thread = _thread(proc / str(pid) / "task" / str(tid), tid, allowed)
        if thread is not None:
            threads.append(thread)
    ticks = os.sysconf("SC_CLK_TCK")
    return ProcessCounts(
        pid=pid,
        born_ticks=int(stat[19]),
        command=_command(proc, pid),
        user_s=int(stat[11]) / ticks,
        system_s=int(stat[12]) / ticks,
        memory_b=max(0, int(stat[21])) * os.sysconf("SC_PAGE_SIZE"),
        cpus_allowed=frozenset(allowed),
        threads=tuple(threads),
    )


def _thread(folder: Path, tid: int, allowed: set[int]) -> ThreadCounts | None:
    status = _read(folder / "status")
    if not status:
        return None
    name, voluntary, involuntary, is_running = "", 0, 0, False
    for line in status.split(b"\n"):
        if line.startswith(b"Name:"):
            name = line[5:].strip().decode(errors="replace")
        elif line.startswith(b"State:"):
            is_running = line[6:].strip()[:1] == b"R"
        elif line.startswith(b"Cpus_allowed_list:"):
            allowed |= _cpus(line[18:].strip())
        elif line.startswith(b"voluntary_ctxt_switches:"):
            voluntary = int(line[24:])
        elif line.startswith(b"nonvoluntary_ctxt_switches:"):
            involuntary = int(line[27:])
    words = _read(folder / "schedstat").split()
    if len(words) >= 2:
        run_s, wait_s = int(words[0]) / 1e9, int(words[1]) / 1e9
    else:  # a kernel without CONFIG_SCHED_INFO: CPU time in ticks, and nobody knows how long anything waited
        fields = _stat_fields(_read(folder / "stat"))
        run_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if len(fields) > 12 else 0.0
        wait_s = None
    return ThreadCounts(tid, name, run_s, wait_s, voluntary, involuntary, is_running)


def _stat_fields(stat: bytes) -> list[bytes]:
    """From the third field of proc_pid_stat(5) on: the second may hold anything."""
    return stat[stat.rfind(b")") + 2 :].split()


@cache
def _cpus(listed: bytes) -> frozenset[int]:
    """0-3,8 is five CPUs."""
    found: set[int] = set()
    for part in listed.split(b","):
        first, _, last = part.partition(b"-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def _command(proc: Path, pid: int) -> str:
    words = read_words(proc, pid)
    shown = (
        " ".join(redact_command(words)) if words else _read(proc / str(pid) / "comm").decode(errors="replace").strip()
    )
    return shown if len(shown) <= _LONGEST_COMMAND else shown[: _LONGEST_COMMAND - 1] + "…"


def _read(path: Path) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, 65536)
    except OSError:
        return b""  # it died between the two
    finally:
        os.close(fd)
