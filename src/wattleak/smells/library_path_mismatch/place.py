"""One place that leads to the wrong libraries, before it becomes a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Confidence, Persona, Severity

if TYPE_CHECKING:
    from wattleak.model import Fix
    from wattleak.source.lined import Span


class Place(NamedTuple):
    """What a finding says, and where."""

    span: Span
    message: str
    severity: Severity = Severity.WARNING
    confidence: Confidence = Confidence.MEDIUM
    fix: Fix | None = None
    persona: Persona = Persona.DEFAULT
