"""The same answer worked out again: estimators fitted again alike, programs compiled again alike. Run time; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Signals

_CODE = "MOD001"
MOST_AGAIN = 1.0  # a program that asks twice may have two parts; who asks a third time asks in a loop
MOST_UNLIKE = 8.0  # programs of one function at one place: buckets of lengths are fewer, growing ones have no end
_COMPILING = 0.5  # of the time from the first compilation to the last
_GOES_ON = 1.0  # compiling lasted this much longer than what has passed since: it was no warm-up


def fitted_again(signals: Signals) -> Iterator[Evidence]:
    """Yield each line that fitted an estimator, with parameters and data of a fit that had been made.

    Of several kinds of estimators at one line it is the one that took longest: a scorer has little ones of its own.
    """
    dearest: dict[tuple[str | None, int | None], Fact] = {}
    for fact in sorted(signals.of("fitted"), key=lambda fact: fact.number("again_s") or 0.0):
        dearest[fact.text("file"), fact.line] = fact
    for fact in dearest.values():
        again, fits = fact.number("again") or 0.0, fact.number("fits") or 0.0
        looked_at = fact.number("looked_at") or 0.0
        of = "them" if looked_at == fits else f"the {looked_at:.0f} that were looked at"
        if again > MOST_AGAIN:
            yield evidence_at(
                fact,
                _CODE,
                "fits with the parameters and the data of one that had been made",
                again,
                f"{fact.text('name') or 'an estimator'} was fitted {fits:.0f} times here, {again:.0f} of {of} with "
                f"equal parameters on equal data (by checksums){_elsewhere(fact)}: the model was there already",
                threshold=MOST_AGAIN,
                cost_s=fact.number("again_s"),
            )


def compiled_again(signals: Signals) -> Iterator[Evidence]:
    """Yield each line that had XLA compile a program that it had compiled, or goes on compiling new ones."""
    for fact in signals.of("programs"):
        again, unlike = fact.number("again") or 0.0, fact.number("unlike") or 0.0
        name, times = fact.text("name") or "a function", fact.number("times") or 0.0
        if again > MOST_AGAIN:
            yield evidence_at(
                fact,
                _CODE,
                "compilations of a program that had been compiled",
                again,
                f"{name} was compiled {times:.0f} times here, {again:.0f} of them to the very program that there was "
                "already: a function that is made anew, or given to jax.jit() anew, begins with an empty cache",
                threshold=MOST_AGAIN,
                cost_s=fact.number("again_s"),
            )
        elif unlike > MOST_UNLIKE and _goes_on(fact):
            spent_s = (fact.number("s") or 0.0) + (fact.number("trace_s") or 0.0)
            yield evidence_at(
                fact,
                _CODE,
                "programs that one function was compiled to",
                unlike,
                f"{name} was compiled {times:.0f} times here, each time for other shapes, types or static arguments, "
                "and to the end: pad to a few lengths, or pass as an array what is static",
                threshold=MOST_UNLIKE,
                cost_s=spent_s,
            )


def _elsewhere(fact: Fact) -> str:
    """Where the first of them was made, if that was another line."""
    first = fact.text("first")
    return f", the first in {first}" if first and first != f"{fact.text('file')}:{fact.line}" else ""


def _goes_on(fact: Fact) -> bool:
    """Whether most of the time goes into compiling, and it has not ended long ago: a warm-up compiles as much."""
    first_s, last_s, now_s = (fact.number(name) for name in ("first_s", "last_s", "now_s"))
    if first_s is None or last_s is None or now_s is None or last_s <= first_s:
        return False
    spent_s = (fact.number("s") or 0.0) + (fact.number("trace_s") or 0.0)
    return spent_s > _COMPILING * (last_s - first_s) and last_s - first_s > _GOES_ON * (now_s - last_s)
