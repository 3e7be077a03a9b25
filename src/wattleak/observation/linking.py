"""One place, one finding: what a scan suspects and what a probe saw of the same statement."""

from __future__ import annotations

import ast
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.model import EvidenceLevel, Place
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from wattleak.model import Evidence, Finding

_TYPED = ("<", "In [")  # code that is in no file: python -c, a cell of a notebook
_Key = tuple[str, str | None, int | None]  # code, real path, first line of the statement


def link(
    findings: Iterable[Finding],
    evidence: Iterable[Evidence],
    names: Mapping[str, str],
    *,
    weak: Iterable[Finding] = (),
    corroborating: Iterable[Evidence] = (),
) -> tuple[Place, ...]:
    """Places in the order of how much is known of them, then as they stand in the code.

    `names`: of the smells, by code. `weak`: findings that are told only where something was seen; `corroborating`:
    evidence that is told only where something is suspected. Two findings of one smell in one statement are one place.
    """
    statements = cache(_statements)  # each file is read once, and not kept
    seen: dict[_Key, list[Evidence]] = {}
    suspected: dict[_Key, Finding] = {}
    for finding in findings:
        key = _key(finding.code, str(finding.path), finding.line, statements)
        suspected.setdefault(key, finding)
    for item in evidence:
        seen.setdefault(_key(item.code, item.path, item.line, statements), []).append(item)
    for item in corroborating:
        key = _key(item.code, item.path, item.line, statements)
        if key in suspected:
            seen.setdefault(key, []).append(item)
    for finding in weak:
        key = _key(finding.code, str(finding.path), finding.line, statements)
        if key in seen:
            suspected.setdefault(key, finding)
    places = [
        Place(
            code=key[0],
            name=names.get(key[0], key[0]),
            level=EvidenceLevel.SEEN if key in seen else EvidenceLevel.SUSPECTED,
            path=key[1],
            line=suspected[key].line if key in suspected else key[2],
            suspicion=suspected[key].message if key in suspected else None,
            evidence=tuple(seen.get(key, ())),
        )
        for key in dict.fromkeys((*seen, *suspected))
    ]
    return tuple(sorted(places, key=_order))


def _order(place: Place) -> tuple[bool, str, int, str]:
    return place.level is EvidenceLevel.SUSPECTED, place.path or "", place.line or 0, place.code


def _key(code: str, path: str | None, line: int | None, statements: Callable[[str], Mapping[int, int]]) -> _Key:
    if path is None:
        return code, None, line
    real = path if path.startswith(_TYPED) else os.path.realpath(path)
    return code, real, line if line is None else statements(real).get(line, line)


def _statements(path: str) -> Mapping[int, int]:
    """Line -> first line of the statement that it is part of. Of a compound one (for, with, def) only its head is."""
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[int, int] = {}
    for node in walk(tree):
        if not isinstance(node, ast.stmt):
            continue
        body = getattr(node, "body", None) or getattr(node, "cases", None)
        last = node.end_lineno or node.lineno
        if body:
            last = min(last, max(node.lineno, _first_line(body[0]) - 1))
        for line in range(node.lineno, last + 1):
            found.setdefault(line, node.lineno)
    return found


def _first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", ())
    first: int = getattr(decorators[0] if decorators else node, "lineno", 1)
    return first
