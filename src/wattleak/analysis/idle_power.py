"""Power of a channel when nothing works, as stated, or as far as a run itself can tell. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Channel

_LEAST_SPREAD = 0.25  # of load (busy CPUs, or the busy fraction of a device), without which a line has no slope to see
_LEAST_POINTS = 8


@dataclass(frozen=True, slots=True)
class Load:
    """A stretch of time: what the channel used, and how much work there was (any unit that power is linear in)."""

    duration_s: float
    energy_j: float
    load: float

    @property
    def power_w(self) -> float:
        return self.energy_j / self.duration_s


def idle_power(channel: Channel, stretches: Sequence[Load]) -> tuple[Estimate, str | None]:
    """Watts of the channel at rest, and what a reader must know about the figure.

    As stated (`Channel.idle_w`), else from the run: power against load is a line whose intercept is the idle power,
    when the load moved enough to see it. Otherwise idle is only known to lie between nothing and the lowest power seen.
    """
    if channel.idle_w is not None:
        return channel.idle_w, None
    found = intercept(stretches)
    if found is not None:
        return found, f"idle power of {channel.name} was estimated from the run: {found.value:.1f} W"
    lowest_w = min(stretch.power_w for stretch in stretches)
    note = (
        f"idle power of {channel.name} is not known (--idle-power {channel.name}=WATTS): the attributed range is wide"
    )
    return Estimate(lowest_w / 2, 0.0, lowest_w, Origin.SAMPLED), note


def intercept(stretches: Sequence[Load]) -> Estimate | None:
    """Power at no load by ordinary least squares, with the 95 % interval at two standard errors.

    None when there are too few stretches or their load hardly moves. Never above the lowest power that was seen.
    """
    loads = [stretch.load for stretch in stretches]
    powers = [stretch.power_w for stretch in stretches]
    if len(stretches) < _LEAST_POINTS or max(loads) - min(loads) < _LEAST_SPREAD:
        return None
    n, lowest_w = len(stretches), min(powers)
    mean_load, mean_power = sum(loads) / n, sum(powers) / n
    spread = sum((load - mean_load) ** 2 for load in loads)
    slope = sum((load - mean_load) * (power - mean_power) for load, power in zip(loads, powers, strict=True)) / spread
    at_rest_w = mean_power - slope * mean_load
    residual = sum((power - at_rest_w - slope * load) ** 2 for load, power in zip(loads, powers, strict=True))
    error_w = 2 * ((residual / (n - 2)) * (1 / n + mean_load**2 / spread)) ** 0.5
    value_w = min(max(0.0, at_rest_w), lowest_w)
    return Estimate(
        value_w,
        min(max(0.0, at_rest_w - error_w), value_w),
        max(min(lowest_w, at_rest_w + error_w), value_w),
        Origin.SAMPLED,
    )
