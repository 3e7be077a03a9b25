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

from wattleak.analysis.energy import curve
from wattleak.analysis.estimates import around
from wattleak.analysis.idle_power import Load, idle_power

if TYPE_CHECKING:
    from wattleak.model import Channel, Estimate, Sample, Trace

_SHORTEST_STRETCH_S = 0.5  # CPU times tick in 10 ms: a share over less than this is mostly rounding
_TICK_S = 0.01  # what CPU time read from /proc may be off by at each end of a window (proc_stat(5): USER_HZ is 100)


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
        return 2 * _TICK_S * sum(_above(s, watts) for s in stretches) / busy_s if busy_s > 0 else 0.0

    accuracy = (whole.low / whole.value, whole.high / whole.value) if whole.value > 0 else (1.0, 1.0)
    low_j = (ours_j(idle_w.high) - tick_j(idle_w.high)) * accuracy[0]
    high_j = (ours_j(idle_w.low, unseen=True) + tick_j(idle_w.low)) * accuracy[1]
    return around(ours_j(idle_w.value), low_j, high_j, channel.origin), note


def _above(stretch: _Stretch, idle_w: float) -> float:
    return max(0.0, stretch.energy_j - idle_w * stretch.duration_s)


def _stretches(trace: Trace, channel: Channel, start_s: float, end_s: float) -> list[_Stretch]:
    """The window cut at samples, each piece as long as CPU ticks need, and nothing of it left out."""
    inside = [s for s in trace.samples if s.machine_busy_s is not None and start_s <= s.time_s <= end_s]
    if len(inside) < 2:
        return []
    cuts = [inside[0]]
    for sample in inside[1:]:
        if sample.time_s - cuts[-1].time_s >= _SHORTEST_STRETCH_S:
            cuts.append(sample)
    if cuts[-1] is not inside[-1]:  # a short rest belongs to the piece before it
        cuts = [*cuts[: max(1, len(cuts) - 1)], inside[-1]]
    energy = curve(channel, trace.samples)
    return [
        _Stretch(
            after.time_s - before.time_s,
            energy.at(after.time_s) - energy.at(before.time_s),
            ours_s := max(0.0, after.cpu_s - before.cpu_s),
            max(ours_s, _busy_s(after) - _busy_s(before)),
            max(0.0, after.unseen_s - before.unseen_s),
        )
        for before, after in pairwise(cuts)
        if after.time_s > before.time_s
    ]


def _busy_s(sample: Sample) -> float:
    assert sample.machine_busy_s is not None
    return sample.machine_busy_s
