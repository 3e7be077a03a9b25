"""Files that one run leaves and a later run reads: a resumed checkpoint is not a run.

After each run the working folder is looked through (names, sizes, times), and so is the run's own folder; whatever is
new or changed was left by that run. Linux then tells (inotify) when somebody reads such a file. A file that a run
changes before it is read holds that run's own content and is no leftover: logs and results that every run writes
anew, or appends to, are nobody's business.

What this cannot see: files outside the working folder, in hidden folders, in virtual environments and `__pycache__`;
a file that a run appends to and then reads from its beginning; who it was that read (an editor or a backup looks the
same, so the experiment can be resumed); files beyond the first 20,000.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MOST_FILES = 20_000
_NOT_LOOKED_INTO = frozenset({"__pycache__", "node_modules"})
_OF_STORE = ("wattleak.db*", "runs", "experiments", "reports")  # what lies in a store, which may be the folder itself
_MODIFY, _ACCESS, _CLOSE_NOWRITE, _IGNORED = 0x2, 0x1, 0x10, 0x8000  # inotify(7)
_EVENT = struct.Struct("iIII")
_NONBLOCK_CLOEXEC = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NAMES_SHOWN = 5

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class LeftoverRead:
    """A file that was left by one run and read during a later one."""

    path: str  # as seen from the working folder
    left_by: str


class Leftovers:
    """Remembers which run left which file, and who read it."""

    def __init__(
        self,
        folder: Path,
        *,
        store: Path,
        shared: Sequence[str] = (),
        since_s: float | None = None,
        inputs: frozenset[str] = frozenset(),
        copies: Sequence[Path] = (),
    ) -> None:
        """Look through `folder`, and through `copies` of it that variants run in. `shared` are patterns of files that
        may be left; with `since_s` (seconds of the epoch) files that changed after that moment count as left by earlier
        tries of the same experiment. `inputs` are absolute paths whose content is watched elsewhere (experiment.watch):
        reading them is what they are for.
        """
        self._folder = folder
        self._copies = tuple(copies)
        self._store = store.resolve()
        self._shared = tuple(shared)
        self._inputs = inputs
        self._inotify = _Inotify.start()
        self._left: dict[str, str] = {}  # path -> the run that left it
        self._full = False
        self._stamps = dict(self._look())
        if since_s is not None:
            early = [path for path, stamp in self._stamps.items() if stamp[0] >= since_s * 1e9]
            self._keep(early, "an earlier try of this experiment")

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be watched; empty when all was well."""
        notes = []
        if self._full:
            notes.append(
                f"this folder has more than {_MOST_FILES} files: whether runs read what others left is known of the "
                "first ones only"
            )
        if self._inotify is None and self._left:
            names = ", ".join(sorted(self._left)[:_NAMES_SHOWN])
            notes.append(
                f"runs left files behind ({names}), and this platform does not say whether later runs read them"
            )
        return tuple(notes)

    def before_run(self) -> None:
        """Pass over what happened between two runs; what somebody changed then is no run's leftover any more."""
        for path, kind in self._events():
            if kind == _MODIFY:
                self._left.pop(path, None)
                self._stamps[path] = _stamp(self._folder / path)

    def after_run(self, run: str, own_folder: Path | None) -> tuple[LeftoverRead, ...]:
        """What the run that has just ended read of earlier runs' files; then remember what it left itself."""
        reads: dict[str, LeftoverRead] = {}
        for path, kind in self._events():
            owner = self._left.get(path)
            if owner is None:
                continue
            if kind == _MODIFY:
                del self._left[path]
            elif not self._is_shared(path):
                reads.setdefault(path, LeftoverRead(path, owner))
        now = dict(self._look())
        changed = [path for path, stamp in now.items() if self._stamps.get(path) != stamp]
        self._stamps = now
        if own_folder is not None:
            changed += [str(Path(entry.path).resolve()) for entry in _files(own_folder)]
        self._keep(changed, run)
        return tuple(reads.values())

    def close(self) -> None:
        if self._inotify is not None:
            self._inotify.close()

    def _keep(self, paths: Sequence[str], run: str) -> None:
        for path in paths:
            if str((self._folder / path).resolve()) in self._inputs:
                continue
            self._left[path] = run
            if self._inotify is not None and not self._inotify.watch(self._folder / path, path):
                self._full = True

    def _events(self) -> list[tuple[str, int]]:
        return [] if self._inotify is None else self._inotify.events()

    def _is_shared(self, path: str) -> bool:
        place = Path(os.path.normpath(self._folder / path))
        inside = [str(place.relative_to(copy)) for copy in self._copies if place.is_relative_to(copy)]
        return any(fnmatch(name, pattern) for name in (path, place.name, *inside) for pattern in self._shared)

    def _look(self) -> Iterator[tuple[str, Stamp]]:
        """Every file of the working folder, and of the copies, that may be looked at."""
        folders = (self._folder, *self._copies)
        for number, entry in enumerate(entry for folder in folders for entry in _files(folder, self._store)):
            if number >= _MOST_FILES:
                self._full = True
                return
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue  # gone since
            yield os.path.relpath(entry.path, self._folder), (found.st_mtime_ns, found.st_size, found.st_ino)


def _files(folder: Path, store: Path | None = None) -> Iterator[os.DirEntry[str]]:
    """Regular files below a folder; hidden folders, caches, environments and the store are not looked into."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    is_store = store is not None and folder.resolve() == store
    for entry in entries:
        if is_store and any(fnmatch(entry.name, pattern) for pattern in _OF_STORE):
            continue
        if entry.is_file(follow_symlinks=False):
            yield entry
        elif entry.is_dir(follow_symlinks=False) and not _is_passed_over(entry, store):
            yield from _files(Path(entry.path), store)


def _is_passed_over(entry: os.DirEntry[str], store: Path | None) -> bool:
    path = Path(entry.path)
    return (
        entry.name.startswith(".")
        or entry.name in _NOT_LOOKED_INTO
        or (path / "pyvenv.cfg").exists()
        or (store is not None and path.resolve() == store)
    )


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)


class _Inotify:
    """inotify(7), as far as it is needed: which of some files were read or changed, in the order in which it was."""

    def __init__(self, libc: ctypes.CDLL, fd: int) -> None:
        self._libc = libc
        self._fd = fd
        self._paths: dict[int, str] = {}

    @classmethod
    def start(cls) -> _Inotify | None:
        """None where there is no such thing, or none to be had."""
        if sys.platform != "linux":
            return None
        libc = ctypes.CDLL(None, use_errno=True)
        fd = libc.inotify_init1(_NONBLOCK_CLOEXEC)
        return cls(libc, fd) if fd >= 0 else None

    def watch(self, file: Path, name: str) -> bool:
        """False when no more can be watched; a file that is gone needs no watching."""
        number = self._libc.inotify_add_watch(self._fd, os.fsencode(file), _MODIFY | _ACCESS | _CLOSE_NOWRITE)
        if number >= 0:
            self._paths[number] = name
        return number >= 0 or not file.exists()

    def events(self) -> list[tuple[str, int]]:
        """(file, modified or read) since the last call."""
        found: list[tuple[str, int]] = []
        while True:
            try:
                data = os.read(self._fd, 1 << 16)
            except BlockingIOError:
                return found
            at = 0
            while at < len(data):
                number, mask, _cookie, length = _EVENT.unpack_from(data, at)
                at += _EVENT.size + length
                if mask & _IGNORED:
                    self._paths.pop(number, None)
                elif number in self._paths:
                    found.append((self._paths[number], _MODIFY if mask & _MODIFY else _ACCESS))

    def close(self) -> None:
        os.close(self._fd)
