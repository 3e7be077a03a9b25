"""Which files a scan reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.source.module import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SKIPPED = frozenset({"node_modules", "__pycache__"})  # and every hidden folder, and every virtual environment
_SUFFIX = ".py"


def python_files(paths: Sequence[Path]) -> Iterator[Path | Problem]:
    """Yield the Python files among and below `paths`, each once, folders in the order of their names.

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
    if path.suffix == _SUFFIX:
        yield path
    else:
        yield Problem(path, "was not scanned: only .py files are read")


def _below(folder: Path) -> Iterator[Path | Problem]:
    unreadable: list[OSError] = []
    for here, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(name for name in folders if _is_entered(Path(here, name)))
        yield from (Path(here, name) for name in sorted(files) if name.endswith(_SUFFIX))
    for error in unreadable:
        yield Problem(Path(os.fsdecode(error.filename)), f"cannot be read: {error.strerror}")


def _is_entered(folder: Path) -> bool:
    hidden = folder.name.startswith(".") or folder.name in _SKIPPED
    return not hidden and not os.path.lexists(folder / "pyvenv.cfg")
