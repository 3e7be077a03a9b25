"""What earlier scans found, by the content of the file, of the rules, and of every other file that a rule asked about.

A file is looked at again when it changed, when wattleak, a rule, the selection or the number of CPUs changed, or when
a file that its findings depend on changed. Nothing that is stored is ever run: it is JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak import __version__
from wattleak.model import Confidence, Edit, Finding, Fix, Persona, Severity
from wattleak.source.module import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from wattleak.smells.registry import Room
    from wattleak.source.project import Project

_FORMAT = 1
_MOST_FILES = 20_000  # of one setting; more are not stored, and looked at anew each time


def digest(data: bytes) -> str:
    """Return what stands for a content."""
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class FileResult:
    """What one file holds."""

    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    problems: tuple[Problem, ...] = ()
    excerpts: Mapping[tuple[Path, int | None, int], str] = field(default_factory=dict)
    was_read: bool = True
    digest: str = ""

    @classmethod
    def of_problem(cls, problem: Problem) -> FileResult:
        return cls(problems=(problem,), was_read=False)


class Cache:
    """A file of results. It can be deleted at any time; one that cannot be read or written is none."""

    def __init__(self, file: Path | None, entries: dict[str, Any]) -> None:
        self.file, self.entries, self.changed = file, entries, False

    @classmethod
    def none(cls) -> Cache:
        """A cache that keeps nothing."""
        return cls(None, {})

    @classmethod
    def open(cls, folder: Path, chosen: Iterable[Room], cpus: int) -> Cache:
        """Open the cache for these rules and this number of CPUs in `folder`."""
        key = hashlib.sha256(f"{_FORMAT} {__version__} {cpus}".encode())
        for room in chosen:
            key.update(room.smell.code.encode())
            for source in sorted(room.file.parent.glob("*.py")):
                with suppress(OSError):
                    key.update(source.read_bytes())
        file = folder / f"{key.hexdigest()[:32]}.json"
        try:
            entries = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            entries = {}
        return cls(file, entries if isinstance(entries, dict) else {})

    def get(self, path: Path, content: str, project: Project) -> FileResult | None:
        """Return what was found in this content of this file, if all that it depends on is unchanged."""
        entry = self.entries.get(os.path.realpath(path)) if self.file else None
        try:
            if not entry or entry["content"] != content:
                return None
            whole = entry["whole"]
            if whole is not None and whole != project.fingerprint():
                return None
            if any(project.content_of(Path(name)) != found for name, found in entry["asked"].items()):
                return None
            return _result(path, entry, content)
        except (KeyError, TypeError, ValueError, AttributeError):
            return None

    def put(self, path: Path, content: str, result: FileResult, project: Project) -> None:
        """Keep what was found, with what the project was asked about since `project.begin()`."""
        if self.file is None:
            return
        self.changed = True
        self.entries[os.path.realpath(path)] = {
            "content": content,
            "whole": project.fingerprint() if project.asked_whole else None,
            "asked": {str(name): project.content_of(name) for name in project.asked},
            "was_read": result.was_read,
            "findings": [_document(finding) for finding in result.findings],
            "suppressed": [_document(finding) for finding in result.suppressed],
            "problems": [[problem.message, problem.line, problem.cell] for problem in result.problems],
            "excerpts": [[cell, line, text] for (_, cell, line), text in result.excerpts.items()],
        }

    def save(self) -> None:
        """Write what is new, at once or not at all."""
        if self.file is None or not self.changed:
            return
        entries = dict(list(self.entries.items())[-_MOST_FILES:])
        with suppress(OSError, ValueError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self.file.parent, delete=False, encoding="utf-8") as new:
                json.dump(entries, new)
            Path(new.name).replace(self.file)


def _document(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "path": None}


def _finding(path: Path, document: dict[str, Any]) -> Finding:
    fix = document["fix"]
    made = Fix(**{**fix, "edits": tuple(Edit(**edit) for edit in fix["edits"])}) if fix else None
    return Finding(
        **{
            **document,
            "path": path,
            "severity": Severity(document["severity"]),
            "confidence": Confidence(document["confidence"]),
            "persona": Persona(document["persona"]),
            "fix": made,
        }
    )


def _result(path: Path, entry: dict[str, Any], content: str) -> FileResult:
    return FileResult(
        tuple(_finding(path, document) for document in entry["findings"]),
        tuple(_finding(path, document) for document in entry["suppressed"]),
        tuple(Problem(path, *problem) for problem in entry["problems"]),
        {(path, cell, line): text for cell, line, text in entry["excerpts"]},
        entry["was_read"],
        content,
    )
