"""Where the time and the joules of a training went: from the moments that hooks noted to phases. Pure.

What the energy of a phase is read from:

- moments that are long against the time between two samples: the trace itself, attributed over each of them;
- moments too short or too many for that: the energy of the stretch in which they lie (the training), split by time.
  That takes the power to be the same in the phase and beside it, which nobody measured: such a figure is modelled, and
  its range goes from nothing to all of the energy that the sum of its seconds could hold at twice the mean power.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.analysis.attribution import attribute
from wattleak.analysis.estimates import by_time, summed_if_all_known
from wattleak.model import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Estimate, Trace

_MOST_MOMENTS = 200  # attributed one by one
_RESOLVED = 2.0  # samples that a moment must span on average to be read from the trace
START_UP = "start-up"
TRAINING = "training"
AFTER = "after the training"
_Moments = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """What the hooks of all processes noted of one phase. Moments are on the clock of the trace."""

    name: str
    duration_s: float
    moments: _Moments = ()  # all of them, merged; empty: only their sum is known
    inside: str | None = None
    duration_range_s: tuple[float, float] | None = None  # where the sum is that of a sample of the steps


def phases(trace: Trace, noted: Sequence[Noted], start_s: float, end_s: float) -> tuple[Phase, ...]:
    """The phases of a run from `start_s` to `end_s`: what lies before the training, the training, and what comes after
    it, with the parts that hooks noted between. () without training.
    """
    training = next((item for item in noted if item.name == TRAINING and item.moments), None)
    if training is None or end_s <= start_s:
        return ()
    first_s, last_s = training.moments[0][0], training.moments[-1][1]
    whole_s = end_s - start_s
    rows: list[Noted] = []
    if first_s > start_s:
        rows.append(Noted(START_UP, first_s - start_s, ((start_s, first_s),)))
    rows.append(training)
    others = [item for item in noted if item.name != TRAINING and item.duration_s > 0]
    later = [item for item in others if item.moments and item.moments[0][0] >= last_s]
    rows[-1:-1] = [item for item in others if item.inside == START_UP]
    rows += [item for item in others if item not in later and item.inside != START_UP]
    if last_s < end_s:
        rows.append(Noted(AFTER, end_s - last_s, ((last_s, end_s),)))
    rows += [replace(item, inside=item.inside or AFTER) for item in later]
    stretches = {START_UP: (start_s, first_s), AFTER: (last_s, end_s)}
    return tuple(_phase(trace, item, stretches.get(item.inside or "", (first_s, last_s)), whole_s) for item in rows)


def around_best(
    trace: Trace, figure: str, best_s: float, last_s: float, start_s: float, end_s: float
) -> tuple[Phase, ...]:
    """The phases of a run whose training nobody understood, but which reported a figure of quality several times: until
    its best report at `best_s`, from there to the last one, and what came after.
    """
    if not start_s < best_s < last_s <= end_s:
        return ()
    ends = (start_s, best_s, last_s, end_s)
    names = (f"until the best {figure} was reported", f"after the best {figure}", "after the last report")
    rows = [Noted(name, b - a, ((a, b),)) for name, a, b in zip(names, ends[:-1], ends[1:], strict=True) if b > a]
    return tuple(_phase(trace, item, (start_s, end_s), end_s - start_s) for item in rows)


def _phase(trace: Trace, item: Noted, stretch: tuple[float, float], whole_s: float) -> Phase:
    energy_j, by_interval = _energy(trace, item, stretch)
    return Phase(
        name=item.name,
        duration_s=item.duration_s,
        share=item.duration_s / whole_s,
        energy_j=energy_j,
        by_interval=by_interval,
        inside=item.inside,
        duration_range_s=item.duration_range_s,
    )


def _energy(trace: Trace, item: Noted, stretch: tuple[float, float]) -> tuple[Estimate | None, bool]:
    if item.moments and len(item.moments) <= _MOST_MOMENTS and _is_resolved(trace, item.moments):
        total = summed_if_all_known([attribute(trace, start_s, end_s).total_j for start_s, end_s in item.moments])
        if total is not None:
            return total, True
    return _split_by_time(trace, item.duration_s, *stretch), False


def _is_resolved(trace: Trace, moments: _Moments) -> bool:
    times_s = [sample.time_s for sample in trace.samples]
    inside = sum(bisect_right(times_s, end_s) - bisect_left(times_s, start_s) for start_s, end_s in moments)
    return inside >= _RESOLVED * len(moments)


def _split_by_time(trace: Trace, duration_s: float, start_s: float, end_s: float) -> Estimate | None:
    whole = attribute(trace, start_s, end_s).total_j
    if whole is None or end_s <= start_s:
        return None
    return by_time(whole, min(1.0, duration_s / (end_s - start_s)))
