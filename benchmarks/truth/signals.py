"""Scripted power signals with their exact integral: what the bench calls the truth.

A signal repeats a list of pieces, each a straight line of power over time. Time 0 of a signal is a moment of
`CLOCK_MONOTONIC`, which is one clock for all processes of a machine.
"""

from __future__ import annotations

from dataclasses import dataclass

STANDARD_RANGE_J = 262143.328850
"""Where the counter of a usual Intel package starts again from zero."""


@dataclass(frozen=True)
class Signal:
    """Power that repeats: pieces of (seconds, watts at their start, watts at their end)."""

    name: str
    what: str
    pieces: tuple[tuple[float, float, float], ...]
    wrap_j: float = STANDARD_RANGE_J
    offset_j: float = 1000.0  # what the counter shows at time 0
    dropped: tuple[float, float] | None = None  # (every, for) seconds: the counter cannot be read
    stalled: bool = False  # the reader stands still for a part of each window

    @property
    def period_s(self) -> float:
        return sum(length_s for length_s, _, _ in self.pieces)

    def energy_j(self, time_s: float) -> float:
        """The exact integral of the power from 0 to `time_s`, which is not negative."""
        whole, into_s = divmod(time_s, self.period_s)
        total_j = whole * sum(length_s * (start_w + end_w) / 2 for length_s, start_w, end_w in self.pieces)
        for length_s, start_w, end_w in self.pieces:
            part_s = min(into_s, length_s)
            total_j += part_s * (start_w + (end_w - start_w) * part_s / length_s / 2)
            into_s -= part_s
            if into_s <= 0:
                break
        return total_j

    def power_w(self, time_s: float) -> float:
        into_s = time_s % self.period_s
        for length_s, start_w, end_w in self.pieces:
            if into_s < length_s:
                return start_w + (end_w - start_w) * into_s / length_s
            into_s -= length_s
        return self.pieces[-1][2]

    def readable(self, time_s: float) -> bool:
        return self.dropped is None or time_s % self.dropped[0] >= self.dropped[1]


SQUARE = ((0.65, 30.0, 30.0), (0.65, 150.0, 150.0))
WRAPPING = ((2.0, 60.0, 120.0), (1.1, 120.0, 60.0))
SIGNALS = (
    Signal("constant", "65 W", ((1.0, 65.0, 65.0),)),
    Signal("square wave", "30 W and 150 W in turn, 0.65 s each", SQUARE),
    Signal("spikes", "25 W, and 180 W for 50 ms every 0.7 s", ((0.65, 25.0, 25.0), (0.05, 180.0, 180.0))),
    Signal("ramp", "20 W to 160 W in 5.3 s, again and again", ((5.3, 20.0, 160.0),)),
    Signal("counter wrap", "60 W to 120 W and back; the counter starts again from 0", WRAPPING, 150.0, 60.0),
    Signal("dropped readings", "the square wave; no reading for 30 ms of every 250 ms", SQUARE, dropped=(0.25, 0.03)),
    Signal("stalled reader", "the square wave; whoever reads stands still inside the window", SQUARE, stalled=True),
)
GPU_SCALE = 2.0
"""The GPU draws this many times the signal."""
