"""Readings of a loader to its end in which nothing was done with the batches, after a training from the same loader."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Signals


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield a place for each loader that was read for nothing."""
    for fact in signals.of("loader"):
        idle = fact.number("idle")
        if not idle:
            continue
        idle_s, readings = fact.number("idle_s") or 0.0, fact.number("readings") or 0.0
        batches = (fact.number("batches") or 0.0) / readings if readings else 0.0
        yield evidence_at(
            fact,
            "DAT006",
            "readings of a loader that nothing was done with",
            idle,
            f"{batches:.0f} batches were read here {_times(idle)} and thrown away at once; "
            f"making them took {idle_s:.3g} s",
            threshold=0.0,
            cost_s=idle_s,
        )


def _times(count: float) -> str:
    return "once" if count == 1 else f"{count:.0f} times"
