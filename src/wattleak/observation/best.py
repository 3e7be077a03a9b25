"""What followed the best report of a figure of quality: epochs that, looking back, were not needed.

A program that reports `accuracy` once in an epoch, in whichever way the recorder understands, says with it when each
epoch ended. Reports between the steps of different optimizers or models (folds, restarts) are no epochs of one training
and are not set against each other.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from wattleak.analysis.phases import TRAINING, Noted
from wattleak.analysis.quality import default_target
from wattleak.model import Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.signals import Fact, Process, Signals

AFTER_BEST = "after the best epoch"


class Best(NamedTuple):
    """When the best value of a figure was reported, and the last one. On the clock of the trace, in seconds."""

    figure: str
    best_s: float
    last_s: float
    of_one: bool  # the reports are known to be of one training: steps of one loop came before each of them


def best_of(signals: Signals, process: Process | None) -> Best | None:
    """The best report of `process`; None for `process`: of the one that reported most. None: nothing followed it."""
    facts = [fact for fact in signals.of("reported") if not fact.number("more")]
    if process is None and facts:
        process = max(facts, key=lambda fact: len(fact.numbers("at"))).process
    named = {fact.text("name") or "": fact for fact in facts if fact.process == process}
    target = default_target(named)
    if target is None:
        return None
    reports, of_one = _of_one_training(named[target.metric])
    if len(reports) < 2:
        return None
    sign = 1.0 if target.direction is Direction.MAX else -1.0
    best_s, _ = max(reports, key=lambda report: (sign * report[1], -report[0]))  # of equal ones the first
    last_s = reports[-1][0]
    return Best(target.metric, best_s, last_s, of_one) if best_s < last_s else None


def _of_one_training(fact: Fact) -> tuple[Sequence[tuple[float, float]], bool]:
    """Moments and values of the reports that came after steps of one and the same loop; of all, where none is known."""
    at, values, loops = fact.numbers("at"), fact.numbers("values"), fact.values.get("loops")
    if len(at) != len(values) or not isinstance(loops, list) or len(loops) != len(at):
        return (), False
    known = Counter(loop for loop in loops if loop is not None)
    if not known:
        return list(zip(at, values, strict=True)), False
    most, _ = known.most_common(1)[0]
    return [(at[place], values[place]) for place, loop in enumerate(loops) if loop == most], True


def noted_best(best: Best, noted: Sequence[Noted]) -> Noted | None:
    """As a part of the training; None where the hooks of a framework know it already, nothing of it is left, or the
    reports may be those of several models.
    """
    training = next((item for item in noted if item.name == TRAINING and item.moments), None)
    if training is None or not best.of_one or any(item.name.startswith(AFTER_BEST) for item in noted):
        return None
    start_s, end_s = max(best.best_s, training.moments[0][0]), min(best.last_s, training.moments[-1][1])
    if end_s <= start_s:
        return None
    return Noted(f"{AFTER_BEST} ({best.figure})", end_s - start_s, ((start_s, end_s),), TRAINING)
