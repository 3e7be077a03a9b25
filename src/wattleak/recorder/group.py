"""CPU time of a control group that holds the workload's tree and nothing else: a container, a Slurm step, a scope.

The process tree (`recorder.tree`) misses what it cannot see: in attach mode an orphan that was never seen as a child,
anywhere a child whose parent ignores SIGCHLD. The group's own clock misses nothing, but it also counts whoever else is
in it. So it is used only where that can be ruled out:

- at the start, the group and the groups below it hold the tree, this recorder, and processes that only wait for us
  (ancestors: a shell, wattleak's command line). What those and we burn is taken off again;
- nobody else comes in. A newcomer that is not in the tree and was not started by one of those is an orphan of the
  tree; one that was, or that entered from outside (its parent is not in our pid namespace: `docker exec`, a probe of
  Kubernetes), is a stranger, and from then on the group says nothing.

Sources: cgroups(7); the kernel's cgroup-v2 page (`cpu.stat`, usage_usec, present without any controller) and
cpuacct page (`cpuacct.usage`, nanoseconds). Light on purpose, as everything that the recorder imports.
"""

from __future__ import annotations

import os
import time

from wattleak.recorder.tree import TICKS_PER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from wattleak.recorder.journal import JournalWriter

_MOST_PROCESSES = 512  # a larger group is not looked through: the look would cost more than it tells


class GroupTime:
    """The CPU time of the tree by the clock of its group."""

    def __init__(self, folder: str, root: int) -> None:
        """`root` is the process whose descendants the tree is; it and its ancestors are known not to be strangers."""
        self.folder = folder
        self._root = root
        self._waiting: set[int] = {os.getpid()}  # the recorder, and who waits for it or for the tree
        self._burnt_s: dict[int, float] = {}  # by those of them that are in the group, as last seen
        self._holds_us = False
        self._clock_fd, self._per_s = _open_clock(folder)
        self.why_not: str | None = None if self._clock_fd >= 0 else "its clock cannot be read"

    def begin(self, tree: frozenset[int]) -> bool:
        """Look who is in the group before the workload runs; False when its clock cannot be the tree's."""
        if self.why_not is None:
            ancestors = set(_ancestors(os.getpid())) | set(_ancestors(self._root))
            self._waiting |= ancestors - tree
            inside = set(self._processes())
            self._holds_us = os.getpid() in inside
            self._burnt_s = dict.fromkeys(inside & self._waiting - {os.getpid()}, 0.0)
            strangers = inside - tree - self._waiting
            if strangers:
                self.why_not = f"{len(strangers)} other process(es) are in it"
        return self.why_not is None

    def cpu_s(self, tree: frozenset[int], *, thorough: bool) -> float | None:
        """CPU-seconds of the group without ours and those of who waits; None when they are not the tree's alone."""
        if self.why_not is not None:
            return None
        if thorough:
            for pid in self._processes():
                if pid not in tree and pid not in self._waiting and self._is_stranger(pid):
                    self.why_not = f"process {pid} came in from outside"
                    return None
        try:
            used_s = _clock(os.pread(self._clock_fd, 128, 0)) / self._per_s
        except (OSError, ValueError):
            self.why_not = "its clock cannot be read"
            return None
        for pid, before_s in self._burnt_s.items():
            self._burnt_s[pid] = max(before_s, _burnt_s(pid))  # 0 when it is gone: what it burnt stays in the clock
        own_s = time.process_time() if self._holds_us else 0.0
        return used_s - own_s - sum(self._burnt_s.values())

    def _is_stranger(self, pid: int) -> bool:
        parent = _parent(pid)
        # 1 adopts orphans; it may also start something itself, which nobody can tell from an orphan.
        return parent == 0 or (parent in self._waiting and parent not in (1, os.getpid()))

    def _processes(self) -> list[int]:
        """Pids in the group and in the groups below it."""
        found: list[int] = []
        queue = [self.folder]
        while queue and len(found) <= _MOST_PROCESSES:
            folder = queue.pop()
            found += _numbers(f"{folder}/cgroup.procs")
            try:
                with os.scandir(folder) as entries:
                    queue += [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            except OSError:
                continue  # the group below was removed in between
        return found


class GroupWatch:
    """The group of this recording, if one of those that we are in is the tree's alone."""

    def __init__(self, config: dict[str, Any], journal: JournalWriter) -> None:
        self._folders: list[str] = config["groups"]
        self._root = int(config["pid"]) if config["mode"] == "attach" else os.getpid()
        self._journal = journal
        self._group: GroupTime | None = None
        self._base_s = 0.0

    def cpu_s(self, tree: frozenset[int], *, first: bool, thorough: bool) -> float | None:
        """CPU-seconds of the tree since the first call, by the group; None where no group can say."""
        if first:
            groups = (GroupTime(folder, self._root) for folder in self._folders)
            self._group = next((group for group in groups if group.begin(tree)), None)
            if self._group is not None:
                self._journal.write({"k": "group", "path": self._group.folder, "why_not": None})
        if self._group is None:
            return None
        used_s = self._group.cpu_s(tree, thorough=thorough)
        if used_s is None:
            self._journal.write({"k": "group", "path": self._group.folder, "why_not": self._group.why_not})
            self._group = None
            return None
        if first:
            self._base_s = used_s
        return max(0.0, used_s - self._base_s)


def _open_clock(folder: str) -> tuple[int, float]:
    """File of the group's CPU time and its units per second."""
    for name, per_s in (("cpu.stat", 1e6), ("cpuacct.usage", 1e9)):
        try:
            fd = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            _clock(os.pread(fd, 128, 0))
        except (OSError, ValueError):  # version 1 has a cpu.stat too, without the time
            os.close(fd)
            continue
        return fd, per_s
    return -1, 1.0


def _clock(text: bytes) -> int:
    """`usage_usec N` in the first line (version 2), or N alone (version 1)."""
    words = text.split(None, 2)
    if len(words) > 1 and words[0] != b"usage_usec":
        raise ValueError("no CPU time")
    return int(words[min(1, len(words) - 1)])


def _numbers(path: str) -> list[int]:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib costs the recorder 6 ms
            return [int(word) for word in file.read(65536).split()]
    except (OSError, ValueError):
        return []


def _fields(pid: int) -> list[bytes]:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        stat = os.read(fd, 1024)
    except OSError:
        return []
    finally:
        os.close(fd)
    return stat[stat.rfind(b")") + 2 :].split(b" ", 14)


def _parent(pid: int) -> int | None:
    fields = _fields(pid)
    return int(fields[1]) if fields else None


def _ancestors(pid: int) -> Iterable[int]:
    parent = _parent(pid)
    while parent:
        yield parent
        parent = _parent(parent)


def _burnt_s(pid: int) -> float:
    """User and system time of one process, without its children."""
    fields = _fields(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S if fields else 0.0
