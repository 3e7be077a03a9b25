"""The control group that this process lives in: its limits and statistics, version 1, 2 or both at once."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from wattleak.environment.checks.reading import read, whole

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def folders(root: Path, controller: str) -> Iterator[Path]:
    """Folders of our group for a controller and of all groups above it, innermost first.

    Limits of every one of them hold. Inside a container /proc/self/cgroup may name a path that the mount does not
    show (no cgroup namespace): what does not exist is passed over, and the top of the mount is the container's own.
    """
    for mount, path in _places(root, controller):
        levels: list[PurePosixPath] = [path, *path.parents]
        for level in levels:
            folder = root / str(mount).lstrip("/") / str(level).lstrip("/")
            if folder.is_dir():
                yield folder


def _places(root: Path, controller: str) -> list[tuple[PurePosixPath, PurePosixPath]]:
    """Mount point and path of the groups that may hold a controller: version 1's own, and version 2's."""
    paths: dict[str, str] = {}
    for line in (read(root, "proc/self/cgroup") or "").splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        for name in names.split(",") if names else [""]:
            paths[name if number != "0" else ""] = path
    found = []
    for line in (read(root, "proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        words, kind = before.split(), after.split()
        if len(words) < 5 or len(kind) < 3:
            continue
        own = controller in kind[2].split(",") and kind[0] == "cgroup"
        if (own and controller in paths) or (kind[0] == "cgroup2" and "" in paths):
            path = paths[controller if own else ""]
            top = words[3]  # what of the hierarchy is mounted here
            inner = path.removeprefix(top.rstrip("/")) if path.startswith(top.rstrip("/")) else "/"
            found.append((PurePosixPath(words[4]), PurePosixPath("/" + inner.lstrip("/"))))
    return found


def cpu_quota(root: Path) -> float | None:
    """CPUs that the tightest quota grants (1.5 CPUs); infinity without one, None when no group can be read."""
    quotas: list[float] = []
    seen = False
    for folder in folders(root, "cpu"):
        granted = (_text(folder / "cpu.max") or "").split()
        if len(granted) == 2:
            seen = True
            limit, period = whole(granted[0]), whole(granted[1])
        else:
            limit, period = whole(_text(folder / "cpu.cfs_quota_us")), whole(_text(folder / "cpu.cfs_period_us"))
            seen = seen or limit is not None
        if limit is not None and period and limit > 0:
            quotas.append(limit / period)
    # The root group of a machine has no cpu.max: it cannot be limited.
    seen = seen or any(_is_top(folder) for folder in folders(root, "cpu"))
    return min(quotas, default=float("inf")) if seen else None


def memory_limit(root: Path) -> float | None:
    """Bytes that the tightest group grants; infinity without a limit, None when no group can be read."""
    limits: list[float] = []
    seen = False
    for folder in folders(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name)
            seen = seen or text is not None
            limit = whole(text)
            # Version 1 says "no limit" as the largest number of whole pages.
            if limit is not None and limit < 1 << 60:
                limits.append(limit)
        seen = seen or _is_top(folder)
    return min(limits, default=float("inf")) if seen else None


def cpu_statistics(root: Path) -> dict[str, int]:
    """`cpu.stat` of the innermost group that counts throttled periods; empty when there is none."""
    for folder in folders(root, "cpu"):
        found = {}
        for line in (_text(folder / "cpu.stat") or "").splitlines():
            name, _, value = line.partition(" ")
            number = whole(value)
            if number is not None:
                found[name] = number
        if "nr_throttled" in found:
            return found
    return {}


def _is_top(folder: Path) -> bool:
    return (folder / "cgroup.procs").exists()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
