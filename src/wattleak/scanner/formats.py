"""Ways to show what a scan found: text, one line each, and JSON-ready dicts. For SARIF and GitHub see `pipelines`."""

from __future__ import annotations

import os
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from wattleak.model import Severity
from wattleak.smells.evidence import evidence
from wattleak.smells.registry import rooms

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.model import Edit, Finding, Fix
    from wattleak.scanner.scan import ScanResult
    from wattleak.source.module import Problem

_COLOURS = {"bold": "1", "red": "1;31", "yellow": "1;33", "blue": "1;34", "cyan": "36"}
_SEVERITY_COLOUR = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_WIDEST_LINE = 160  # characters of a source line that are shown


def render_full(result: ScanResult, *, color: bool = False) -> str:
    """Return every finding with its source line, then the problems and the count."""
    blocks = [_full(finding, result.excerpt(finding), color) for finding in result.findings]
    blocks += ["\n".join(_problem(problem) for problem in result.problems)] if result.problems else []
    return "\n\n".join((*blocks, count(result)))


def render_concise(result: ScanResult) -> str:
    """Return one line for each finding, `path:line:column: CODE message`, then the problems and the count."""
    lines = [f"{where(finding)}: {finding.code} {finding.message}" for finding in result.findings]
    return "\n".join((*lines, *map(_problem, result.problems), count(result)))


def count(result: ScanResult) -> str:
    """Return the closing sentence: how much was found, in how many files, and what was left out."""
    parts = [f"{_number(len(result.findings), 'finding')} in {_number(len(result.files), 'file')}"]
    if result.suppressed:
        parts.append(f"{len(result.suppressed)} more allowed by comments")
    if result.hidden:
        parts.append(f"{len(result.hidden)} hidden (--persona auditor)")
    if result.known:
        parts.append(f"{len(result.known)} known from the baseline")
    unread = len({problem.path for problem in result.problems} - set(result.files))
    if unread:
        parts.append(f"{_number(unread, 'path')} not scanned")
    fixes = sum(finding.fix is not None for finding in result.findings)
    if fixes:
        parts.append(f"{fixes} {'has' if fixes == 1 else 'have'} a fix")
    return f"{', '.join(parts)}. Thread numbers were compared with {_number(result.cpus, 'CPU')}."


def result_document(result: ScanResult) -> dict[str, object]:
    """Return the result as JSON-ready values."""
    return {
        "findings": [finding_document(finding) for finding in result.findings],
        "suppressed": [finding_document(finding) for finding in result.suppressed],
        "files": len(result.files),
        "problems": [
            {"path": shown_path(problem.path), "line": problem.line, "message": problem.message}
            | ({} if problem.cell is None else {"cell": problem.cell})
            for problem in result.problems
        ],
        "cpus": result.cpus,
        "hidden": len(result.hidden),
        "known": len(result.known),
    }


def finding_document(finding: Finding) -> dict[str, object]:
    """Return a finding as JSON-ready values. All lines and columns count from 1; ends are exclusive.

    In a notebook they are those of the cell whose number is under `cell`.
    """
    return {
        "code": finding.code,
        "name": finding.name,
        "path": shown_path(finding.path),
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "message": finding.message,
        "severity": finding.severity.value,
        "confidence": finding.confidence.name.lower(),
        "fix": None if finding.fix is None else _fix_document(finding.fix),
        "measured": measured(finding.code),
    } | ({} if finding.cell is None else {"cell": finding.cell})


@cache
def measured(code: str) -> list[str]:
    """What the studies of a smell found in their own programs, one line for each framework; not in the scanned code."""
    smell = next((room.smell for room in rooms() if room.smell.code == code), None)
    return [] if smell is None else [item.summary() for item in evidence(smell)]


def _fix_document(fix: Fix) -> dict[str, object]:
    return {
        "title": fix.title,
        "safe": fix.safe,
        "why_unsafe": fix.why_unsafe,
        "edits": [_edit_document(edit) for edit in fix.edits],
    }


def _edit_document(edit: Edit) -> dict[str, object]:
    return {
        "line": edit.line,
        "column": edit.column + 1,
        "end_line": edit.end_line,
        "end_column": edit.end_column + 1,
        "text": edit.text,
    } | ({} if edit.cell is None else {"cell": edit.cell})


def _full(finding: Finding, source: str | None, color: bool) -> str:
    def paint(text: str, colour: str) -> str:
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m" if color else text

    number = str(finding.line)
    margin = " " * len(number)
    bar = paint("|", "blue")
    head = paint(f"{finding.code} {finding.name}", _SEVERITY_COLOUR[finding.severity])
    lines = [
        f"{head}: {paint(finding.message, 'bold')}",
        f"{margin}{paint('-->', 'blue')} {where(finding)}",
    ]
    if source is not None:
        end = finding.end_column - 1 if finding.end_line == finding.line else len(source)
        shown, carets = _marked(source, finding.column - 1, end)
        lines += [
            f"{margin} {bar}",
            f"{paint(number, 'blue')} {bar} {shown}",
            f"{margin} {bar} {paint(carets, _SEVERITY_COLOUR[finding.severity])}",
        ]
    lines += [f"{margin} {bar}", f"{margin} {paint('=', 'blue')} note: {finding.confidence.name.lower()} confidence"]
    if finding.fix is not None:
        why = f" (unsafe: {finding.fix.why_unsafe})" if finding.fix.why_unsafe else ""
        lines.append(f"{margin} {paint('=', 'blue')} fix: {finding.fix.title}{why}")
    lines += [f"{margin} {paint('=', 'blue')} the study's programs: {text}" for text in measured(finding.code)]
    lines.append(f"{margin} {paint('=', 'blue')} help: wattleak explain {finding.code}")
    return "\n".join(lines)


def _marked(source: str, start: int, end: int) -> tuple[str, str]:
    """Return the line as shown and the carets below it, for a terminal that shows wide characters wide."""
    cut = max(0, start - _WIDEST_LINE // 2) if len(source) > _WIDEST_LINE else 0
    cells = [_cell(character) for character in source[cut : cut + _WIDEST_LINE]]
    before = "".join(" " * width for _, width in cells[: start - cut])
    marked = sum(width for _, width in cells[start - cut : end - cut])
    lead = "... " if cut else ""
    return lead + "".join(text for text, _ in cells).rstrip(), " " * len(lead) + before + "^" * max(1, marked)


def _cell(character: str) -> tuple[str, int]:
    """Return what is shown for one character, and how many columns it takes."""
    if character == "\t":
        return "    ", 4
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        # Control and direction characters would act on the terminal instead of being seen.
        text = character.encode("unicode_escape").decode("ascii")
        return text, len(text)
    if unicodedata.combining(character):
        return character, 0
    return character, 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _problem(problem: Problem) -> str:
    cell = f":cell {problem.cell}" if problem.cell is not None else ""
    line = f":{problem.line}" if problem.line is not None else ""
    return f"{shown_path(problem.path)}{cell}{line}: {problem.message}"


def where(finding: Finding) -> str:
    """Return `path:line:column`, of a notebook `path:cell N:line:column`."""
    cell = f":cell {finding.cell}" if finding.cell is not None else ""
    return f"{shown_path(finding.path)}{cell}:{finding.line}:{finding.column}"


def shown_path(path: Path) -> str:
    """Return a path that can be printed and written to JSON, whatever bytes the file name is made of."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(_cell(character)[0] if character != "\t" else "\\t" for character in text)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
