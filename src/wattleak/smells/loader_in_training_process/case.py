"""What the rules of this room find."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import ast

    from wattleak.model import Confidence, Fix


class Case(NamedTuple):
    """A place where the training process makes its own samples."""

    node: ast.expr
    message: str
    confidence: Confidence
    fix: Fix | None
