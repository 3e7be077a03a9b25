"""Models that were built alike at one place, each with the weights of the one before it: one instance would have done.

What counts is not that a model is built several times (cross-validation, seeds and searches do that) but that the new
one gets exactly the weights which the last one ended with, or which the last one was given and kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.improper_model_reuse.again import compiled_again, fitted_again
from wattleak.smells.improper_model_reuse.recompiled import recompiled
from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Signals

_CODE = "MOD001"
MOST_COMPILED = 1.0  # times after a training
MOST_TRACES = 4.0  # TensorFlow itself warns of "5 out of the last 5 calls"
TRACED = 0.5  # of the calls: rows of many lengths trace often in the beginning, and then no more
MOST_TAKEN_OVER = 1  # instances; the first one that takes weights over may be a restart, or a second part of a program


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield a place for each builder whose instances could have been one."""
    for fact in signals.of("models"):
        taken_over, same = fact.number("taken_over") or 0.0, fact.number("same") or 0.0
        if taken_over + same > MOST_TAKEN_OVER:
            yield _of_models(fact, taken_over, same)
    for fact in signals.of("compiled"):
        between, times = fact.number("between") or 0.0, fact.number("times") or 0.0
        if between > MOST_COMPILED:
            yield _of_compiled(fact, between, times)
    for fact in signals.of("traced"):
        traces, calls = fact.number("traces") or 0.0, fact.number("calls") or 0.0
        if traces > MOST_TRACES and traces > TRACED * calls:
            yield _of_traces(fact, traces, calls)
    yield from fitted_again(signals)
    yield from compiled_again(signals)
    yield from recompiled(signals)


def _of_models(fact: Fact, taken_over: float, same: float) -> Evidence:
    built = fact.number("built") or 0.0
    build_s, load_s, trace_s = (fact.number(name) or 0.0 for name in ("build_s", "load_s", "trace_s"))
    traces, live = fact.number("traces") or 0.0, fact.number("live") or 0.0
    again = (taken_over + same) / built if built else 0.0
    cost_s = (build_s + trace_s) * again + load_s
    how = []
    if taken_over:
        how.append(f"{taken_over:.0f} of them began with the very weights that the one before had ended with")
    if same:
        how.append(f"{same:.0f} of them got the very weights of the one before, and neither was trained")
    parts = [f"building {_ms(build_s)}", f"reading and loading weights {_ms(load_s)}"]
    if traces:
        parts.append(f"tracing {traces:.0f} times {_ms(trace_s)}")
    if live > 1:
        parts.append(f"{live:.0f} instances are still alive")
    return evidence_at(
        fact,
        _CODE,
        "models that took over the weights of the one before",
        taken_over + same,
        f"{fact.text('name') or 'the model'} was built {built:.0f} times alike; {'; '.join(how)}. "
        f"So far: {', '.join(parts)}",
        threshold=float(MOST_TAKEN_OVER),
        cost_s=cost_s,
    )


def _of_compiled(fact: Fact, between: float, times: float) -> Evidence:
    return evidence_at(
        fact,
        _CODE,
        "compile() of a model that was trained, with the settings that it had",
        between,
        f"one model was compiled {times:.0f} times here with the same settings, {between:.0f} times after "
        "it had been trained: each time its functions are traced again",
        threshold=MOST_COMPILED,
    )


def _of_traces(fact: Fact, traces: float, calls: float) -> Evidence:
    trace_s = fact.number("trace_s") or 0.0
    return evidence_at(
        fact,
        _CODE,
        "traces of a tf.function",
        traces,
        f"{fact.text('function')} was traced {traces:.0f} times in {calls:.0f} calls; the calls that traced "
        f"took {_ms(trace_s)}",
        threshold=MOST_TRACES,
        cost_s=trace_s,
    )


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1.0 else f"{seconds:.3g} s"
