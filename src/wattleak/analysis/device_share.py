"""What a process tree is billed for a device that processes hold: a GPU. Pure.

- Held by one tree, it is billed whole, waiting included, and split into `active_j` (a kernel ran) and `waiting_j` (it
  was held and nothing ran): `waiting = time not busy x power while it waits`. A starving GPU is waste and must show.
  The power while waiting is seen where the device hardly worked; else it is where the line of power against busy time
  starts; else it is only known to lie between the card's idle power (or nothing) and the lowest power seen.
- Held by several, what is above the card's idle power is shared by the time in which each one's kernels ran,
  `ours / (ours + others)`, stretch by stretch; the idle part is nobody's. The range lets the kernels of one draw up to
  twice the power of the other's: an assumption, nobody published how far kernels that share a card differ.
- Where the driver does not say whose kernels ran, a shared device is only known to lie between nothing and all; the
  value splits it by the number of holders.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

from wattleak.analysis.energy import curve
from wattleak.analysis.estimates import around, weakest
from wattleak.analysis.idle_power import Load, idle_power, intercept
from wattleak.model import ChannelEnergy, Estimate, Holders, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Channel, DeviceUse, Trace

_SHORTEST_STRETCH_S = 1.0  # energy counters of GPUs move every 0.1 s, and drivers look at their work every 1/6 s to 1 s
_SHORTEST_LOOK_S = 1 / 6  # NVML reference, nvmlUtilization_t: the time that one reading tells of, at least
_QUIET = 0.02  # a device that worked less than this fraction of a stretch shows its power while it waits
_ROUNDING = 0.005  # drivers say how busy in whole percents
_KERNEL_RATIO = 2.0  # how far the power of one holder's kernels may be from the other's: an assumption


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Fractions of the stretch in which the device worked: for anybody, for us, for others. None: not told."""

    duration_s: float
    energy_j: float
    busy: float | None
    ours: float | None
    others: float | None
    busy_error: float  # of `busy`: half of what it moved since the reading before


def of_device(trace: Trace, channel: Channel, start_s: float, end_s: float) -> tuple[ChannelEnergy | None, str | None]:
    """What the tree is billed for a device over a window, and what a reader must know about it."""
    whole = curve(channel, trace.samples).between(start_s, end_s)
    if whole is None:
        return None, None
    holders = _holders(trace, channel)
    if holders is None:
        return None, f"nobody was seen to hold {channel.name}: its energy is the machine's, not this run's"
    if holders.ours == 0:
        return None, None
    stretches = _stretches(trace, channel, start_s, end_s)
    if holders.others == 0:
        active_j, waiting_j = _split(channel, whole, stretches)
        return ChannelEnergy(channel, whole, active_j=active_j, waiting_j=waiting_j), None
    if stretches and all(s.ours is not None and s.others is not None for s in stretches):
        return _shared_by_use(channel, whole, stretches, holders)
    share = holders.ours / (holders.ours + holders.others)
    note = f"{channel.name} was shared with others: this run's part lies between nothing and all of it"
    return ChannelEnergy(channel, Estimate(whole.value * share, 0.0, whole.high, whole.origin)), note


def _holders(trace: Trace, channel: Channel) -> Holders | None:
    """Who held the device: as the driver lists them, and whoever was seen to work on it."""
    listed = trace.holders.get(channel.name)
    readings = trace.use.get(channel.name, ())
    ours = any(reading.ours for reading in readings)
    others = any(reading.others for reading in readings)
    if listed is None:
        return Holders(int(ours), int(others)) if ours or others else None
    return Holders(max(listed.ours, int(ours)), max(listed.others, int(others)))


# -- held by one ----------------------------------------------------------------------------------------------------


def _split(
    channel: Channel, whole: Estimate, stretches: Sequence[_Stretch]
) -> tuple[Estimate, Estimate] | tuple[None, None]:
    """The energy while a kernel ran, and while none did; nothing when the device does not say how busy it was."""
    known = [(stretch, stretch.busy) for stretch in stretches if stretch.busy is not None]
    if not known or len(known) < len(stretches):
        return None, None
    waiting_w = _waiting_power(channel, [Load(s.duration_s, s.energy_j, busy) for s, busy in known])
    duration_s = sum(s.duration_s for s in stretches)
    waiting_s = sum((1 - busy) * s.duration_s for s, busy in known)
    # Each reading of `busy` tells of a part of its stretch: uniform errors of that size, independent, at 95 %.
    error_s = 1.96 * sqrt(sum((s.busy_error * s.duration_s) ** 2 for s in stretches) / 3) + _ROUNDING * duration_s
    value_j = min(waiting_s * waiting_w.value, whole.value)
    low_j = min(max(0.0, waiting_s - error_s) * waiting_w.low, value_j)
    high_j = max(min(min(duration_s, waiting_s + error_s) * waiting_w.high, whole.value), value_j)
    origin = weakest((whole.origin, Origin.SAMPLED))
    low, high = channel.relative_low, channel.relative_high
    waiting_j = around(value_j, low_j * low, min(high_j * high, whole.high), origin)
    active_j = around(whole.value - value_j, whole.low - high_j * low, whole.high - low_j * high, origin)
    return active_j, waiting_j


def _waiting_power(channel: Channel, stretches: Sequence[Load]) -> Estimate:
    """Watts of a held device while nothing runs on it. More than its idle power: clocks and memory stay up."""
    quiet = [stretch for stretch in stretches if stretch.load <= _QUIET]
    if quiet:
        value_w = sum(s.energy_j for s in quiet) / sum(s.duration_s for s in quiet)
        return Estimate(value_w, min(s.power_w for s in quiet), max(s.power_w for s in quiet), Origin.SAMPLED)
    found = intercept(stretches)
    if found is not None:
        return found
    lowest_w = min(stretch.power_w for stretch in stretches)
    floor_w = 0.0 if channel.idle_w is None else min(channel.idle_w.low, lowest_w)
    return Estimate((floor_w + lowest_w) / 2, floor_w, lowest_w, Origin.SAMPLED)


# -- held by several ------------------------------------------------------------------------------------------------


def _shared_by_use(
    channel: Channel, whole: Estimate, stretches: Sequence[_Stretch], holders: Holders
) -> tuple[ChannelEnergy, str]:
    loads = [Load(s.duration_s, s.energy_j, _both(s)) for s in stretches]
    idle_w, idle_note = idle_power(channel, loads)
    value_j = low_j = high_j = 0.0
    for stretch in stretches:
        share, least, most = _share(stretch, holders)
        value_j += share * _above(stretch, idle_w.value)
        low_j += least * _above(stretch, idle_w.high)
        high_j += most * _above(stretch, idle_w.low)
    if whole.value > 0:
        low_j, high_j = low_j * whole.low / whole.value, high_j * whole.high / whole.value
    origin = weakest((whole.origin, Origin.SAMPLED))
    energy_j = around(value_j, low_j, high_j, origin)
    note = f"{channel.name} was shared with others: split by the time in which each one's kernels ran"
    note = f"{note}; {idle_note}" if idle_note else note
    return ChannelEnergy(channel, energy_j, active_j=energy_j), note


def _share(stretch: _Stretch, holders: Holders) -> tuple[float, float, float]:
    """Our part of the energy above idle, with its bounds. When nobody's kernels ran, it is anybody's."""
    ours, others = stretch.ours or 0.0, stretch.others or 0.0
    if ours + others <= 0:
        return holders.ours / (holders.ours + holders.others), 0.0, 1.0
    # A reading of 0 % beside one that works may be up to half a percent.
    least = max(0.0, ours - _ROUNDING) / (max(0.0, ours - _ROUNDING) + _KERNEL_RATIO * (others + _ROUNDING))
    most = (ours + _ROUNDING) * _KERNEL_RATIO
    most /= most + max(0.0, others - _ROUNDING)
    return ours / (ours + others), least, most


def _both(stretch: _Stretch) -> float:
    return min(1.0, (stretch.ours or 0.0) + (stretch.others or 0.0)) if stretch.busy is None else stretch.busy


def _above(stretch: _Stretch, idle_w: float) -> float:
    return max(0.0, stretch.energy_j - idle_w * stretch.duration_s)


# -- stretches ------------------------------------------------------------------------------------------------------


def _stretches(trace: Trace, channel: Channel, start_s: float, end_s: float) -> list[_Stretch]:
    """The window cut where the device was asked, each piece as long as its counter and its driver need.

    A reading tells of the time since the one before it; the first reaches back to the start of the window, the last
    on to its end.
    """
    readings = trace.use.get(channel.name, ())
    if not readings:
        return []
    times = [reading.time_s for reading in readings[:-1] if start_s < reading.time_s < end_s]
    cuts = [start_s]
    for time_s in times:
        if time_s - cuts[-1] >= _SHORTEST_STRETCH_S:
            cuts.append(time_s)
    if len(cuts) > 1 and end_s - cuts[-1] < _SHORTEST_STRETCH_S:
        cuts.pop()
    energy = curve(channel, trace.samples)
    pieces = [
        (
            after_s - before_s,
            energy.at(after_s) - energy.at(before_s),
            _mean(readings, before_s, after_s),
        )
        for before_s, after_s in pairwise((*cuts, end_s))
        if after_s > before_s
    ]
    found: list[_Stretch] = []
    for place, (duration_s, energy_j, (busy, ours, others)) in enumerate(pieces):
        neighbour = pieces[place - 1 if place else min(1, len(pieces) - 1)][2][0]
        if len(pieces) == 1:
            error = max(0.0, 1 - _SHORTEST_LOOK_S * _count(readings, start_s, end_s) / duration_s)
        else:
            error = 0.0 if busy is None or neighbour is None else abs(busy - neighbour) / 2
        found.append(_Stretch(duration_s, energy_j, busy, ours, others, error))
    return found


def _count(readings: Sequence[DeviceUse], start_s: float, end_s: float) -> int:
    return max(1, sum(start_s < reading.time_s <= end_s for reading in readings))


def _mean(
    readings: Sequence[DeviceUse], start_s: float, end_s: float
) -> tuple[float | None, float | None, float | None]:
    """Busy, ours and others over a piece of time: the mean of what each reading tells of its own part."""
    totals: list[float | None] = [0.0, 0.0, 0.0]
    told_s = 0.0
    for place, reading in enumerate(readings):
        left_s = start_s if place == 0 else max(start_s, readings[place - 1].time_s)
        right_s = end_s if place == len(readings) - 1 else min(end_s, reading.time_s)
        if right_s <= left_s:
            continue
        told_s += right_s - left_s
        for column, value in enumerate((reading.busy, reading.ours, reading.others)):
            total = totals[column]
            totals[column] = None if value is None or total is None else total + value * (right_s - left_s)
    busy, ours, others = (None if total is None or told_s <= 0 else min(1.0, total / told_s) for total in totals)
    return busy, ours, others
