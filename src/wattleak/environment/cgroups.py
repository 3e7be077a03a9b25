"""The control groups that this process lives in: their folders, limits and statistics, version 1, 2 or both at once.

Sources: cgroups(7) and the kernel's cgroup-v2 and cfs-bandwidth pages for `cpu.max`, `cpu.cfs_quota_us`, `memory.max`,
`memory.limit_in_bytes`, `cpu.stat`; proc_pid_mountinfo(5) for where they are mounted.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NO_LIMIT_B = 1 << 60  # version 1 says "no limit" as the largest multiple of a page


class Mount(NamedTuple):
    """A line of /proc/self/mountinfo."""

    root: str  # what of the file system is mounted
    point: str
    kind: str
    options: frozenset[str]  # of the super block: version 1 names its controllers here


class ControlGroups(NamedTuple):
    """Where the groups of this process are."""

    base: Path  # where /proc and /sys are: "/", or a written tree in a test
    mounts: tuple[Mount, ...]  # all of them, not the groups' alone
    paths: Mapping[str, str]  # of our group by controller; "" is version 2

    def folders(self, controller: str) -> Iterator[Path]:
        """Folders of our group for a controller and of all groups above it, innermost first: limits of each hold.

        Inside a container /proc/self/cgroup may name a path that the mount does not show (no cgroup namespace): what
        does not exist is passed over, and the top of the mount is the container's own.
        """
        for mount in self.mounts:
            yield from self._below(mount, controller)

    def clocks(self) -> Iterator[Path]:
        """The folder of our group in each hierarchy that has a clock of CPU time, version 2 first."""
        for mount in sorted(self.mounts, key=lambda mount: mount.kind != "cgroup2"):
            folder = next(self._below(mount, "cpuacct"), None)
            if folder is not None:
                yield folder

    def _below(self, mount: Mount, controller: str) -> Iterator[Path]:
        first = mount.kind == "cgroup" and controller in mount.options
        second = mount.kind == "cgroup2"
        group = self.paths.get(controller if first else "") if first or second else None
        if group is None:
            return
        top = self.base / mount.point.lstrip("/")
        root = mount.root.rstrip("/")
        inside = group.removeprefix(root) if group.startswith(root) else ""
        if ".." in inside.split("/"):  # our group lies outside of what is mounted here
            inside = ""
        folder = top / inside.strip("/")
        while folder != top:
            if folder.is_dir():
                yield folder
            folder = folder.parent
        if top.is_dir():
            yield top


def control_groups(root: str | Path = "/", *, pid: int | None = None) -> ControlGroups:
    """Read /proc/self/mountinfo and /proc/self/cgroup below a root; without them no group is found.

    With `pid` the groups are those of that process, as far as our own mounts show them.
    """
    base = Path(root)
    whose = "self" if pid is None else str(pid)
    return ControlGroups(
        base, tuple(_mounts(_text(base / "proc/self/mountinfo"))), _paths(_text(base / f"proc/{whose}/cgroup"))
    )


def cpu_quota(groups: ControlGroups) -> float | None:
    """CPUs that the tightest quota grants (1.5 CPUs); infinity without one, None when no group can be read."""
    quotas: list[float] = []
    seen = False
    for folder in groups.folders("cpu"):
        words = _text(folder / "cpu.max").split()
        if len(words) != 2:
            words = [_text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()]
        limit, period = _whole(words[0]), _whole(words[1])
        # The root group of a machine has no cpu.max: it cannot be limited.
        seen = seen or bool(words[0]) or _is_group(folder)
        if limit is not None and period and limit > 0:
            quotas.append(limit / period)
    return min(quotas, default=math.inf) if seen else None


def memory_limit(groups: ControlGroups) -> float | None:
    """Bytes that the tightest group grants; infinity without a limit, None when no group can be read."""
    limits: list[float] = []
    seen = False
    for folder in groups.folders("memory"):
        texts = [_text(folder / name) for name in ("memory.max", "memory.limit_in_bytes")]
        seen = seen or any(texts) or _is_group(folder)
        limits += [limit for text in texts if (limit := _whole(text)) is not None and limit < _NO_LIMIT_B]
    return min(limits, default=math.inf) if seen else None


def cpu_statistics(groups: ControlGroups) -> dict[str, int]:
    """`cpu.stat` of the innermost group that counts throttled periods; empty when there is none."""
    for folder in groups.folders("cpu"):
        words = [line.split() for line in _text(folder / "cpu.stat").splitlines()]
        found = {word[0]: number for word in words if len(word) == 2 and (number := _whole(word[1])) is not None}
        if "nr_throttled" in found:
            return found
    return {}


def _mounts(text: str) -> Iterator[Mount]:
    """36 35 98:0 /root /mount/point options - type source superoptions (proc_pid_mountinfo(5))."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        own, rest = before.split(" "), after.split(" ")
        if len(own) >= 5 and len(rest) >= 3:
            yield Mount(own[3], own[4], rest[0], frozenset(rest[2].split(",")))


def _paths(text: str) -> dict[str, str]:
    """Controller -> path of our group; "" is version 2 (cgroups(7), /proc/PID/cgroup)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _is_group(folder: Path) -> bool:
    return (folder / "cgroup.procs").exists()


def _whole(text: str) -> int | None:
    """None for "max" and for what is not there."""
    try:
        return int(text)
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
