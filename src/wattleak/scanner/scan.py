"""Run the smells over files, without importing or running any of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.cpus import usable_cpus
from wattleak.errors import UsageError
from wattleak.model import Confidence, Persona
from wattleak.scanner.cache import Cache, FileResult, digest
from wattleak.scanner.suppressions import suppressions
from wattleak.scanner.walk import Language, language_of, source_files
from wattleak.smells.registry import find_room, nearest, rooms
from wattleak.source.edits import in_cell
from wattleak.source.lined import Span
from wattleak.source.module import Module, Problem
from wattleak.source.project import Project
from wattleak.source.reading import bytes_of, module_of, notebook_of
from wattleak.source.variables.reading import Kind, VariableFile, variable_file_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wattleak.model import Finding
    from wattleak.scanner.baseline import Baseline
    from wattleak.smells.registry import Room
    from wattleak.source.notebook import Notebook

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found. Files that could not be read are in `problems`, never silently left out."""

    findings: tuple[Finding, ...]  # by path, line, column
    files: tuple[Path, ...]  # those that were read
    problems: tuple[Problem, ...]
    cpus: int  # that thread numbers were compared with
    suppressed: tuple[Finding, ...] = ()  # allowed by a comment
    excerpts: Mapping[tuple[Path, int | None, int], str] = field(default_factory=dict)  # path, cell, line -> its text
    hidden: tuple[Finding, ...] = ()  # for auditors only
    known: tuple[Finding, ...] = ()  # in the baseline
    digests: Mapping[Path, str] = field(default_factory=dict)  # of what the files held when they were read

    def excerpt(self, finding: Finding) -> str | None:
        """Return the source line on which a finding begins."""
        return self.excerpts.get((finding.path, finding.cell, finding.line))


def compared_cpus() -> int:
    """Return how many CPUs numbers of threads are compared with.

    Raises:
        UsageError: the system does not tell.
    """
    count = usable_cpus()
    if count is None:
        raise UsageError("this system does not tell how many CPUs it has", "give the number: --cpus N")
    return count


def scan(
    paths: PathLike | Iterable[PathLike],
    *,
    cpus: int | None = None,
    select: Iterable[str] | None = None,
    persona: Persona | str = Persona.DEFAULT,
    baseline: Baseline | None = None,
    cache: Cache | None = None,
) -> ScanResult:
    """Scan files and folders for smells.

    Args:
        paths: a file or folder, or several.
        cpus: CPUs that the code may use where it runs; None: those that this process may use.
        select: codes or names of the smells to look for; None: all.
        persona: who reads the findings; an auditor sees weak suspicions too.
        baseline: findings that are known already and not shown.
        cache: results of earlier scans; None: every file is looked at anew.

    Raises:
        UsageError: a path does not exist, a smell or persona is unknown, `cpus` is no number of CPUs.
    """
    if cpus is not None and cpus < 1:
        raise UsageError(f"{cpus} is no number of CPUs", "give 1 or more")
    if persona not in list(Persona):
        raise UsageError(f"there is no persona {persona!r}", f"type one of {', '.join(Persona)}")
    compared = compared_cpus() if cpus is None else cpus
    chosen = rooms() if select is None else tuple(dict.fromkeys(find_room(name) for name in select))
    wanted = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not wanted:
        raise UsageError("there is nothing to scan", "name a file or a folder")
    found = list(source_files(wanted))
    project = Project([path for path in found if isinstance(path, Path)])
    reader = _Reader(chosen, compared, project, cache or Cache.none())
    results = [
        (path, FileResult.of_problem(path) if isinstance(path, Problem) else reader.read(path)) for path in found
    ]
    reader.cache.save()
    shown: list[Finding] = []
    hidden: list[Finding] = []
    known: list[Finding] = []
    excerpts = {key: text for _, result in results for key, text in result.excerpts.items()}
    for finding in (finding for _, result in results for finding in result.findings):
        if baseline is not None and baseline.knows(
            finding, excerpts.get((finding.path, finding.cell, finding.line), "")
        ):
            known.append(finding)
        elif persona != Persona.AUDITOR and _is_for_auditors(finding):
            hidden.append(finding)
        else:
            shown.append(finding)
    return ScanResult(
        tuple(shown),
        tuple(path for path, result in results if isinstance(path, Path) and result.was_read),
        tuple(problem for _, result in results for problem in result.problems),
        compared,
        tuple(finding for _, result in results for finding in result.suppressed),
        excerpts,
        tuple(hidden),
        tuple(known),
        {path: result.digest for path, result in results if isinstance(path, Path) and result.digest},
    )


def _is_for_auditors(finding: Finding) -> bool:
    return finding.persona is Persona.AUDITOR or finding.confidence is Confidence.LOW


class _Reader:
    """Reads one file after the other."""

    def __init__(self, chosen: tuple[Room, ...], cpus: int, project: Project, cache: Cache) -> None:
        self.chosen, self.cpus, self.project, self.cache = chosen, cpus, project, cache

    def read(self, path: Path) -> FileResult:
        data = bytes_of(path)
        if isinstance(data, Problem):
            return FileResult.of_problem(data)
        content = digest(data)
        stored = self.cache.get(path, content, self.project)
        if stored is not None:
            return stored
        self.project.begin()
        result = replace(self._analyse(path, data), digest=content)
        self.cache.put(path, content, result, self.project)
        return result

    def _analyse(self, path: Path, data: bytes) -> FileResult:
        match language_of(path):
            case Language.PYTHON:
                module = module_of(path, data)
                return FileResult.of_problem(module) if isinstance(module, Problem) else self._of_module(module)
            case Language.NOTEBOOK:
                return self._of_notebook(path, data)
            case Kind() as kind:
                file = variable_file_of(path, data, kind)
                if isinstance(file, Problem):
                    return FileResult.of_problem(file)
                return FileResult() if file is None else self._of_variables(file)
            case None:
                return FileResult.of_problem(Problem(path, "changed while it was scanned"))

    def _of_module(self, module: Module, notebook: Notebook | None = None) -> FileResult:
        module = self.project.adopt(module)
        found: list[Finding] = []
        failed: list[Problem] = []
        for room in self.chosen:
            try:
                found += room.detect(module, cpus=self.cpus)
            except Exception as error:  # noqa: BLE001 - a rule may be anybody's; it must not take the others down with it
                failed.append(_failure(module.path, room, error))
        return _sorted_out(module, found, failed, notebook)

    def _of_notebook(self, path: Path, data: bytes) -> FileResult:
        parts = notebook_of(path, data)
        if isinstance(parts, Problem):
            return FileResult.of_problem(parts)
        notebook = parts.module.notebook
        python = self._of_module(parts.module, notebook)
        shell = self._of_variables(VariableFile(path, parts.shell, Kind.NOTEBOOK), notebook)
        return FileResult(
            _in_order((*python.findings, *shell.findings)),
            (*python.suppressed, *shell.suppressed),
            (*parts.problems, *python.problems, *shell.problems),
            {**python.excerpts, **shell.excerpts},
        )

    def _of_variables(self, file: VariableFile, notebook: Notebook | None = None) -> FileResult:
        found: list[Finding] = []
        failed: list[Problem] = []
        for room in self.chosen:
            if room.detect_variables is None:
                continue
            try:
                found += room.detect_variables(file, cpus=self.cpus)
            except Exception as error:  # noqa: BLE001 - as above
                failed.append(_failure(file.path, room, error))
        if "_read" in file.__dict__ and file.problem is not None:  # a rule wanted to know, and nobody could tell it
            failed.append(file.problem)
        return _sorted_out(file, found, failed, notebook)


def _failure(path: Path, room: Room, error: Exception) -> Problem:
    return Problem(path, f"{room.smell.code} failed on it: {type(error).__name__}: {error}")


def _in_order(found: Iterable[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(found, key=lambda item: (item.cell or 0, item.line, item.column, item.code)))


def _sorted_out(
    file: Module | VariableFile, found: Iterable[Finding], failed: list[Problem], notebook: Notebook | None
) -> FileResult:
    """Tell what stays from what a comment allows, and say which comments allow a smell that does not exist."""
    comments = suppressions(file)
    kept: list[Finding] = []
    allowed: list[Finding] = []
    excerpts = {}
    seen = set()
    for finding in sorted(found, key=lambda item: (item.line, item.column, item.code)):
        key = (finding.code, finding.line, finding.column)
        if key in seen:  # one line of a file can be part of several containers
            continue
        seen.add(key)
        placed = finding if notebook is None else _placed(finding, notebook)
        (allowed if any(comment.covers(finding) for comment in comments) else kept).append(placed)
        text = file.lines[finding.line - 1] if notebook is None else notebook.line(finding.line)
        excerpts[placed.path, placed.cell, placed.line] = text
    known = {key.lower() for room in rooms() for key in (room.smell.code, room.smell.name)}
    unknown = [
        _problem_at(file, f"a comment allows {name!r}, which is no smell; {nearest(name)}", comment.line, notebook)
        for comment in comments
        for name in sorted(comment.names - known)
    ]
    return FileResult(_in_order(kept), tuple(allowed), (*failed, *unknown), excerpts)


def _problem_at(file: Module | VariableFile, message: str, line: int, notebook: Notebook | None) -> Problem:
    if notebook is None:
        return Problem(file.path, message, line)
    cell = notebook.cell_at(line)
    return Problem(file.path, message, line - cell.first + 1, cell.number)


def _placed(finding: Finding, notebook: Notebook) -> Finding:
    """Return a finding in lines of the module as one in lines of its cell. A fix that crosses cells is not offered."""
    span = Span(finding.line, finding.column - 1, finding.end_line, finding.end_column - 1)
    place = notebook.within(span)
    if place is None:
        cell = notebook.cell_at(finding.line)
        last = cell.last - cell.first + 1
        place = cell.number, Span(finding.line - cell.first + 1, finding.column - 1, last, 0)
    number, inside = place
    fix = finding.fix
    if fix is not None:
        edits = [in_cell(notebook, edit) for edit in fix.edits]
        fix = None if None in edits else replace(fix, edits=tuple(edit for edit in edits if edit is not None))
    return replace(
        finding,
        cell=number,
        line=inside.line,
        column=inside.column + 1,
        end_line=inside.end_line,
        end_column=inside.end_column + 1,
        fix=fix,
    )
