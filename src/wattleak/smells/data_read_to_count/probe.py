"""Readings of a loader to its end in which nothing was done with the batches, after a training from the same loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.signals import Signals


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield a place for each loader that was read for nothing."""
    for fact in signals.of("loader"):
        idle = fact.number("idle")
        if not idle:
            continue
        idle_s, readings = fact.number("idle_s") or 0.0, fact.number("readings") or 0.0
        batches = (fact.number("batches") or 0.0) / readings if readings else 0.0
        yield Evidence(
            code="DAT006",
            path=fact.text("file"),
            line=fact.line,
            function=fact.text("function"),
            counter="readings of a loader that nothing was done with",
            value=idle,
            unit="",
            threshold=0.0,
            message=f"{batches:.0f} batches were read here {_times(idle)} and thrown away at once; "
            f"making them took {idle_s:.3g} s",
            cost_s=idle_s,
            pid=fact.process.pid,
        )


def _times(count: float) -> str:
    return "once" if count == 1 else f"{count:.0f} times"
