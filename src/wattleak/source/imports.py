"""Which files of the user's own a program imports, found by reading them: nothing is run.

Seen are `import` statements at any depth of the code, and `import_module("name")` with a name that is written out.
What a program puts together at run time is not seen.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.source.module import Module
from wattleak.source.reading import parse, read
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_FILES = 500
"""Files that are followed. A program of more is recorded in part, and `imported_files` says so."""

_INSTRUMENT = "wattleak"  # part of no variant: its version stands in every document


def imported_files(
    starts: Iterable[Path], roots: Sequence[Path], *, code: Iterable[str] = ()
) -> tuple[tuple[Path, ...], bool]:
    """The files `starts`, and every file under one of `roots` that they import, directly or not.

    `roots` are folders that imports are looked up in, in this order, after the folder of a start itself. `code` are
    programs given on the command line. The second value says whether there were too many to follow.
    """
    found: dict[Path, None] = {}
    waiting: list[tuple[Path, tuple[Path, ...]]] = [
        (start.resolve(), tuple(dict.fromkeys((start.resolve().parent, *roots)))) for start in starts
    ]
    for text in code:
        parsed = parse(text, Path("<command line>"))
        if isinstance(parsed, Module):
            waiting += [(path, tuple(roots)) for path in _imports(parsed, None, roots)]
    while waiting:
        path, search = waiting.pop(0)
        if path in found:
            continue
        if len(found) == MOST_FILES:
            return tuple(found), True
        found[path] = None
        parsed = read(path)
        if isinstance(parsed, Module):
            waiting += [(other, search) for other in _imports(parsed, path, search)]
    return tuple(found), False


def module_file(name: str, roots: Sequence[Path]) -> Path | None:
    """The file that `python -m name` runs, where it is one of the user's own."""
    for root in roots:
        place = root.joinpath(*name.split("."))
        for path in (place / "__main__.py", place.with_name(place.name + ".py")):
            if path.is_file():
                return path.resolve()
    return None


def _imports(module: Module, path: Path | None, roots: Sequence[Path]) -> Iterator[Path]:
    for node in walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(alias.name, roots)
        elif isinstance(node, ast.ImportFrom):
            yield from _from(node, path, roots)
        elif isinstance(node, ast.Call) and _is_import_module(node):
            (name,) = (argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant))
            yield from _files(str(name), roots)


def _from(node: ast.ImportFrom, path: Path | None, roots: Sequence[Path]) -> Iterator[Path]:
    """`from a.b import c`: the packages a and a.b, and c where it is a module itself. Leading dots climb folders."""
    inside: Sequence[Path] = roots
    if node.level:
        if path is None or len(path.parents) < node.level:
            return
        inside = (path.parents[node.level - 1],)
    if node.module:
        yield from _files(node.module, inside)
    for alias in node.names:
        yield from _files(".".join(filter(None, (node.module, alias.name))), inside)


def _is_import_module(node: ast.Call) -> bool:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    first = node.args[0] if node.args else None
    return (
        name == "import_module"
        and isinstance(first, ast.Constant)
        and isinstance(first.value, str)
        and not first.value.startswith(".")
    )


def _files(name: str, roots: Sequence[Path]) -> Iterator[Path]:
    """Files that `import name` runs: each package on the way, and the module. Empty where it is nobody's own."""
    parts = name.split(".")
    if parts[0] == _INSTRUMENT or not all(parts):
        return
    for root in roots:
        place = root
        met: list[Path] = []
        for part in parts:
            place /= part
            if (place / "__init__.py").is_file():
                met.append((place / "__init__.py").resolve())
            elif place.with_name(part + ".py").is_file():
                met.append(place.with_name(part + ".py").resolve())
                break
            elif not place.is_dir():
                break
        if met:
            yield from met
            return
