"""What one sample of a training cost: the energy between its first and its last step over the rows it was made of.

Everything in between is counted in: waiting for data, evaluations, saving. That is what a sample costs, not what the
arithmetic on it does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.estimates import scaled
from wattleak.analysis.phases import TRAINING
from wattleak.model import PerSample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Phase
    from wattleak.signals import Fact, Process, Signals

_KNOWN = 0.9  # of the steps of the busiest loop, whose rows must be known
_TOGETHER = 0.5  # of the training, that another process must have trained at the same time: a rank


def per_sample(signals: Signals, trainer: Process | None, phases: Sequence[Phase]) -> PerSample | None:
    """None where the rows are not known, or no energy is. The rows of all ranks are set against the energy of all."""
    training = next((phase for phase in phases if phase.name == TRAINING), None)
    if trainer is None or training is None or training.energy_j is None:
        return None
    by_process: dict[Process, list[Fact]] = {}
    for fact in signals.of("steps"):
        by_process.setdefault(fact.process, []).append(fact)
    own = _moment(by_process.get(trainer, ()))
    if own is None:
        return None
    samples = steps = 0.0
    for facts in by_process.values():
        moment = _moment(facts)
        if moment is None or min(own[1], moment[1]) - max(own[0], moment[0]) < _TOGETHER * (own[1] - own[0]):
            continue
        known = sum(fact.number("rows_steps") or 0.0 for fact in facts)
        if known < _KNOWN * max(fact.number("steps") or 0.0 for fact in facts):
            return None  # a rank whose rows are not known
        steps += known
        samples += sum(map(_rows, facts))
    if samples < 1.0 or training.duration_s <= 0.0:
        return None
    return PerSample(
        samples=round(samples),
        steps=round(steps),
        energy_j=scaled(training.energy_j, 1.0 / samples),
        duration_s=training.duration_s / samples,
        pid=trainer.pid,
    )


def _moment(facts: Sequence[Fact]) -> tuple[float, float] | None:
    ends = [(fact.number("first_s"), fact.number("last_s")) for fact in facts]
    known = [(first_s, last_s) for first_s, last_s in ends if first_s is not None and last_s is not None]
    return (min(first_s for first_s, _ in known), max(last_s for _, last_s in known)) if known else None


def _rows(fact: Fact) -> float:
    """Between the first moment and the last: of an optimizer the first moment is the end of its first step."""
    rows, steps = fact.number("rows") or 0.0, fact.number("steps") or 0.0
    return rows if fact.text("what") == "fit" or steps < 1.0 else rows * (steps - 1.0) / steps
