"""When memory runs out: keep the recorder out of the kernel's choice, and count whom the kernel chose.

Light on purpose: the recorder imports this before the workload may start.
"""

from __future__ import annotations

import os

_SPARED = b"-900"  # of -1000 (never) to 1000 (first); a recorder that grows without end should still be stopped


def spare_this_process() -> bool:
    """Ask the kernel to end others first when memory runs out; False when it does not let us (it takes privilege)."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(fd, _SPARED)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class OutOfMemoryKills:
    """Processes that the kernel killed for lack of memory since this was made: in our cgroup, and on the machine."""

    def __init__(self) -> None:
        self._sources = {"cgroup": _open_cgroup(), "machine": _open("/proc/vmstat")}
        self._before = {place: _count(fd) for place, fd in self._sources.items()}

    def since(self) -> dict[str, int]:
        """By place, where it can be read and there were any."""
        found: dict[str, int] = {}
        for place, fd in self._sources.items():
            before, now = self._before[place], _count(fd)
            if before is not None and now is not None and now > before:
                found[place] = now - before
        return found


def _open(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def _open_cgroup() -> int:
    """The file of our own cgroup that counts: memory.events (v2, with all below it) or memory.oom_control (v1)."""
    fd = _open("/proc/self/cgroup")
    if fd < 0:
        return -1
    try:
        lines = os.read(fd, 16384).decode("utf-8", "replace").split("\n")
    finally:
        os.close(fd)
    for line in lines:
        _number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if "memory" in controllers.split(","):
            return _open(f"/sys/fs/cgroup/memory{path}/memory.oom_control")
    for line in lines:
        if line.startswith("0::"):
            return _open(f"/sys/fs/cgroup{line[3:]}/memory.events")
    return -1


def _count(fd: int) -> int | None:
    """The number behind `oom_kill` in a file of names and numbers; None when there is none."""
    if fd < 0:
        return None
    try:
        data = b"\n" + os.pread(fd, 65536, 0)
    except OSError:
        return None
    _, found, rest = data.partition(b"\noom_kill ")
    try:
        return int(rest.split(None, 1)[0]) if found else None
    except (ValueError, IndexError):
        return None
