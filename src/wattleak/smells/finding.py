"""A finding of a smell, from where it stands in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Finding, Persona

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.model import Confidence, Fix, Severity, Smell
    from wattleak.source.lined import Span


def finding_at(
    smell: Smell,
    path: Path,
    span: Span,
    message: str,
    *,
    severity: Severity,
    confidence: Confidence,
    fix: Fix | None = None,
    persona: Persona = Persona.DEFAULT,
) -> Finding:
    """Return the finding; a span counts columns from 0, a finding from 1, as editors do."""
    return Finding(
        code=smell.code,
        name=smell.name,
        path=path,
        line=span.line,
        column=span.column + 1,
        end_line=span.end_line,
        end_column=span.end_column + 1,
        message=message,
        severity=severity,
        confidence=confidence,
        fix=fix,
        persona=persona,
    )
