"""Files of /proc and /sys below a root: what cannot be read is None, never a default."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read(root: Path, path: str) -> str | None:
    """Text of a file below the root, stripped."""
    try:
        return (root / path).read_text(encoding="utf-8", errors="replace").strip("\0 \n")
    except OSError:
        return None


def whole(text: str | None) -> int | None:
    """The whole number that a text is."""
    try:
        return int(text or "")
    except ValueError:
        return None


def cpu_list(text: str | None) -> list[int] | None:
    """`0-3,8` as [0, 1, 2, 3, 8]; None when it is no such list."""
    if not text:
        return None
    cpus: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        low, high = whole(first), whole(last or first)
        if low is None or high is None:
            return None
        cpus += range(low, high + 1)
    return cpus
