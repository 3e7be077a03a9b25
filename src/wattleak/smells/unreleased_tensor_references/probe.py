"""Memory that a training keeps with every step, and the container that keeps it.

The counter is what the C library (or the allocator of the device) has handed out, sampled at steps. It tells how fast
memory grows, not whose it is; a look into the variables of the program tells which container of tensors grew with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wattleak.smells.noted import evidence_at
from wattleak.smells.unreleased_tensor_references.growth import Climb, climbs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Signals

_CODE = "REF001"
CAPACITY = 0.01  # of the memory there is, in 1,000 steps: where nothing says who keeps it
HELD_B = 64 << 10  # a step: where a container of tensors grows as fast
_EXPLAINS = 0.3  # of the slope, that a container must account for
_EACH_STEP = 0.5  # tensors that it must have gained per step
_HOUR = 3600.0


class _Growth(NamedTuple):
    memory: Fact
    climb: Climb


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield one place for each loop, on the host and on each device, whose memory grows."""
    holders = list(signals.of("holder"))
    fastest: dict[tuple[str, str | None], _Growth] = {}
    for fact in signals.of("memory"):
        at, values = fact.numbers("at"), fact.numbers("bytes")
        if len(at) != len(values):
            continue
        for climb in climbs(at, values):
            key = fact.process.name, fact.text("where")
            if climb.is_steady and (key not in fastest or climb.grown_b > fastest[key].climb.grown_b):
                fastest[key] = _Growth(fact, climb)
    for growth in fastest.values():
        own = [holder for holder in holders if holder.process == growth.memory.process]
        yield from _judged(growth, own)


def _judged(growth: _Growth, holders: Sequence[Fact]) -> Iterator[Evidence]:
    memory, climb = growth
    holder = max((item for item in holders if _explains(item, climb)), key=_per_step_b, default=None)
    if holder is not None and (holder.values.get("bounded") or holder.values.get("collection")):
        return  # a buffer that forgets, or a data set that is being gathered
    capacity_b = memory.number("capacity_b")
    threshold = None if capacity_b is None else CAPACITY * capacity_b / 1000
    if holder is not None:
        threshold = min(HELD_B, threshold) if threshold is not None else HELD_B
    if threshold is None or climb.interval.low <= threshold:
        return
    yield evidence_at(
        memory if holder is None else holder,  # both of one process
        _CODE,
        "memory of the device kept by each step" if _is_device(memory) else "memory kept by each step",
        climb.per_step_b,
        f"{_grew(memory, climb)}; {_who(holder)}{_until(memory, climb, capacity_b)}",
        threshold=float(threshold),
        unit="B/step",
        interval=climb.interval,
        cost_b=climb.grown_b,
    )


def _explains(holder: Fact, climb: Climb) -> bool:
    steps, grown = holder.number("steps") or 0.0, holder.number("grown") or 0.0
    return steps > 0.0 and grown >= _EACH_STEP * steps and _per_step_b(holder) >= _EXPLAINS * climb.per_step_b


def _per_step_b(holder: Fact) -> float:
    steps = holder.number("steps") or 0.0
    return (holder.number("grown_b") or 0.0) / steps if steps else 0.0


def _is_device(memory: Fact) -> bool:
    return memory.text("where") not in ("malloc", "resident")


def _grew(memory: Fact, climb: Climb) -> str:
    whose = f"memory of {memory.text('where')}" if _is_device(memory) else "memory of the process"
    return (
        f"{whose} grew by {_size(climb.per_step_b)} with every step from step {climb.first} to {climb.last}, "
        f"{_size(climb.grown_b)} in all"
    )


def _who(holder: Fact | None) -> str:
    if holder is None:
        return "no container that grew with it was found, so it is not known who keeps it"
    graph = ", each with its graph" if holder.values.get("graph") else ""
    return (
        f"{holder.text('container')} `{holder.text('name')}`, {holder.text('owner')}, "
        f"has {holder.number('tensors') or 0.0:.0f} tensors in it{graph}"
    )


def _until(memory: Fact, climb: Climb, capacity_b: float | None) -> str:
    step_s = memory.number("step_s")
    if capacity_b is None or not step_s or capacity_b <= climb.end_b:
        return ""
    steps = (capacity_b - climb.end_b) / climb.per_step_b
    return f"; at this rate the {_size(capacity_b)} there are last {steps:,.0f} steps, {_time(steps * step_s)}"


def _size(count_b: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count_b >= size:
            return f"{count_b / size:.3g} {unit}"
    return f"{count_b:.0f} B"


def _time(seconds: float) -> str:
    if seconds < 2 * 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.3g} h"
