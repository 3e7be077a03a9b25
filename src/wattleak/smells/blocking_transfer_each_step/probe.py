"""Values that were read from an accelerator in every step, and how long the host waited for them.

How much of the waiting could be saved, one run cannot say. All of it at most: a host that need not wait goes on sending
work meanwhile, and where the device is busy all the time it is not done any sooner.

On a CPU nothing is queued, so nobody waits and there is no smell. There the counts are told only of lines that a scan
suspects: they say what would wait on an accelerator, and that here it costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Signals

_CODE = "SYN001"
_COUNTER = "share of the steps that read a value here"
EACH_STEP = 0.5  # of the steps: now and then is how to do it
WAITED = 0.03  # of the training's time
_FEWEST = 50  # steps
_DECIDES = "a condition"  # `if torch.isnan(loss):` has to know


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield a place for each line that an accelerator's host waited at."""
    trained_s = {
        fact.process: fact.number("s") or 0.0 for fact in signals.of("phase") if fact.text("name") == "training"
    }
    for fact in signals.of("read"):
        whole_s, waited_s = trained_s.get(fact.process, 0.0), fact.number("s") or 0.0
        share, steps = _share(fact)
        if fact.text("device") == "cpu" or fact.text("how") == _DECIDES or steps < _FEWEST or share < EACH_STEP:
            continue
        if whole_s and waited_s > WAITED * whole_s:
            yield evidence_at(
                fact,
                _CODE,
                _COUNTER,
                share,
                f"{_what(fact)}; the host waited {waited_s:.3g} s for {fact.text('device')} here, "
                f"{100 * waited_s / whole_s:.0f} % of the training: at most that could be saved, and nothing where the "
                "device is busy all the time",
                threshold=EACH_STEP,
                cost_s=waited_s,
            )


def corroborate(signals: Signals) -> Iterator[Evidence]:
    """Yield what was read on a CPU, for lines that a scan suspects."""
    for fact in signals.of("read"):
        share, steps = _share(fact)
        if fact.text("device") != "cpu" or share < EACH_STEP or not steps:
            continue
        seconds = fact.number("s") or 0.0
        yield evidence_at(
            fact,
            _CODE,
            _COUNTER,
            share,
            f"{_what(fact)}; on a CPU nothing is queued and nobody waits: all these calls took "
            f"{1000 * seconds:.3g} ms. On an accelerator each of them waits for everything before it",
            threshold=EACH_STEP,
            cost_s=seconds,
        )


def _share(fact: Fact) -> tuple[float, float]:
    """Of the steps since the first of these reads, those that read; and how many there were."""
    steps = fact.number("of_steps") or 0.0
    return ((fact.number("steps") or 0.0) / steps if steps else 0.0), steps


def _what(fact: Fact) -> str:
    reads, steps, of_steps = (fact.number(name) or 0.0 for name in ("reads", "steps", "of_steps"))
    return f"a value was read {reads:.0f} times ({fact.text('how')}) in {steps:.0f} of {of_steps:.0f} steps"
