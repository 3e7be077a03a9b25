"""Functions that torch.compile compiled again and again, because something that they depend on changed every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Signals

_CODE = "MOD001"
MOST_RECOMPILED = (
    3.0  # times: another number of rows, or a first guess that was too narrow, is compiled for once or twice
)
RECOMPILING = 0.05  # of the training's time, where PyTorch has not given up


def recompiled(signals: Signals) -> Iterator[Evidence]:
    """Yield a place for each function. What another model or another mode had to be compiled for is not counted."""
    trained_s = {
        fact.process: fact.number("s") or 0.0 for fact in signals.of("phase") if fact.text("name") == "training"
    }
    for fact in signals.of("recompiled"):
        again, again_s = fact.number("again") or 0.0, fact.number("again_s") or 0.0
        dear = again_s > RECOMPILING * trained_s.get(fact.process, float("inf"))
        if again > MOST_RECOMPILED and (dear or fact.values.get("gave_up")):
            yield _evidence(fact, again, again_s)


def _evidence(fact: Fact, again: float, again_s: float) -> Evidence:
    reason = fact.text("reason")
    text = (
        f"{fact.text('name')} was compiled {fact.number('compiled') or 0.0:.0f} times by torch.compile, "
        f"{again:.0f} times because a value that it had taken for constant had changed"
        f"{f' (the last time, no longer `{reason}`)' if reason else ''}; that took {again_s:.3g} s"
    )
    if fact.values.get("gave_up"):
        text += "; then PyTorch gave up, and what does not fit has run uncompiled since"
    return evidence_at(
        fact,
        _CODE,
        "compilations of a function that had been compiled",
        again,
        text,
        threshold=MOST_RECOMPILED,
        cost_s=again_s,
    )
