"""From raw readings to joules over a window, with a range that the source's own resolution explains.

Pure, standard library only: the recorder's front door uses it on every run.

A counter is differenced, with wrap; a power source is integrated by trapezoid. The range has two parts:

- resolution: a counter shows the energy of up to one update period ago, at both ends of the window, so the
  difference may be off by the power at each end times `period_s`. A power source misses what happens between two
  readings; half the step between them, over the time between them, bounds that for a signal that moves once.
- accuracy: the source's own relative range (`Channel.relative_low`, `relative_high`).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from wattleak.model import Channel, ChannelEnergy, Estimate, Quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Sample, Trace


@dataclass(frozen=True, slots=True)
class Curve:
    """Cumulative energy of one channel at the moments it was read, from 0 at the first."""

    channel: Channel
    time_s: tuple[float, ...]
    energy_j: tuple[float, ...]
    step_error_j2: tuple[float, ...]  # cumulative squared error of integration between readings; zeros for counters

    def at(self, time_s: float) -> float:
        """Energy up to a moment, linear between readings, constant outside them."""
        return _interpolate(self.time_s, self.energy_j, time_s)

    def between(self, start_s: float, end_s: float) -> Estimate | None:
        """Energy of a window, or None when the channel was not read twice around it."""
        if len(self.time_s) < 2 or end_s <= start_s:
            return None
        value_j = self.at(end_s) - self.at(start_s)
        power_w = value_j / (end_s - start_s)
        error_j = 2 * power_w * self.channel.period_s
        error_j += sqrt(
            max(
                0.0,
                _interpolate(self.time_s, self.step_error_j2, end_s)
                - _interpolate(self.time_s, self.step_error_j2, start_s),
            )
        )
        return Estimate(
            value_j,
            max(0.0, value_j - error_j) * self.channel.relative_low,
            (value_j + error_j) * self.channel.relative_high,
            self.channel.origin,
        )


def curve(channel: Channel, samples: Sequence[Sample]) -> Curve:
    """Accumulate the readings of one channel. Samples in which it was not read are passed over."""
    times: list[float] = []
    energies: list[float] = []
    errors: list[float] = []
    before: tuple[float, float] | None = None
    for sample in samples:
        raw = sample.raw.get(channel.name)
        if raw is None:
            continue
        if before is None:
            times, energies, errors = [sample.time_s], [0.0], [0.0]
        else:
            step_s = sample.time_s - before[0]
            if channel.quantity is Quantity.POWER_W:
                gained_j = (raw + before[1]) / 2 * step_s
                error_j = abs(raw - before[1]) / 2 * step_s
            else:
                gained_j, error_j = _difference(before[1], raw, channel.wrap_j), 0.0
            times.append(sample.time_s)
            energies.append(energies[-1] + gained_j)
            errors.append(errors[-1] + error_j * error_j)
        before = (sample.time_s, raw)
    return Curve(channel, tuple(times), tuple(energies), tuple(errors))


def machine_energy(trace: Trace, start_s: float, end_s: float) -> tuple[ChannelEnergy, ...]:
    """Energy of every channel over a window; a channel that was not read twice is absent."""
    found = ((channel, curve(channel, trace.samples).between(start_s, end_s)) for channel in trace.channels)
    return tuple(ChannelEnergy(channel, energy) for channel, energy in found if energy is not None)


def cpu_seconds(samples: Sequence[Sample], start_s: float, end_s: float) -> float:
    """CPU-seconds of the tree over a window, linear between samples."""
    times = [sample.time_s for sample in samples]
    totals = [sample.cpu_s for sample in samples]
    return max(0.0, _interpolate(times, totals, end_s) - _interpolate(times, totals, start_s))


def unseen_seconds(samples: Sequence[Sample], start_s: float, end_s: float) -> float:
    """CPU-seconds that may be missing from `cpu_seconds` over a window, at most."""
    times = [sample.time_s for sample in samples]
    totals = [sample.unseen_s for sample in samples]
    return max(0.0, _interpolate(times, totals, end_s) - _interpolate(times, totals, start_s))


def _difference(before_j: float, now_j: float, wrap_j: float | None) -> float:
    """Joules between two readings of a counter that may have passed its largest value once.

    A counter that falls and has no wrap was reset (driver reloaded): what it shows now is all that is known.
    """
    if now_j >= before_j:
        return now_j - before_j
    return now_j if wrap_j is None else now_j + wrap_j - before_j


def _interpolate(times: Sequence[float], values: Sequence[float], time_s: float) -> float:
    if not times:
        return 0.0
    if time_s <= times[0]:
        return values[0]
    if time_s >= times[-1]:
        return values[-1]
    right = bisect_left(times, time_s)
    if times[right] == time_s:
        return values[right]
    share = (time_s - times[right - 1]) / (times[right] - times[right - 1])
    return values[right - 1] + share * (values[right] - values[right - 1])
