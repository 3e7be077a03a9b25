"""Making the fixes that a scan offers: as a diff to read, or in the files."""

from __future__ import annotations

import difflib
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError
from wattleak.scanner.cache import digest
from wattleak.scanner.walk import Language, language_of
from wattleak.source.edits import apply
from wattleak.source.lined import Lined
from wattleak.source.module import Module, Problem
from wattleak.source.reading import bytes_of, module_of, notebook_of
from wattleak.source.variables.reading import Kind, VariableFile, variable_file_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.model import Edit, Finding
    from wattleak.scanner.scan import ScanResult
    from wattleak.source.notebook import Notebook


@dataclass(frozen=True, slots=True)
class Change:
    """What the fixes make of a file. `fixed` are the findings whose fixes are in it."""

    path: Path
    before: str
    after: str
    encoding: str
    fixed: tuple[Finding, ...]
    content: str  # digest of the file that was read
    cells: tuple[tuple[int, str, str], ...] = ()  # of a notebook: number, source before, source after


@dataclass(frozen=True)
class _Text(Lined):
    path: Path
    text: str


def changes(result: ScanResult, *, unsafe: bool = False) -> list[Change]:
    """Return what the fixes of `result` change: the safe ones, with `unsafe` all.

    Of two fixes that touch the same text, the first is made; a scan of what came out offers the other. A file that
    would not parse any more, or that changed since it was scanned, is left as it is.
    """
    by_path: dict[Path, list[Finding]] = {}
    for finding in result.findings:
        if finding.fix is not None and (finding.fix.safe or unsafe):
            by_path.setdefault(finding.path, []).append(finding)
    made = (_change(path, found, result.digests.get(path)) for path, found in by_path.items())
    return [change for change in made if change is not None and change.after != change.before]


def write(change: Change) -> None:
    """Write a change to its file, at once, keeping its permissions.

    Raises:
        OwnFailure: the file cannot be written, or was changed by somebody else meanwhile.
    """
    target = Path(os.path.realpath(change.path))
    try:
        if digest(target.read_bytes()) != change.content:
            raise OwnFailure(f"{change.path} was changed while it was scanned", "scan again")
        mode = target.stat().st_mode
        with tempfile.NamedTemporaryFile("wb", dir=target.parent, prefix=".wattleak-", delete=False) as new:
            new.write(change.after.encode(change.encoding))
        try:
            Path(new.name).chmod(mode & 0o7777)
            Path(new.name).replace(target)
        except OSError:
            with suppress(OSError):
                Path(new.name).unlink()
            raise
    except (OSError, UnicodeEncodeError) as error:
        raise OwnFailure(f"cannot write {change.path}: {error}", "check its permissions") from error


def render_diff(made: Iterable[Change]) -> str:
    """Return the changes as one patch; of a notebook, a diff of each cell."""
    return "".join(text for change in made for text in _diff(change))


def _diff(change: Change) -> Iterator[str]:
    name = os.fsencode(change.path).decode("utf-8", "backslashreplace")
    if not change.cells:
        yield from _unified(change.before, change.after, f"a/{name}", f"b/{name}")
    for number, before, after in change.cells:
        yield from _unified(before, after, f"a/{name} cell {number}", f"b/{name} cell {number}")


def _unified(before: str, after: str, old: str, new: str) -> Iterator[str]:
    for line in difflib.unified_diff(_kept_ends(before), _kept_ends(after), old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _kept_ends(text: str) -> list[str]:
    """Return the lines as patch counts them: split at line feeds only."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _change(path: Path, found: list[Finding], content: str | None) -> Change | None:
    data = bytes_of(path)
    if isinstance(data, Problem) or digest(data) != content:
        return None
    parsed = _parsed(path, data)
    if parsed is None:
        return None
    text, encoding, notebook = parsed
    fixed: list[Finding] = []
    edits: list[Edit] = []
    after = text
    cells: tuple[tuple[int, str, str], ...] = ()
    for finding in found:
        more = [*edits, *(finding.fix.edits if finding.fix else ())]
        try:
            candidate, parts = _edited(path, text, notebook, more)
        except UsageError:  # it touches what an earlier fix touches
            continue
        if _parsed(path, candidate.encode(encoding)) is None:
            continue
        fixed.append(finding)
        edits, after, cells = more, candidate, parts
    return Change(path, text, after, encoding, tuple(fixed), content, cells)


def _edited(
    path: Path, text: str, notebook: Notebook | None, edits: list[Edit]
) -> tuple[str, tuple[tuple[int, str, str], ...]]:
    if notebook is None:
        return apply(_Text(path, text), edits), ()
    sources = {}
    for cell in notebook.cells:
        inside = [edit for edit in edits if edit.cell == cell.number]
        if inside:
            sources[cell.number] = apply(_Text(path, cell.source), inside)
    cells = tuple((cell.number, cell.source, sources[cell.number]) for cell in notebook.cells if cell.number in sources)
    return notebook.rewritten(sources), cells


def _parsed(path: Path, data: bytes) -> tuple[str, str, Notebook | None] | None:
    """Return text, encoding and notebook of a file that can be read; None: it cannot."""
    language = language_of(path)
    if language is Language.NOTEBOOK:
        parts = notebook_of(path, data)
        if isinstance(parts, Problem) or parts.module.notebook is None:
            return None
        return parts.module.notebook.text, parts.module.encoding, parts.module.notebook
    if isinstance(language, Kind):
        file = variable_file_of(path, data, language)
        return (file.text, file.encoding, None) if isinstance(file, VariableFile) and file.problem is None else None
    module = module_of(path, data)
    return (module.text, module.encoding, None) if isinstance(module, Module) else None
