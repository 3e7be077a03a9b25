"""One place where a batch size is suspected, before it becomes a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Confidence, Persona, Severity

if TYPE_CHECKING:
    import ast

    from wattleak.model import Fix


class Suspicion(NamedTuple):
    """`node` is what the finding marks."""

    node: ast.expr
    message: str
    severity: Severity = Severity.WARNING
    confidence: Confidence = Confidence.HIGH
    fix: Fix | None = None
    persona: Persona = Persona.DEFAULT
