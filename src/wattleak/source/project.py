"""The files that belong together: who imports whom, and which files mention a name. They are read, never imported.

Forward, an import is followed to any file below the root of the project, scanned or not. Backward (who calls this?)
only the scanned files are looked at. Files are parsed when something asks for them.

Of a file that was read a digest stays, and what may be needed again as far as there is room: parsed modules, and the
text of Python in which names are looked for. What finds no room is read again.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.source.module import Module, Problem
from wattleak.source.notebook import code_of
from wattleak.source.reading import NOTEBOOK_SUFFIX, bytes_of, module_of, notebook_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.source.calls import Located, Site

_ROOT_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg", ".hg")
_KEPT = 500  # parsed modules
_KEPT_B = 512_000_000  # that they take, about
_TREE = 50  # a tree takes so many times the memory of its text
_SEARCHED_B = 256_000_000  # texts in which names are looked for
_LARGE_NOTEBOOK_B = 200_000  # of a larger one only the code is kept, as it is mostly pictures


class Project:
    """A set of scanned files, and what they import."""

    def __init__(self, files: Iterable[Path] = ()) -> None:
        self._files = [Path(os.path.realpath(path)) for path in files]
        self._digests: dict[Path, str | None] = {}
        self._texts: dict[Path, bytes] = {}
        self._texts_b = 0
        self._modules: OrderedDict[Path, Module | None] = OrderedDict()
        self._modules_b = 0
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
        data = _data(path)
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
            self._holding[name] = [path for path in python if word in self._searched(path)]
        for path in self._holding[name]:
            module = self.module_at(path)
            if module is not None:
                yield module

    def content_of(self, path: Path) -> str | None:
        """Return a digest of a file; None: it does not exist or cannot be read."""
        path = Path(os.path.realpath(path))
        if path not in self._digests:
            data = _data(path)
            self._digests[path] = None if data is None else hashlib.sha256(data).hexdigest()
        return self._digests[path]

    def fingerprint(self) -> str:
        """Return a digest of all scanned files together."""
        if not self._fingerprint:
            whole = hashlib.sha256()
            for path in self._files:
                whole.update(f"{os.fsencode(path)!r} {self.content_of(path)}\n".encode())
            self._fingerprint = whole.hexdigest()
        return self._fingerprint

    def _keep(self, path: Path, module: Module | None) -> None:
        self._modules_b += _memory_b(module) - _memory_b(self._modules.pop(path, None))
        self._modules[path] = module
        while len(self._modules) > 1 and (len(self._modules) > _KEPT or self._modules_b > _KEPT_B):
            self._modules_b -= _memory_b(self._modules.popitem(last=False)[1])

    def _searched(self, path: Path) -> bytes:
        """Return the text of a file in which names are looked for; nothing where it cannot be read."""
        if path in self._texts:
            return self._texts[path]
        text = _python_in(path)
        if self._texts_b + len(text) <= _SEARCHED_B:
            self._texts[path] = text
            self._texts_b += len(text)
        return text

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


def _data(path: Path) -> bytes | None:
    data = bytes_of(path)
    return None if isinstance(data, Problem) else data


def _python_in(path: Path) -> bytes:
    data = _data(path) or b""
    if path.suffix != NOTEBOOK_SUFFIX or len(data) <= _LARGE_NOTEBOOK_B:
        return data
    code = code_of(data.decode("utf-8-sig", "replace"), path)
    return b"" if isinstance(code, Problem) else code.python.encode("utf-8", "surrogatepass")


def _memory_b(module: Module | None) -> int:
    """Return about how much of it a module takes."""
    if module is None:
        return 0
    return _TREE * len(module.text) + (len(module.notebook.text) if module.notebook else 0)


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
