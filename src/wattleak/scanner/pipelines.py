"""What pipelines read: SARIF 2.1.0 and the workflow commands of GitHub.

SARIF: OASIS, Static Analysis Results Interchange Format version 2.1.0, 2020. GitHub: "Workflow commands for GitHub
Actions", the `error`, `warning` and `notice` commands.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from wattleak import __version__
from wattleak.model import Severity
from wattleak.scanner.baseline import fingerprint
from wattleak.scanner.formats import shown_path
from wattleak.smells.registry import find_room

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from wattleak.model import Edit, Finding, Fix
    from wattleak.scanner.scan import ScanResult
    from wattleak.source.module import Problem

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_COMMAND = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def sarif_document(result: ScanResult) -> dict[str, Any]:
    """Return the result as a SARIF log. Columns count Unicode code points from 1; ends are exclusive.

    A notebook's regions are lines of the cell that `logicalLocations` names. Suppressed findings are in it, marked so.
    """
    codes = sorted({finding.code for finding in (*result.findings, *result.suppressed)})
    index = {code: number for number, code in enumerate(codes)}
    results = [_result(result, finding, index, ()) for finding in result.findings]
    results += [_result(result, finding, index, ({"kind": "inSource"},)) for finding in result.suppressed]
    run = {
        "tool": {
            "driver": {
                "name": "wattleak",
                "semanticVersion": __version__,
                "rules": [_rule(code) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": True,
                "toolExecutionNotifications": [_notification(problem) for problem in result.problems],
            }
        ],
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def render_github(result: ScanResult) -> str:
    """Return one workflow command for each finding, which GitHub shows at its line, and one for each problem."""
    lines = []
    for finding in result.findings:
        properties = {"file": shown_path(finding.path)}
        message = finding.message
        if finding.cell is None:
            properties |= {"line": str(finding.line), "endLine": str(finding.end_line)}
            if finding.line == finding.end_line:  # GitHub takes columns within one line only
                properties |= {"col": str(finding.column), "endColumn": str(finding.end_column)}
        else:  # the lines of a cell are not those of the file
            message = f"cell {finding.cell}, line {finding.line}: {message}"
        properties["title"] = f"{finding.code} {finding.name}"
        lines.append(_workflow_command(_COMMAND[finding.severity], properties, message))
    for problem in result.problems:
        place = {"line": str(problem.line)} if problem.line is not None and problem.cell is None else {}
        lines.append(_workflow_command("notice", {"file": shown_path(problem.path), **place}, problem.message))
    return "\n".join(lines)


def _workflow_command(name: str, properties: dict[str, str], message: str) -> str:
    shown = ",".join(f"{key}={_escaped(value, in_property=True)}" for key, value in properties.items())
    return f"::{name} {shown}::{_escaped(message)}"


def _escaped(text: str, *, in_property: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if in_property else text


def _rule(code: str) -> dict[str, Any]:
    smell = find_room(code).smell
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in smell.name.split("-")),
        "shortDescription": {"text": smell.summary},
        "fullDescription": {"text": smell.page.partition("\n")[0]},
        "help": {"text": smell.page},
        "defaultConfiguration": {"level": "warning"},
    }


def _result(
    result: ScanResult, finding: Finding, index: dict[str, int], suppressions: Sequence[dict[str, str]]
) -> dict[str, Any]:
    region = {
        "startLine": finding.line,
        "startColumn": finding.column,
        "endLine": finding.end_line,
        "endColumn": finding.end_column,
    }
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": _artifact(finding.path), "region": region}}
    if finding.cell is not None:
        location["logicalLocations"] = [{"name": f"cell {finding.cell}", "kind": "member"}]
    known = fingerprint(finding, result.excerpt(finding) or "", Path.cwd())
    document: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": index[finding.code],
        "level": _LEVEL[finding.severity],
        "message": {"text": finding.message},
        "locations": [location],
        "partialFingerprints": {"wattleak/v1": known},
        "properties": {"confidence": finding.confidence.name.lower(), "persona": finding.persona.value},
    }
    if suppressions:
        document["suppressions"] = list(suppressions)
    if finding.fix is not None and finding.cell is None:  # a region in a cell is none that a tool could replace
        document["fixes"] = [_fix(finding.path, finding.fix)]
    return document


def _fix(path: Path, fix: Fix) -> dict[str, Any]:
    title = fix.title if fix.safe else f"{fix.title} (unsafe: {fix.why_unsafe})"
    changes = [{"artifactLocation": _artifact(path), "replacements": [_replacement(edit) for edit in fix.edits]}]
    return {"description": {"text": title}, "artifactChanges": changes}


def _replacement(edit: Edit) -> dict[str, Any]:
    region = {
        "startLine": edit.line,
        "startColumn": edit.column + 1,
        "endLine": edit.end_line,
        "endColumn": edit.end_column + 1,
    }
    return {"deletedRegion": region, "insertedContent": {"text": edit.text}}


def _notification(problem: Problem) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": _artifact(problem.path)}}
    if problem.line is not None and problem.cell is None:
        location["physicalLocation"]["region"] = {"startLine": problem.line}
    return {"level": "note", "message": {"text": problem.message}, "locations": [location]}


def _artifact(path: Path) -> dict[str, str]:
    """Return a URI: relative where the path is, so that it fits any checkout."""
    return {"uri": quote(os.fsencode(path).replace(os.sep.encode(), b"/"))}
