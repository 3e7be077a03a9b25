"""Graphs and tapes that were recorded in an evaluation and had gone before anybody asked them for a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Signals

MOST_GRAPHS = 2.0  # at one place; a look at an example or two is no evaluation


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield a place for each evaluation with gradients on."""
    for fact in signals.of("evaluation"):
        graphs = fact.number("graphs")
        if graphs is None or graphs <= MOST_GRAPHS:
            continue
        what = "tapes were recorded" if fact.text("framework") == "tensorflow" else "forward passes recorded a graph"
        yield evidence_at(
            fact,
            "AUT001",
            "graphs of evaluations that nobody asked for a gradient",
            graphs,
            f"{graphs:.0f} {what} here and were gone before anybody asked for a gradient",
            threshold=MOST_GRAPHS,
        )
