"""The files that belong together: who imports whom, and which files mention a name. They are read, never imported.

Forward, an import is followed to any file below the root of the project, scanned or not. Backward (who calls this?)
only the scanned files are looked at. Files are parsed when something asks for them.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.source.module import Module, Problem
from wattleak.source.reading import NOTEBOOK_SUFFIX, bytes_of, module_of, notebook_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.source.calls import Located, Site

_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg", ".hg")
_KEPT = 500  # parsed modules; a tree takes some fifty times the memory of its text


class Project:
    """A set of scanned files, and what they import."""

    def __init__(self, files: Iterable[Path] = ()) -> None:
        self._files = [Path(os.path.realpath(path)) for path in files]
        self._texts: dict[Path, bytes | None] = {}
        self._modules: OrderedDict[Path, Module | None] = OrderedDict()
        self._found: dict[tuple[Path, str], Path | None] = {}
        self._holding: dict[str, list[Path]] = {}
        self._fingerprint = ""
        self.busy: set[object] = set()  # functions whose callers are being looked for, so that none waits for itself
        self.cuts = 0  # answers that were cut short for it, or for lack of patience: what rests on them is not kept
        self.steps: int | None = None  # that the question being answered has taken; None: there is none
        self.callers: dict[object, tuple[list[Site], list[Located]]] = {}  # what `calls.references` found
        self.asked: set[Path] = set()  # files whose content, or absence, has been looked at since `begin`
        self.asked_whole = False  # all files were searched since `begin`

    def begin(self) -> None:
        """Forget what was asked: from here on it is for another file."""
        self.asked, self.asked_whole = set(), False

    def adopt(self, module: Module) -> Module:
        """Return `module` as a part of this project."""
        mine = replace(module, project=self)
        self._keep(Path(os.path.realpath(module.path)), mine)
        return mine

    def module_at(self, path: Path) -> Module | None:
        """Return the module in a file; None: there is none, or it cannot be read."""
        path = Path(os.path.realpath(path))
        self.asked.add(path)
        if path in self._modules:
            self._modules.move_to_end(path)
            return self._modules[path]
        data = self._data(path)
        parsed: Module | None = None
        if data is not None:
            if path.suffix == NOTEBOOK_SUFFIX:
                parts = notebook_of(path, data)
                parsed = None if isinstance(parts, Problem) else parts.module
            else:
                read = module_of(path, data)
                parsed = None if isinstance(read, Problem) else read
        self._keep(path, None if parsed is None else replace(parsed, project=self))
        return self._modules[path]

    def find(self, folder: Path, parts: tuple[str, ...]) -> tuple[Path, tuple[str, ...]] | None:
        """Follow dotted names from a folder: return the module file or folder reached, and the names left over."""
        here, reached = folder, None
        for number, part in enumerate(parts):
            below = self._step(here, part)
            if below is None:
                break
            reached = (below, parts[number + 1 :])
            if below.suffix:
                break
            here = below
        return reached

    def import_folders(self, origin: Path) -> Iterator[Path]:
        """Yield the folders in which an absolute import of `origin` may be found, nearest first."""
        folder = Path(os.path.realpath(origin)).parent
        while (folder / "__init__.py").is_file() and folder.parent != folder:
            folder = folder.parent
        root = project_root(folder)
        while True:
            yield folder
            if (folder / "src").is_dir():
                yield folder / "src"
            if folder in {root, folder.parent}:
                return
            folder = folder.parent

    def mentioning(self, name: str) -> Iterator[Module]:
        """Yield the scanned modules whose text holds `name`."""
        self.asked_whole = True
        if name not in self._holding:
            word = name.encode()
            python = (path for path in self._files if path.suffix in {".py", ".pyw", NOTEBOOK_SUFFIX})
            self._holding[name] = [path for path in python if word in (self._data(path) or b"")]
        for path in self._holding[name]:
            module = self.module_at(path)
            if module is not None:
                yield module

    def content_of(self, path: Path) -> str | None:
        """Return a digest of a file; None: it does not exist or cannot be read."""
        data = self._data(Path(os.path.realpath(path)))
        return None if data is None else hashlib.sha256(data).hexdigest()

    def fingerprint(self) -> str:
        """Return a digest of all scanned files together."""
        if not self._fingerprint:
            whole = hashlib.sha256()
            for path in self._files:
                whole.update(f"{os.fsencode(path)!r} {self.content_of(path)}\n".encode())
            self._fingerprint = whole.hexdigest()
        return self._fingerprint

    def _keep(self, path: Path, module: Module | None) -> None:
        self._modules[path] = module
        self._modules.move_to_end(path)
        while len(self._modules) > _KEPT:
            self._modules.popitem(last=False)

    def _data(self, path: Path) -> bytes | None:
        if path not in self._texts:
            data = bytes_of(path)
            self._texts[path] = None if isinstance(data, Problem) else data
        return self._texts[path]

    def _step(self, folder: Path, part: str) -> Path | None:
        """Return what `import part` finds in a folder: a file, or a folder with or without an __init__.py."""
        key = (folder, part)
        if key not in self._found:
            file = folder / f"{part}.py"
            package = folder / part
            self._found[key] = (
                package if (package / "__init__.py").is_file() else file if file.is_file() else _namespace(package)
            )
        self.asked.update({folder / f"{part}.py", folder / part / "__init__.py"})
        return self._found[key]


def project_root(folder: Path) -> Path:
    """Return the nearest folder, from `folder` upwards, that is marked as the root of a project; else `folder`."""
    for candidate in (folder, *folder.parents):
        if any((candidate / mark).exists() for mark in _ROOT_MARKS):
            return candidate
    return folder


def _namespace(folder: Path) -> Path | None:
    """A folder without __init__.py counts when it holds modules: `data/` beside a script is mostly just data."""
    try:
        return folder if folder.is_dir() and any(entry.suffix == ".py" for entry in folder.iterdir()) else None
    except OSError:
        return None


class Lone(Project):
    """A module that was read alone: a project of one."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        self._module = module

    def mentioning(self, name: str) -> Iterator[Module]:
        if name in self._module.text:
            yield self._module
