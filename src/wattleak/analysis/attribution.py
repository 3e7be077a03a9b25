"""Which part of the machine's energy belongs to the recorded process tree.

Pure, standard library only.

- A CPU with a counter: in every stretch between samples, the energy above idle, shared by CPU time:
  `ours / busy x (energy - idle power x time)`. A neighbour then changes both the share and the energy, and what is
  ours stays. Memory channels follow the same share.
- A CPU without a counter: CPU-seconds of the tree x the model's watts per busy CPU. The machine's size is not in it.
- A GPU that only our tree holds is ours whole, waiting included: a starving GPU is waste. Held by several, it is
  known only to lie between nothing and all; the estimate splits it by the number of holders.
- Idle energy is never ours: it is given apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.analysis.energy import cpu_seconds, curve
from wattleak.model import Channel, ChannelEnergy, Estimate, Origin, Part

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.model import Trace

_SHORTEST_STRETCH_S = 0.5  # CPU times tick in 10 ms: a share over less than this is mostly rounding
_LEAST_SPREAD_CPUS = 0.25  # of load, without which idle power cannot be told from the data
_LEAST_POINTS = 8


@dataclass(frozen=True, slots=True)
class Attribution:
    """Energy of the tree by channel, and energy of the machine at rest over the same window."""

    channels: tuple[ChannelEnergy, ...]
    total_j: Estimate | None
    idle_j: Estimate | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    duration_s: float
    energy_j: float
    ours_s: float
    busy_s: float


def attribute(trace: Trace, start_s: float, end_s: float) -> Attribution:
    """Attribute every channel over a window. Never adds measured and modelled parts: `total_j` holds the measured
    ones when there are any, else the modelled; what is left out is said in `notes`.
    """
    ours: list[ChannelEnergy] = []
    idle: list[Estimate] = []
    notes: list[str] = []
    for channel in _innermost(trace.channels):
        if channel.part is Part.GPU:
            energy, note = _of_device(trace, channel, start_s, end_s)
        elif channel.watts_per_busy_cpu is not None:
            energy, note = _of_model(trace, channel, channel.watts_per_busy_cpu, start_s, end_s)
        else:
            energy, note = _of_host(trace, channel, start_s, end_s)
        if energy is not None:
            ours.append(ChannelEnergy(channel, energy))
        if note:
            notes.append(note)
        if channel.part is not Part.GPU and channel.idle_w is not None:
            idle.append(_scaled(channel.idle_w, end_s - start_s))
    measured = [item for item in ours if item.energy_j.origin is not Origin.MODELLED]
    if measured and len(measured) < len(ours):
        left_out = ", ".join(item.channel.name for item in ours if item not in measured)
        notes.append(f"{left_out} is modelled and not in the attributed total, which is measured")
    return Attribution(tuple(ours), _sum(item.energy_j for item in measured or ours), _sum(idle), tuple(notes))


def _innermost(channels: Sequence[Channel]) -> list[Channel]:
    """Channels that contain no other one that is read: psys holds the package, so only the package is attributed."""
    names = {channel.name for channel in channels}
    return [channel for channel in channels if not channel.contains & names]


def _of_model(
    trace: Trace, channel: Channel, watts: Estimate, start_s: float, end_s: float
) -> tuple[Estimate, str | None]:
    return replace(_scaled(watts, cpu_seconds(trace.samples, start_s, end_s)), origin=channel.origin), None


def _of_device(trace: Trace, channel: Channel, start_s: float, end_s: float) -> tuple[Estimate | None, str | None]:
    holders = trace.holders.get(channel.name)
    whole = curve(channel, trace.samples).between(start_s, end_s)
    if whole is None or holders is None or holders.ours == 0:
        if whole is not None and holders is None:
            return None, f"nobody was seen to hold {channel.name}: its energy is the machine's, not this run's"
        return None, None
    if holders.others == 0:
        return whole, None
    share = holders.ours / (holders.ours + holders.others)
    note = f"{channel.name} was shared with others: this run's part lies between nothing and all of it"
    return Estimate(whole.value * share, 0.0, whole.high, whole.origin), note


def _of_host(trace: Trace, channel: Channel, start_s: float, end_s: float) -> tuple[Estimate | None, str | None]:
    stretches = list(_stretches(trace, channel, start_s, end_s))
    whole = curve(channel, trace.samples).between(start_s, end_s)
    if not stretches or whole is None:
        return None, None
    idle_w, note = _idle_power(channel, stretches)

    def above_idle(watts: float) -> float:
        return sum(
            min(1.0, stretch.ours_s / stretch.busy_s) * max(0.0, stretch.energy_j - watts * stretch.duration_s)
            for stretch in stretches
            if stretch.busy_s > 0
        )

    value_j = above_idle(idle_w.value)
    low_j, high_j = above_idle(idle_w.high), above_idle(idle_w.low)
    if whole.value > 0:
        low_j *= whole.low / whole.value
        high_j *= whole.high / whole.value
    return Estimate(value_j, min(low_j, value_j), max(high_j, value_j), channel.origin), note


def _stretches(trace: Trace, channel: Channel, start_s: float, end_s: float) -> Iterable[_Stretch]:
    """Cut the window at samples, none shorter than CPU ticks allow."""
    energy = curve(channel, trace.samples)
    readable = [sample for sample in trace.samples if sample.machine_busy_s is not None]
    inside = [sample for sample in readable if start_s <= sample.time_s <= end_s]
    if len(inside) < 2:
        return
    before = inside[0]
    for number, sample in enumerate(inside[1:], start=1):
        last = number == len(inside) - 1
        if sample.time_s - before.time_s < _SHORTEST_STRETCH_S and not (last and before is inside[0]):
            continue
        assert before.machine_busy_s is not None
        assert sample.machine_busy_s is not None
        ours_s = max(0.0, sample.cpu_s - before.cpu_s)
        yield _Stretch(
            sample.time_s - before.time_s,
            energy.at(sample.time_s) - energy.at(before.time_s),
            ours_s,
            max(ours_s, sample.machine_busy_s - before.machine_busy_s),
        )
        before = sample


def _idle_power(channel: Channel, stretches: Sequence[_Stretch]) -> tuple[Estimate, str | None]:
    """Power of the channel at rest: as stated, else from the run itself.

    From the run: power against load is a line whose intercept is the idle power, when the load moved enough to see
    it (ordinary least squares, 95 % interval of the intercept at two standard errors). Otherwise idle is only known
    to lie between nothing and the lowest power seen.
    """
    if channel.idle_w is not None:
        return channel.idle_w, None
    powers = [stretch.energy_j / stretch.duration_s for stretch in stretches]
    loads = [stretch.busy_s / stretch.duration_s for stretch in stretches]
    lowest_w = min(powers)
    if len(stretches) >= _LEAST_POINTS and max(loads) - min(loads) >= _LEAST_SPREAD_CPUS:
        n = len(stretches)
        mean_load, mean_power = sum(loads) / n, sum(powers) / n
        spread = sum((load - mean_load) ** 2 for load in loads)
        slope = (
            sum((load - mean_load) * (power - mean_power) for load, power in zip(loads, powers, strict=True)) / spread
        )
        intercept = mean_power - slope * mean_load
        residual = sum((power - intercept - slope * load) ** 2 for load, power in zip(loads, powers, strict=True))
        error = 2 * ((residual / (n - 2)) * (1 / n + mean_load**2 / spread)) ** 0.5
        value_w = min(max(0.0, intercept), lowest_w)
        estimate = Estimate(
            value_w,
            min(max(0.0, intercept - error), value_w),
            max(min(lowest_w, intercept + error), value_w),
            Origin.SAMPLED,
        )
        return estimate, f"idle power of {channel.name} was estimated from the run: {value_w:.1f} W"
    note = (
        f"idle power of {channel.name} is not known (--idle-power {channel.name}=WATTS): the attributed range is wide"
    )
    return Estimate(lowest_w / 2, 0.0, lowest_w, Origin.SAMPLED), note


def _scaled(estimate: Estimate, factor: float) -> Estimate:
    return Estimate(estimate.value * factor, estimate.low * factor, estimate.high * factor, estimate.origin)


def _sum(estimates: Iterable[Estimate]) -> Estimate | None:
    """Sum of parts; the ranges add (no independence is assumed), and the weakest origin stays."""
    parts = list(estimates)
    if not parts:
        return None
    order = list(Origin)
    return Estimate(
        sum(part.value for part in parts),
        sum(part.low for part in parts),
        sum(part.high for part in parts),
        max((part.origin for part in parts), key=order.index),
    )
