"""The tree's share of a counter that the whole host shares: CPU packages, memory, the platform. Pure.

In every stretch between samples, what is above idle, shared by CPU time: `ours / busy x (energy - idle power x time)`.
A neighbour changes both the share and the energy, and what is ours stays. That power above idle is proportional to
CPU time is a model: it leaves out that a vector unit draws more than a pointer chase. Nobody published its error for a
single process; the range covers the idle power, the accuracy of the source, and the ticks in which CPU time is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from wattleak.analysis.cpu_time import TICK_S
from wattleak.analysis.energy import curve, interpolate
from wattleak.analysis.estimates import around
from wattleak.analysis.idle_power import Load, idle_power

if TYPE_CHECKING:
    from wattleak.model import Channel, Estimate, Trace

_SHORTEST_STRETCH_S = 0.5  # CPU times tick in 10 ms: a share over less than this is mostly rounding


@dataclass(frozen=True, slots=True)
class _Stretch:
    duration_s: float
    energy_j: float
    ours_s: float
    busy_s: float
    unseen_s: float  # what may be missing from `ours_s`, at most


def of_host(trace: Trace, channel: Channel, start_s: float, end_s: float) -> tuple[Estimate | None, str | None]:
    """Joules of the tree on a shared counter over a window; None, with the reason, when they cannot be known."""
    whole = curve(channel, trace.samples).between(start_s, end_s)
    if whole is None:
        return None, None
    stretches = _stretches(trace, channel, start_s, end_s)
    if not stretches:
        return None, (
            f"how busy the machine was is not known, so nobody can say which part of {channel.name} is this run's"
        )
    idle_w, note = idle_power(channel, [Load(s.duration_s, s.energy_j, s.busy_s / s.duration_s) for s in stretches])

    def ours_j(watts: float, *, unseen: bool = False) -> float:
        return sum(
            min(1.0, (s.ours_s + s.unseen_s * unseen) / s.busy_s) * _above(s, watts) for s in stretches if s.busy_s > 0
        )

    def tick_j(watts: float) -> float:
        """What one tick of ours at each end of the window stands for."""
        busy_s = sum(s.busy_s for s in stretches)
        return 2 * TICK_S * sum(_above(s, watts) for s in stretches) / busy_s if busy_s > 0 else 0.0

    accuracy = (whole.low / whole.value, whole.high / whole.value) if whole.value > 0 else (1.0, 1.0)
    low_j = (ours_j(idle_w.high) - tick_j(idle_w.high)) * accuracy[0]
    high_j = (ours_j(idle_w.low, unseen=True) + tick_j(idle_w.low)) * accuracy[1]
    return around(ours_j(idle_w.value), low_j, high_j, channel.origin), note


def _above(stretch: _Stretch, idle_w: float) -> float:
    return max(0.0, stretch.energy_j - idle_w * stretch.duration_s)


def _stretches(trace: Trace, channel: Channel, start_s: float, end_s: float) -> list[_Stretch]:
    """The window cut at samples, each piece as long as CPU ticks need, and nothing of it left out.

    An edge between two samples, such as the end of the workload a millisecond before the last one, is interpolated.
    """
    known = [(s.time_s, s.cpu_s, s.machine_busy_s, s.unseen_s) for s in trace.samples if s.machine_busy_s is not None]
    if len(known) < 2:
        return []
    times, ours, busy, unseen = (list(column) for column in zip(*known, strict=True))
    first_s, last_s = max(start_s, times[0]), min(end_s, times[-1])
    if last_s <= first_s:
        return []
    cuts = [first_s]
    for time_s in times:
        if first_s < time_s < last_s and time_s - cuts[-1] >= _SHORTEST_STRETCH_S:
            cuts.append(time_s)
    if len(cuts) > 1 and last_s - cuts[-1] < _SHORTEST_STRETCH_S:
        cuts.pop()  # a short rest belongs to the piece before it
    energy = curve(channel, trace.samples)
    found = []
    for before_s, after_s in pairwise((*cuts, last_s)):
        ours_s, busy_s, unseen_s = (
            max(0.0, interpolate(times, column, after_s) - interpolate(times, column, before_s))
            for column in (ours, busy, unseen)
        )
        energy_j = energy.at(after_s) - energy.at(before_s)
        found.append(_Stretch(after_s - before_s, energy_j, ours_s, max(ours_s, busy_s), unseen_s))
    return found
