"""Which files a scan reads."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.source.module import Problem
from wattleak.source.reading import NOTEBOOK_SUFFIX
from wattleak.source.variables.reading import Kind, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SKIPPED = frozenset({"node_modules", "__pycache__"})  # and every hidden folder, and every virtual environment
_PYTHON = frozenset({".py", ".pyw"})
_SHELLS = ("bash", "/sh", " sh", "zsh", "ksh", "dash")


class Language(Enum):
    """What a scan reads beside the kinds of `source.variables`."""

    PYTHON = "python"
    NOTEBOOK = "notebook"


def language_of(path: Path) -> Language | Kind | None:
    """Return what a file is written in, by its name, or by its first line where the name has no ending."""
    if path.suffix in _PYTHON:
        return Language.PYTHON
    if path.suffix == NOTEBOOK_SUFFIX:
        return Language.NOTEBOOK
    kind = kind_of(path.name)
    return _by_first_line(path) if kind is None and not path.suffix else kind


def source_files(paths: Sequence[Path]) -> Iterator[Path | Problem]:
    """Yield the files among and below `paths` that can be read, each once, folders in the order of their names.

    Symbolic links to folders are not followed. What cannot be read is yielded as a Problem.

    Raises:
        UsageError: a path does not exist.
    """
    for path in paths:
        _check(path)
    seen: set[str] = set()
    for path in paths:
        for found in _below(path) if path.is_dir() else _single(path):
            real = os.path.realpath(found.path if isinstance(found, Problem) else found)
            if real not in seen:
                seen.add(real)
                yield found


def _check(path: Path) -> None:
    try:
        path.stat()
    except FileNotFoundError:
        raise UsageError(f"there is no file or folder {path}", "check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be scanned: {reason}", "check the path and its permissions") from error


def _single(path: Path) -> Iterator[Path | Problem]:
    if language_of(path) is not None:
        yield path
    else:
        kinds = "Python, notebooks, shell scripts, Dockerfiles, .env, YAML, TOML and JSON"
        yield Problem(path, f"was not scanned: only {kinds} are read")


def _below(folder: Path) -> Iterator[Path | Problem]:
    unreadable: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if _is_entered(Path(here, name)))
        for name in sorted(files):
            path = Path(here, name)
            if language_of(path) is not None:
                yield path
    for error in unreadable:
        yield Problem(Path(os.fsdecode(error.filename)), f"cannot be read: {error.strerror}")


def _is_entered(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in _SKIPPED
    return not hidden and not os.path.lexists(folder / "pyvenv.cfg")


def _by_first_line(path: Path) -> Language | Kind | None:
    try:
        if not path.is_file():  # a pipe would never end
            return None
        with path.open("rb") as file:
            first = file.readline(200)
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    command = first.decode("utf-8", "replace")
    if "python" in command:
        return Language.PYTHON
    return Kind.SHELL if any(shell in command for shell in _SHELLS) else None
