"""The head of every JSON document."""

from __future__ import annotations

from typing import Any

from wattleak import __version__
from wattleak.model import SCHEMA_VERSION

Document = dict[str, Any]


def envelope(kind: str) -> Document:
    """The head of every document."""
    return {"schema_version": SCHEMA_VERSION, "kind": kind, "wattleak_version": __version__}
