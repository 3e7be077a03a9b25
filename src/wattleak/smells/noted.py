"""Evidence of what the agent noted at a place of the user's code: the run-time twin of `finding.finding_at`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Evidence

if TYPE_CHECKING:
    from wattleak.model import Interval
    from wattleak.signals import Fact


def evidence_at(
    fact: Fact,
    code: str,
    counter: str,
    value: float,
    message: str,
    *,
    threshold: float,
    unit: str = "",
    cost_s: float | None = None,
    cost_b: float | None = None,
    interval: Interval | None = None,
) -> Evidence:
    """Return the evidence; file, line, function and process are those of the fact."""
    return Evidence(
        code=code,
        path=fact.text("file"),
        line=fact.line,
        function=fact.text("function"),
        counter=counter,
        value=value,
        unit=unit,
        threshold=threshold,
        message=message,
        interval=interval,
        cost_s=cost_s,
        cost_b=cost_b,
        pid=fact.process.pid,
    )
