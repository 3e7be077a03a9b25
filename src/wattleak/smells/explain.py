"""The page of a smell, and what tells its bad program from its good one."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from wattleak.smells.evidence import evidence
from wattleak.smells.registry import find_smell, pairs

if TYPE_CHECKING:
    from wattleak.model import Smell
    from wattleak.smells.registry import Pair


def explain(code_or_name: str) -> str:
    """Return the page of a smell with the difference between its programs, for each framework.

    Raises:
        UsageError: there is no such smell.
    """
    smell = find_smell(code_or_name)
    parts = [f"{smell.code} {smell.name}", smell.page.rstrip()]
    parts += _measured(smell)
    for framework, pair in pairs(smell).items():
        parts.append(
            f"The programs of `wattleak study {smell.name}` ({framework}), from good to bad\n\n{difference(pair)}"
        )
    return "\n\n".join(parts) + "\n"


def _measured(smell: Smell) -> list[str]:
    found = evidence(smell)
    if not found:
        return []
    lines = [f"    {item.summary()}\n        ({item.source()})" for item in found]
    return [
        "\n".join(("Measured by `make study`: the bad program against the good one, with 95 % intervals", "", *lines))
    ]


def difference(pair: Pair) -> str:
    """Return the unified diff from the good program to the bad one."""
    good, bad = (path.read_text(encoding="utf-8").splitlines() for path in (pair.good, pair.bad))
    parent = pair.good.parent.name
    lines = difflib.unified_diff(good, bad, f"{parent}/{pair.good.name}", f"{parent}/{pair.bad.name}", n=2, lineterm="")
    return "\n".join(f"    {line}" for line in lines)
