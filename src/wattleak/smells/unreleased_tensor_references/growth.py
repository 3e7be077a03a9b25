"""Memory that rises step after step, as data: climbs of a series, and how steady each of them is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.slope import slope

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.model import Interval

FEWEST_STEPS = 50
_FEWEST_SAMPLES = 12
_FALL = 0.5  # of what was gained: memory that falls by so much was given back, and a new climb begins
_LEAST_B = 1 << 20
_STEADY = 0.5  # of the slope of the whole: what each third of a climb must have at least


@dataclass(frozen=True, slots=True)
class Climb:
    """A stretch of steps over which memory did not fall."""

    first: int
    last: int
    per_step_b: float
    interval: Interval
    grown_b: float
    end_b: float
    is_steady: bool  # it rose to the end, and all the way: not a cache that filled


def climbs(at: Sequence[float], values: Sequence[float]) -> Iterator[Climb]:
    """The climbs over at least 50 steps whose slope is above zero with the whole of its 95 % interval."""
    for start, end in _stretches(values):
        steps, some = at[start:end], values[start:end]
        if len(steps) < _FEWEST_SAMPLES or steps[-1] - steps[0] < FEWEST_STEPS:
            continue
        whole = slope(steps, some)  # its unit of time is a step here
        if whole is None or whole.interval.low <= 0.0:
            continue
        yield Climb(
            first=int(steps[0]),
            last=int(steps[-1]),
            per_step_b=whole.per_s,
            interval=whole.interval,
            grown_b=some[-1] - some[0],
            end_b=some[-1],
            is_steady=_is_steady(steps, some, whole.per_s),
        )


def _stretches(values: Sequence[float]) -> Iterator[tuple[int, int]]:
    start, highest = 0, 0
    for place, value in enumerate(values):
        if value > values[highest]:
            highest = place
        elif values[highest] - value > max(_LEAST_B, _FALL * (values[highest] - values[start])):
            yield start, highest + 1
            start = highest = place
    yield start, len(values)


def _is_steady(at: Sequence[float], values: Sequence[float], per_step_b: float) -> bool:
    third = len(at) // 3
    parts = ((0, third), (third, 2 * third), (2 * third, len(at) - 1))
    rises = ((values[end] - values[start]) / (at[end] - at[start]) for start, end in parts)
    return all(rise >= _STEADY * per_step_b for rise in rises)
