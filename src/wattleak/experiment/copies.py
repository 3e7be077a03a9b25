"""Copies of a project, in which a variant can run with its own source and without touching the project.

    STORE/copies/1f2e3d4c/v0/     the project as it is
    STORE/copies/1f2e3d4c/v1/     the same, with other texts in some files

Paths of one set have the same length, so that no variant has a longer environment than another. A copy is whole where a
program may write: source, configuration, small files. What is large is a link to the original (the limits are below): a
program that writes there writes into the project, as it would by itself. Left out are version control, virtual
environments, caches of tools and the store. Copies stay, so that an experiment can be resumed and read again.

A program sees the folders that it knows. Started in a folder of the project, it runs in the same folder of the copy.
Started elsewhere, it runs in a folder in which everything is a link to that place and the project alone is a copy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LARGE_FILE_B = 10_000_000
"""A larger file is linked, not copied: hand-written files are a hundredth of it. An assumption."""

LARGE_FOLDER_B, LARGE_FOLDER_FILES = 100_000_000, 2_000
"""A folder with more than this, larger files apart, is linked as a whole: data sets of many small files."""

_MOST_B, _MOST_FILES = 500_000_000, 20_000  # of one copy; whoever has more has named too large a project
_FOLDER = "copies"
_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", ".wattleak", "__pycache__", "node_modules", ".ipynb_checkpoints"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", ".nox"}
)
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie inside the place of one variant. All paths are resolved."""

    root: Path  # of the project
    here: Path  # the folder that the program is started in
    store: Path

    @property
    def inside(self) -> str:
        """The copy of the project, as seen from the place."""
        if self.here.is_relative_to(self.root):
            return "."
        if self.root.is_relative_to(self.here):
            return str(self.root.relative_to(self.here))
        name = self.root.name or "project"
        while os.path.lexists(self.here / name):
            name += "_"
        return name

    def folder(self, place: Path) -> Path:
        """Where the program runs."""
        return place / self.here.relative_to(self.root) if self.inside == "." else place

    def copied(self, place: Path, path: Path) -> Path:
        """The copy of a file or folder of the project."""
        return place / self.inside / path.relative_to(self.root)

    def word(self, path: Path) -> str:
        """A path of the project as the program is given it: the same text for every variant."""
        place = self.store / _FOLDER
        return os.path.relpath(self.copied(place, path), self.folder(place))


@dataclass(frozen=True, slots=True)
class Survey:
    """What a copy holds, as paths below the root, folders before what is in them."""

    folders: tuple[Path, ...]
    files: tuple[Path, ...]
    links: tuple[tuple[Path, str], ...]  # and what they point to: too large to copy, or links already
    large: tuple[Path, ...]  # those of `links` that are too large to copy
    size_b: int  # of the files


def copies_folder(store: Path, token: str) -> Path:
    """Where the set of copies of that name lies."""
    return store.resolve() / _FOLDER / token


def places(store: Path, token: str, count: int) -> list[Path]:
    """The places of so many variants; none is made."""
    digits = len(str(count - 1))
    return [copies_folder(store, token) / f"v{number:0{digits}}" for number in range(count)]


def place_of(folder: Path, store: Path) -> Path:
    """The place of the variant that runs in `folder`; the folder itself where it is no copy of this store."""
    top = store.resolve() / _FOLDER
    return top.joinpath(*folder.relative_to(top).parts[:2]) if folder.is_relative_to(top) else folder


def survey(layout: Layout, whole: Iterable[Path]) -> Survey:
    """Look through the project. Folders on the way to one of `whole`, and these files, are never linked.

    Raises:
        UsageError: there is more to copy than a project of code has.
        OwnFailure: a folder cannot be read.
    """
    kept = {layout.root, layout.here, *layout.here.parents}
    for path in whole:
        kept |= {path, *path.parents}
    try:
        return _survey(layout, kept)
    except OSError as error:
        raise OwnFailure(
            f"cannot read {error.filename}: {error.strerror}", "name another folder: --root DIR"
        ) from error


def _survey(layout: Layout, kept: set[Path]) -> Survey:
    folders: list[Path] = []
    files: list[Path] = []
    links: list[tuple[Path, str]] = []
    large: list[Path] = []
    size_b = 0
    for entry, size in _entries(layout.root, layout.store, kept):
        path = Path(entry.path)
        below = path.relative_to(layout.root)
        if entry.is_symlink():
            links.append((below, _target(path, layout)))
        elif size is None:
            links.append((below, str(path)))
            large.append(below)
        elif entry.is_dir():
            folders.append(below)
        else:
            files.append(below)
            size_b += size
        if len(files) > _MOST_FILES or size_b > _MOST_B:
            raise UsageError(
                f"{layout.root} holds more than {_MOST_FILES} files or {_MOST_B // 1_000_000} MB to copy",
                "name the folder that the script needs, and no more: --root DIR",
            )
    return Survey(tuple(folders), tuple(files), tuple(links), tuple(large), size_b)


def make_copy(layout: Layout, found: Survey, place: Path, texts: Mapping[Path, bytes]) -> None:
    """Copy the project to `place`, with other content in the files that `texts` names (absolute paths of the project).

    Raises:
        OwnFailure: something cannot be read or written.
    """
    try:
        place.mkdir(parents=True)
        if layout.inside != ".":
            _link_surroundings(layout, place)
        top = place / layout.inside
        top.mkdir(exist_ok=True)
        for folder in found.folders:
            (top / folder).mkdir()
        for file in found.files:
            with contextlib.suppress(FileNotFoundError):  # it has gone meanwhile, as it would for the program
                shutil.copy2(layout.root / file, top / file)
        for link, target in found.links:
            (top / link).symlink_to(target)
        for path, content in texts.items():
            layout.copied(place, path).write_bytes(content)
    except OSError as error:
        raise OwnFailure(
            f"cannot copy {layout.root} to {place}: {error}", "free space there, or choose another: --store DIR"
        ) from error


def was_imported(module: Path) -> bool:
    """Whether Python has compiled a module: it did so when it imported it, unless it was told to write no bytecode."""
    return any((module.parent / "__pycache__").glob(f"{module.stem}.*.pyc"))


def _entries(folder: Path, store: Path, kept: set[Path]) -> Iterator[tuple[os.DirEntry[str], int | None]]:
    """Everything below a folder that belongs into a copy, with its size; None: it is large and will be a link."""
    for entry in _listed(folder):
        path = Path(entry.path)
        if entry.is_symlink():
            yield entry, 0
        elif entry.is_dir():
            if _is_left_out(path, store):
                continue
            if path not in kept and _is_large(path, store):
                yield entry, None
                continue
            yield entry, 0
            yield from _entries(path, store, kept)
        elif entry.is_file():
            size = entry.stat().st_size
            yield entry, size if size <= LARGE_FILE_B or path in kept else None


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _is_left_out(folder: Path, store: Path) -> bool:
    if folder.name in _LEFT_OUT or folder == store:
        return True
    return any((folder / mark).exists() for mark in _ENVIRONMENT_MARKS)


def _is_large(folder: Path, store: Path) -> bool:
    """Whether it holds too much to copy. So does one that cannot be read: nobody knows."""
    files = size_b = 0
    waiting = [folder]
    while waiting:
        try:
            entries = _listed(waiting.pop())
        except PermissionError:
            return True
        for entry in entries:
            if entry.is_symlink():
                continue
            if entry.is_dir():
                if not _is_left_out(Path(entry.path), store):
                    waiting.append(Path(entry.path))
            elif entry.is_file():
                size = entry.stat().st_size
                files += 1
                size_b += size if size <= LARGE_FILE_B else 0
        if files > LARGE_FOLDER_FILES or size_b > LARGE_FOLDER_B:
            return True
    return False


def _target(link: Path, layout: Layout) -> str:
    """What the copy of a symbolic link points to: inside the project the copy, outside what it points to now."""
    written = link.readlink()
    goal = Path(os.path.normpath(link.parent / written))
    if not goal.is_relative_to(layout.root):
        return str(goal)
    on_the_way = [part for part in (goal, *goal.parents) if part != layout.root and part.is_relative_to(layout.root)]
    if any(_is_left_out(part, layout.store) for part in on_the_way):
        return str(goal)
    return os.path.relpath(goal, link.parent)


def _link_surroundings(layout: Layout, place: Path) -> None:
    """Links to everything around the project, from the folder that the program is started in."""
    way = [layout.here]
    if layout.root.is_relative_to(layout.here):
        while way[-1] != layout.root.parent:
            way.append(way[-1] / layout.root.relative_to(way[-1]).parts[0])
    copied = {*way, layout.root}
    for folder in way:
        mirror = place / folder.relative_to(layout.here)
        mirror.mkdir(exist_ok=True)
        for entry in _listed(folder):
            path = Path(entry.path)
            if path not in copied and path != layout.store and path.name not in _LEFT_OUT:
                (mirror / entry.name).symlink_to(path)
