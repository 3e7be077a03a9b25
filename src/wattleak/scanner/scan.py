"""Run the smells over files, without importing or running any of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.scanner.suppressions import suppressions
from wattleak.scanner.walk import python_files
from wattleak.smells.registry import find_room, nearest, rooms
from wattleak.source.module import Module, Problem
from wattleak.source.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wattleak.model import Finding
    from wattleak.smells.registry import Room

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What a scan found. Files that could not be read are in `problems`, never silently left out."""

    findings: tuple[Finding, ...]  # by path, line, column
    files: tuple[Path, ...]  # those that were read
    problems: tuple[Problem, ...]
    cpus: int  # that thread numbers were compared with
    suppressed: tuple[Finding, ...] = ()  # allowed by a comment
    excerpts: Mapping[tuple[Path, int], str] = field(default_factory=dict)  # the source line of each finding


def allowed_cpus() -> int:
    """Return how many CPUs this process may use, from its affinity; where there is none, those of the machine.

    Raises:
        UsageError: the system tells neither.
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    count = os.cpu_count()
    if count is None:
        raise UsageError("this system does not tell how many CPUs it has", "give the number: --cpus N")
    return count


def scan(
    paths: PathLike | Iterable[PathLike], *, cpus: int | None = None, select: Iterable[str] | None = None
) -> ScanResult:
    """Scan files and folders for smells.

    Args:
        paths: a file or folder, or several.
        cpus: CPUs that the code may use where it runs; None: those that this process may use.
        select: codes or names of the smells to look for; None: all.

    Raises:
        UsageError: a path does not exist, a smell is unknown, `cpus` is no number of CPUs.
    """
    if cpus is not None and cpus < 1:
        raise UsageError(f"{cpus} is no number of CPUs", "give 1 or more")
    compared = allowed_cpus() if cpus is None else cpus
    chosen = rooms() if select is None else tuple(dict.fromkeys(find_room(name) for name in select))
    wanted = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not wanted:
        raise UsageError("there is nothing to scan", "name a file or a folder")
    findings: list[Finding] = []
    suppressed: list[Finding] = []
    problems: list[Problem] = []
    files: list[Path] = []
    excerpts: dict[tuple[Path, int], str] = {}
    for path in python_files(wanted):
        module = path if isinstance(path, Problem) else read(path)
        if isinstance(module, Problem):
            problems.append(module)
            continue
        files.append(module.path)
        found, failed = _findings(module, chosen, compared)
        kept, allowed, unknown = _sorted_out(module, found)
        findings += kept
        suppressed += allowed
        problems += (*failed, *unknown)
        excerpts.update({(item.path, item.line): module.lines[item.line - 1] for item in found})
    return ScanResult(tuple(findings), tuple(files), tuple(problems), compared, tuple(suppressed), excerpts)


def _findings(module: Module, chosen: Iterable[Room], cpus: int) -> tuple[list[Finding], list[Problem]]:
    found: list[Finding] = []
    failed: list[Problem] = []
    for room in chosen:
        try:
            found += room.detect(module, cpus=cpus)
        except Exception as error:  # noqa: BLE001 - a rule may be anybody's; it must not take the others down with it
            failed.append(Problem(module.path, f"{room.smell.code} failed on it: {type(error).__name__}: {error}"))
    return sorted(found, key=lambda item: (item.line, item.column, item.code)), failed


def _sorted_out(module: Module, found: Iterable[Finding]) -> tuple[list[Finding], list[Finding], list[Problem]]:
    """Return what stays, what a comment allows, and the comments that allow a smell which does not exist."""
    comments = suppressions(module)
    kept: list[Finding] = []
    allowed: list[Finding] = []
    for finding in found:
        (allowed if any(comment.covers(finding) for comment in comments) else kept).append(finding)
    known = {key.lower() for room in rooms() for key in (room.smell.code, room.smell.name)}
    unknown = [
        Problem(module.path, f"a comment allows {name!r}, which is no smell; {nearest(name)}", comment.line)
        for comment in comments
        for name in sorted(comment.names - known)
    ]
    return kept, allowed, unknown
