"""Figures that somebody published, for those who want to try them. Origin `quoted`, never a default.

They come without a range, a method or raw data; docs/explanation/published-figures.md says which of them follow from
their own inputs. A figure of your own replaces each.
"""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from typing import Any

from wattleak.errors import UsageError
from wattleak.shipped import broken, shipped_text

_FILE = "quoted_terms.json"


def quoted(table: str, name: str, example: str) -> float:
    """A quoted figure: `quoted("scheduler_overhead", "slurm", ...)` is 0.08.

    Raises UsageError for a name that nothing is quoted of, with the nearest names and how to state a figure.
    """
    found = figures()[table]
    if name.lower() not in found:
        near = get_close_matches(name.lower(), found, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"{table.replace('_', ' ')}: no figure is quoted of {name!r}, only of {', '.join(found)}",
            f"{hint}state your own: {example}",
        )
    value = found[name.lower()]
    return float(value[0] if isinstance(value, list) else value)


def what_of(table: str, name: str) -> str:
    """What a figure is a change of, in words: I/O energy, NVMe against HDD."""
    value = figures()[table][name.lower()]
    return str(value[1]) if isinstance(value, list) else table.replace("_", " ")


def source() -> str:
    """Where they are from."""
    return f"quoted: {figures()['source']}"


@cache
def figures() -> dict[str, Any]:
    """All of them, by table."""
    try:
        document: dict[str, Any] = json.loads(shipped_text("wattleak.footprint", "data", _FILE))
    except ValueError as error:
        raise broken(_FILE, "it is damaged") from error
    return document
