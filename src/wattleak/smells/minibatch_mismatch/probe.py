"""Rows in a step against what a step costs beside its rows, what fit was told, and what the device can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Signals

_CODE = "BAT001"
FEW_ROWS = 8.0  # in a step: above that other things are looked at first
UPDATE = 0.10  # of a step: the update of the parameters, which does the same whatever the number of rows
_FEWEST_STEPS = 200
CALLS = 50.0  # of predict at one place
ROWS_OF_A_CALL = 4.0
_MANY_ROWS = 32.0  # in a call that is set beside it
FULL = 0.92  # of the memory of a device, with the allocator having had to start over
_TOLD_APART = 2.0  # times as many rows as there were, or half


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield what the counters of a run showed of its batches."""
    for fact in signals.of("steps"):
        rows, steps = fact.number("rows") or 0.0, fact.number("rows_steps") or 0.0
        if rows and steps:
            yield from _of_steps(fact, rows / steps, steps)
    predictions = list(signals.of("predict"))
    for fact in predictions:
        calls, rows = fact.number("calls") or 0.0, fact.number("rows") or 0.0
        if calls >= CALLS and 0.0 < rows <= ROWS_OF_A_CALL * calls:
            yield _of_calls(fact, calls, rows / calls, _in_batches(fact, predictions))
    for fact in signals.of("allocator"):
        peak_b, capacity_b = fact.number("peak_b") or 0.0, fact.number("capacity_b") or 0.0
        if (fact.number("retries") or 0.0) > 0.0 and peak_b > FULL * capacity_b > 0.0:
            yield _of_device(fact, peak_b, capacity_b)


def _of_steps(fact: Fact, rows: float, steps: float) -> Iterator[Evidence]:
    told = fact.number("told_rows")
    step_s = fact.number("step_s")
    if told is not None and not 1 / _TOLD_APART < rows / told < _TOLD_APART:
        yield evidence_at(
            fact,
            _CODE,
            counter="rows in a step",
            value=rows,
            unit="rows",
            threshold=told,
            message=f"fit was told batch_size={told:.0f} and made {steps:.0f} steps of {rows:.3g} rows: the data set "
            "comes in batches of its own" + (f"; a step takes {1000 * step_s:.3g} ms" if step_s else ""),
        )
    updates, update_s = fact.number("updates") or 0.0, fact.number("update_s") or 0.0
    if rows > FEW_ROWS or steps < _FEWEST_STEPS or not step_s or not updates:
        return
    share = update_s / updates / step_s
    if share > UPDATE:
        yield evidence_at(
            fact,
            _CODE,
            counter="share of a step that is the update, whatever its rows",
            value=share,
            unit="",
            threshold=UPDATE,
            message=f"{steps:.0f} steps of {rows:.3g} {'row' if rows == 1.0 else 'rows'}, {1000 * step_s:.3g} ms each; "
            f"of that the update of the parameters takes {1000 * update_s / updates:.3g} ms ({100 * share:.0f} %): it "
            "would take that for any number of rows",
            cost_s=steps * update_s / updates,  # of these, only so many were timed
        )


def _in_batches(fact: Fact, predictions: Sequence[Fact]) -> str:
    """What a row took where this program predicted many at once: another model or other data, perhaps, so no saving."""
    found = []
    for other in predictions:
        calls, rows, seconds = (other.number(name) or 0.0 for name in ("calls", "rows", "s"))
        if other.process == fact.process and calls and seconds and rows / calls >= _MANY_ROWS:
            found.append((seconds / rows, rows / calls, other.line))
    if not found:
        return ""
    row_s, rows, line = min(found)
    return f"; a call in line {line} took {rows:.0f} rows at once, {1000 * row_s:.3g} ms for each"


def _of_calls(fact: Fact, calls: float, rows: float, beside: str) -> Evidence:
    seconds = fact.number("s") or 0.0
    return evidence_at(
        fact,
        _CODE,
        counter="rows in a call of predict",
        value=rows,
        unit="rows",
        threshold=ROWS_OF_A_CALL,
        message=f"predict was called {calls:.0f} times here with {rows:.3g} rows on average, "
        f"{1000 * seconds / calls:.3g} ms a call: every call sets up a data set and callbacks of its own{beside}",
        cost_s=seconds,
    )


def _of_device(fact: Fact, peak_b: float, capacity_b: float) -> Evidence:
    return evidence_at(
        fact,
        _CODE,
        counter="peak memory of the device",
        value=peak_b / capacity_b,
        unit="",
        threshold=FULL,
        message=f"{fact.text('device')} was filled to {100 * peak_b / capacity_b:.0f} %, and its allocator had to "
        f"give all its spare memory back and begin again {fact.number('retries') or 0.0:.0f} times",
    )
