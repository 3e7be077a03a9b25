"""From raw readings to joules over a window, with a range that the source's own resolution explains.

Pure, standard library only: the recorder's front door uses it on every run.

A counter is differenced, with wrap; a power source is integrated by trapezoid. The range has two parts:

- accuracy: the source's own relative range (`Channel.relative_low`, `relative_high`);
- resolution: what reading the source at moments explains, 95 %, as `ChannelEnergy.resolution_j`. Its terms, which are
  independent and add as squares:

  *edges of a counter*  A counter shows the energy of up to one period ago, so a difference is off by a u - b v, where
      a and b are period x power at the two ends and u, v lie anywhere in [0, 1]. |a u - b v| <= max(a u, b v), which
      is above 0.95 max(a, b) in at most 5 % of windows, whatever the powers are. The power is the one seen near the
      end, before or after it, whichever is more: the mean of the window would not do for a power that jumps.
  *edges of a power source*  It shows the power of up to one period ago: off by the change over the window x period.
  *an edge between two readings of a counter*  Energy is cut in proportion to time. In the shorter piece the power is
      taken to lie between nothing and twice the mean of the step (an assumption: nobody read it).
  *between two readings of a power source*  A power that moves once, at any moment of a step, leaves the trapezoid
      wrong by (jump x step) evenly spread over +-1/2: variance (jump x step)^2 / 12. A power that moves faster than
      it is read makes readings that scatter: their variance (per reading minus the product of one change and the
      next, where it turns back; von Neumann 1941) times step^2. A ramp turns back nowhere and adds the first only.
  *a long silence of a power source*  Anything between nothing and twice the larger power at its ends.

What may lie beyond the readings goes to the high end alone: the part of a window that no reading covers, and the
wraps that a counter may have made unseen in one long step.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from typing import TYPE_CHECKING

from wattleak.model import Channel, ChannelEnergy, Estimate, Quantity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Sample, Trace

_EDGE_SHARE = 0.95  # |a u - b v| <= 0.95 max(a, b) in 95 % of windows
_TWO_SIDED = 1.96  # standard errors on either side of a 95 % range, normal distribution
_REACH_PERIODS = 3.0  # power near an edge is a difference over at least this many updates of the counter
_ROUNDING = 1e-6
_AROUND = 7  # steps on either side that say what is usual
_SILENCE_FACTOR, _SHORTEST_SILENCE_S = 3.0, 3.0  # a step so many times as long as usual, and no shorter, is a silence


@dataclass(frozen=True, slots=True)
class Curve:
    """Cumulative energy of one channel at the moments it was read, from 0 at the first.

    `variance_j2` is the cumulative squared standard error of integration, `unseen_j` the energy that a counter may
    have had more by wrapping unseen; both from 0. `power_w` holds the readings of a power source, () for a counter.
    """

    channel: Channel
    time_s: tuple[float, ...]
    energy_j: tuple[float, ...]
    power_w: tuple[float, ...]
    variance_j2: tuple[float, ...]
    unseen_j: tuple[float, ...]

    def at(self, time_s: float) -> float:
        """Energy up to a moment, constant outside the readings. Between two of them, a counter rises in a straight
        line, and the power of a power source does.
        """
        if not self.power_w or time_s <= self.time_s[0] or time_s >= self.time_s[-1]:
            return interpolate(self.time_s, self.energy_j, time_s)
        left = bisect_right(self.time_s, time_s) - 1
        into_s, step_s = time_s - self.time_s[left], self.time_s[left + 1] - self.time_s[left]
        slope = (self.power_w[left + 1] - self.power_w[left]) / step_s
        return self.energy_j[left] + into_s * (self.power_w[left] + slope * into_s / 2)

    def between(self, start_s: float, end_s: float) -> Estimate | None:
        """Energy of a window, or None when the channel was not read twice around it."""
        found = self.over(start_s, end_s)
        return None if found is None else found.energy_j

    def over(self, start_s: float, end_s: float) -> ChannelEnergy | None:
        """Energy of a window with the half-width that reading explains; None as for `between`."""
        if len(self.time_s) < 2 or end_s <= start_s or end_s <= self.time_s[0] or start_s >= self.time_s[-1]:
            return None
        channel = self.channel
        value_j = self.at(end_s) - self.at(start_s)
        mean_w = value_j / (end_s - start_s)
        first_w, last_w = self._power_near(start_s, mean_w), self._power_near(end_s, mean_w)
        if self.power_w:
            edges_j = abs(last_w - first_w) * channel.period_s
            inside_j = _TWO_SIDED * sqrt(max(0.0, self._rise(self.variance_j2, start_s, end_s)))
        else:
            edges_j = _EDGE_SHARE * max(first_w, last_w) * channel.period_s
            inside_j = self._cut(start_s, end_s)
        resolution_j = sqrt(edges_j**2 + inside_j**2)
        uncovered_s = max(0.0, self.time_s[0] - start_s) + max(0.0, end_s - self.time_s[-1])
        beyond_j = max(first_w, last_w) * uncovered_s + self._rise(self.unseen_j, start_s, end_s)
        energy_j = Estimate(
            value_j,
            max(0.0, value_j - resolution_j) * channel.relative_low,
            (value_j + resolution_j + beyond_j) * channel.relative_high,
            channel.origin,
        )
        return ChannelEnergy(channel, energy_j, resolution_j=resolution_j)

    def _power_near(self, time_s: float, otherwise_w: float) -> float:
        """Power before or after a moment, whichever is more, from readings far enough apart to mean something."""
        if self.power_w:
            return interpolate(self.time_s, self.power_w, time_s)
        reach_s = _REACH_PERIODS * self.channel.period_s
        inside_s = min(max(time_s, self.time_s[0]), self.time_s[-1])
        here_j = self.at(inside_s)
        found: list[float] = []
        before = bisect_right(self.time_s, inside_s - reach_s) - 1
        if before >= 0 and self.time_s[before] < inside_s:
            found.append(self._most_power(here_j - self.energy_j[before], inside_s - self.time_s[before]))
        after = bisect_left(self.time_s, inside_s + reach_s)
        if after < len(self.time_s) and self.time_s[after] > inside_s:
            found.append(self._most_power(self.energy_j[after] - here_j, self.time_s[after] - inside_s))
        return max(found, default=otherwise_w)

    def _most_power(self, energy_j: float, length_s: float) -> float:
        """Mean power of a stretch, were the counter one update behind at its end."""
        return energy_j / length_s * (1 + self.channel.period_s / length_s)

    def _cut(self, start_s: float, end_s: float) -> float:
        """What cutting a step of a counter in proportion to time may be wrong by."""
        first, last = self._step(start_s), self._step(end_s)
        if first is not None and first == last:
            length_s = self.time_s[first + 1] - self.time_s[first]
            return self._step_power(first) * min(end_s - start_s, length_s - (end_s - start_s))
        wrong_j2 = 0.0
        for step, time_s in ((first, start_s), (last, end_s)):
            if step is not None:
                shorter_s = min(time_s - self.time_s[step], self.time_s[step + 1] - time_s)
                wrong_j2 += (self._step_power(step) * shorter_s) ** 2
        return sqrt(wrong_j2)

    def _step(self, time_s: float) -> int | None:
        """Number of the step that a moment cuts; None when it is a moment of reading, or outside."""
        right = bisect_left(self.time_s, time_s)
        if right in (0, len(self.time_s)) or self.time_s[right] == time_s:
            return None
        return right - 1

    def _step_power(self, step: int) -> float:
        return (self.energy_j[step + 1] - self.energy_j[step]) / (self.time_s[step + 1] - self.time_s[step])

    def _rise(self, cumulative: tuple[float, ...], start_s: float, end_s: float) -> float:
        return interpolate(self.time_s, cumulative, end_s) - interpolate(self.time_s, cumulative, start_s)


def curve(channel: Channel, samples: Sequence[Sample]) -> Curve:
    """Accumulate the readings of one channel. Samples in which it was not read are passed over."""
    times: list[float] = []
    raws: list[float] = []
    asleep: list[float] = []
    for sample in samples:
        raw = sample.raw.get(channel.name)
        time_s = sample.read_s.get(channel.name, sample.time_s)
        if raw is not None and (not times or time_s > times[-1]):
            times.append(time_s)
            raws.append(raw)
            asleep.append(sample.asleep_s)
    steps = [after - before for before, after in pairwise(times)]
    if channel.quantity is Quantity.POWER_W:
        gained = [(before + after) / 2 * step_s for before, after, step_s in zip(raws, raws[1:], steps, strict=False)]
        variance, unseen = _trapezoid_variance(raws, steps), [0.0] * len(steps)
    else:
        # The processor is off while the machine sleeps, and its counters may start again: no wrap then.
        wraps = [channel.wrap_j if before == after else None for before, after in pairwise(asleep)]
        gained = [_difference(*pair, wrap_j) for pair, wrap_j in zip(pairwise(raws), wraps, strict=True)]
        variance, unseen = [0.0] * len(steps), _unseen_wraps(gained, steps, channel.wrap_j)
    return Curve(
        channel,
        tuple(times),
        _cumulate(gained, times),
        tuple(raws) if channel.quantity is Quantity.POWER_W else (),
        _cumulate(variance, times),
        _cumulate(unseen, times),
    )


def machine_energy(trace: Trace, start_s: float, end_s: float) -> tuple[ChannelEnergy, ...]:
    """Energy of every channel over a window; a channel that was not read twice is absent."""
    found = (curve(channel, trace.samples).over(start_s, end_s) for channel in trace.channels)
    return tuple(energy for energy in found if energy is not None)


def _difference(before_j: float, now_j: float, wrap_j: float | None) -> float:
    """Joules between two readings of a counter that may have passed its largest value once.

    A counter that falls and has no wrap was reset (driver reloaded): what it shows now is all that is known. A fall
    by a millionth of it is neither, but rounding, or two views of it that are not quite in step: nothing was gained.
    """
    if now_j >= before_j:
        return now_j - before_j
    if before_j - now_j <= _ROUNDING * before_j:
        return 0.0
    return now_j if wrap_j is None else now_j + wrap_j - before_j


def _trapezoid_variance(powers: Sequence[float], steps: Sequence[float]) -> list[float]:
    """Squared standard error of the energy of each step of a power source (terms in the docstring above)."""
    jumps = [0.0, *(after - before for before, after in pairwise(powers)), 0.0]
    silent = _silences(steps)
    variance: list[float] = []
    for number, step_s in enumerate(steps):
        before, jump, after = jumps[number : number + 3]
        scatter_w2 = (max(0.0, -before * jump) + max(0.0, -jump * after)) / 2
        wrong_w2 = jump**2 / 12 + scatter_w2
        if silent[number]:
            wrong_w2 = max(wrong_w2, (max(powers[number], powers[number + 1]) / _TWO_SIDED) ** 2)
        variance.append(wrong_w2 * step_s**2)
    return variance


def _unseen_wraps(gained: Sequence[float], steps: Sequence[float], wrap_j: float | None) -> list[float]:
    """Energy that each silence of a counter may hide: whole wraps that fit in, at the most power seen elsewhere."""
    silent = _silences(steps)
    usual = [gained[number] / step_s for number, step_s in enumerate(steps) if not silent[number]]
    if wrap_j is None or not usual:
        return [0.0] * len(steps)
    most_w = max(usual)
    return [
        max(0.0, (most_w * step_s - gained[number]) // wrap_j) * wrap_j if silent[number] else 0.0
        for number, step_s in enumerate(steps)
    ]


def _silences(steps: Sequence[float]) -> list[bool]:
    """Which steps are silences, not just the next reading: long beside those around them.

    Beside those around them, because a long run is read less often as it goes on (recorder.rate).
    """

    def usual_s(number: int) -> float:
        around = sorted(steps[max(0, number - _AROUND) : number + _AROUND + 1])
        return around[len(around) // 2]

    return [
        step_s > _SHORTEST_SILENCE_S and step_s > _SILENCE_FACTOR * usual_s(number)
        for number, step_s in enumerate(steps)
    ]


def _cumulate(steps: Sequence[float], times: Sequence[float]) -> tuple[float, ...]:
    total, cumulative = 0.0, [0.0] * bool(times)
    for step in steps:
        total += step
        cumulative.append(total)
    return tuple(cumulative)


def interpolate(times: Sequence[float], values: Sequence[float], time_s: float) -> float:
    """The value at a moment, in straight lines between the known ones and constant outside them."""
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
