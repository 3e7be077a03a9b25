"""What a file holds, as a checksum; and how it looks from outside, which is quick to ask again.

A file whose size and time of change are what they were is taken to be the same (as `make` and `rsync` take it): only
what looks different is read again. A program that changes a file and sets its time back is not noticed.
"""

from __future__ import annotations

import hashlib
import stat
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CHUNK_B = 1 << 20


@dataclass(frozen=True, slots=True)
class FileMark:
    """How a file was found. `sha256` None: too much to read before the first run; size and time say what they can."""

    size_b: int
    mtime_ns: int
    sha256: str | None = None

    def is_same(self, other: FileMark) -> bool:
        """By content where both are known, else by how they look."""
        if self.sha256 is not None and other.sha256 is not None:
            return self.sha256 == other.sha256
        return (self.size_b, self.mtime_ns) == (other.size_b, other.mtime_ns)


class Checksums(Protocol):
    """Checksums of earlier times, by path, size and time of change."""

    def checksum(self, path: str, size_b: int, mtime_ns: int) -> str | None: ...

    def keep_checksums(self, marks: Mapping[str, FileMark]) -> None: ...


@dataclass(slots=True)
class NoChecksums:
    """Remembers for one process only."""

    known: dict[tuple[str, int, int], str] = field(default_factory=dict)

    def checksum(self, path: str, size_b: int, mtime_ns: int) -> str | None:
        return self.known.get((path, size_b, mtime_ns))

    def keep_checksums(self, marks: Mapping[str, FileMark]) -> None:
        for path, mark in marks.items():
            if mark.sha256 is not None:
                self.known[path, mark.size_b, mark.mtime_ns] = mark.sha256


def look(path: Path) -> FileMark | None:
    """Size and time of change of a regular file; None when it is none or cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return None
    return FileMark(found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


def sha256_of(path: Path, until_s: float | None = None) -> str | None:
    """SHA-256 of a file in hexadecimal; None when it cannot be read, or not before `until_s` of the clock."""
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_B):
                digest.update(chunk)
                if until_s is not None and time.monotonic() > until_s:
                    return None
    except OSError:
        return None
    return digest.hexdigest()


def mark_all(paths: Iterable[Path], cache: Checksums, *, budget_s: float | None) -> dict[str, FileMark]:
    """The marks of files, small files first, with as many checksums as `budget_s` seconds allow (None: all).

    Files that are gone are left out. Only files that `cache` does not know are read.
    """
    until_s = None if budget_s is None else time.monotonic() + budget_s
    looks = {str(path): mark for path in paths if (mark := look(path)) is not None}
    marks: dict[str, FileMark] = {}
    new: dict[str, FileMark] = {}
    for path, seen in sorted(looks.items(), key=lambda item: (item[1].size_b, item[0])):
        known = cache.checksum(path, seen.size_b, seen.mtime_ns)
        if known is None and (until_s is None or time.monotonic() < until_s):
            known = sha256_of(Path(path), until_s)
            if known is not None:
                new[path] = FileMark(seen.size_b, seen.mtime_ns, known)
        marks[path] = FileMark(seen.size_b, seen.mtime_ns, known)
    if new:
        cache.keep_checksums(new)
    return {path: marks[path] for path in sorted(marks)}
