"""The gate before each run: wait until the machine is as cool and as idle as when the session began.

Rule (methodology P9; temperatures after krun, Barrett et al., OOPSLA 2017; the pause without sensors after Cruz 2021):
every temperature at most 3 degrees above its value at the start, and the mean idle power of the last ten seconds at
most 3 median absolute deviations above the median of a minute at the start. At least 10 s, at most 300 s: then the run
is made all the same and flagged `hot`. Cooler or more idle than at the start is no reason to wait. Without any sensor:
60 s, or half of the last run, whichever is longer.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wattleak.model import Origin, Quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.meters.probe import Probed
    from wattleak.model import Clock

FLOOR_S = 10.0
CAP_S = 300.0
BLIND_S = 60.0
_BLIND_SHARE = 0.5  # of the last run
_WARMER_C = 3.0
_MADS = 3.0
_LEAST_W = 0.01  # of the baseline: a counter that shows the same watts all minute has no deviation (an assumption)
_BASELINE_S = 60.0
_WINDOW_S = 10.0
_EVERY_S = 1.0


class Temperatures(Protocol):
    def read(self) -> Mapping[str, float]:
        """Degrees Celsius by sensor."""
        ...


class IdlePower(Protocol):
    def read(self) -> float | None:
        """Watts of the machine's measured channels since the last reading; None: nothing to tell yet, or any more."""
        ...


@dataclass(frozen=True, slots=True)
class Rest:
    """How long a run was held back, and what was still not at rest when the gate gave up."""

    waited_s: float
    hot: str | None


class Gate:
    """Knows the start of this session. `begin` is called before its first run, `wait` before each later one."""

    def __init__(self, clock: Clock, temperatures: Temperatures, power: IdlePower | None = None) -> None:
        self._clock = clock
        self._temperatures = temperatures
        self._power = power
        self._start_c: dict[str, float] = {}
        self._most_w: float | None = None

    @property
    def is_blind(self) -> bool:
        """Whether there is no sensor at all."""
        return not self._start_c and self._most_w is None

    def begin(self) -> None:
        """Read every temperature, and the power at rest for a minute where it can be read."""
        self._start_c = dict(self._temperatures.read())
        if self._power is None:
            return
        watts: list[float] = []
        self._power.read()
        for _ in range(round(_BASELINE_S / _EVERY_S)):
            self._clock.sleep(_EVERY_S)
            now_w = self._power.read()
            watts += [] if now_w is None else [now_w]
        if len(watts) >= _WINDOW_S / _EVERY_S:
            middle = statistics.median(watts)
            spread = statistics.median([abs(value - middle) for value in watts])
            self._most_w = middle + max(_MADS * spread, _LEAST_W * middle)

    def wait(self, last_run_s: float) -> Rest:
        """Hold the next run back. `last_run_s` is how long the last one took."""
        if self.is_blind:
            rest_s = max(BLIND_S, _BLIND_SHARE * last_run_s)
            self._clock.sleep(rest_s)
            return Rest(rest_s, None)
        started_s = self._clock.now_s()
        watts: list[float] = []
        if self._power is not None:
            self._power.read()  # what was drawn until now is the last run's
        while True:
            self._clock.sleep(_EVERY_S)
            if self._power is not None:
                now_w = self._power.read()
                watts += [] if now_w is None else [now_w]
            waited_s = self._clock.now_s() - started_s
            restless = self._restless(watts)
            if waited_s >= FLOOR_S and restless is None:
                return Rest(waited_s, None)
            if waited_s >= CAP_S:
                return Rest(waited_s, restless)

    def _restless(self, watts: Sequence[float]) -> str | None:
        """What is not yet as it was at the start, in words; None: everything is."""
        now_c = self._temperatures.read()
        for name, start_c in self._start_c.items():
            if now_c.get(name, start_c) > start_c + _WARMER_C:
                return f"{name} at {now_c[name]:.0f} °C, {start_c:.0f} °C at the start"
        last = watts[-round(_WINDOW_S / _EVERY_S) :]
        if self._most_w is not None and last and statistics.fmean(last) > self._most_w:
            return f"{statistics.fmean(last):.1f} W at rest, {self._most_w:.1f} W at most at the start"
        return None


class MeasuredPower:
    """Watts of all measured channels that no other one contains, read in this process."""

    def __init__(self, probed: Probed, clock: Clock) -> None:
        inside = frozenset[str]().union(*(channel.contains for channel in probed.channels))
        self._channels = {
            channel.name: channel
            for channel in probed.channels
            if channel.origin in {Origin.COUNTER, Origin.SAMPLED} and channel.name not in inside
        }
        used = {channel.meter for channel in self._channels.values()}
        self._meters = [meter for _, meter in probed.meters if meter.name in used]
        for meter in self._meters:
            meter.open(meter.spec())
        self._clock = clock
        self._before: tuple[float, dict[str, float]] | None = None

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self._channels)

    def read(self) -> float | None:
        """Mean watts since the last call; None at the first, and when a channel fails or a counter wraps."""
        now_s = self._clock.now_s()
        raw = {name: value for meter in self._meters for name, value in meter.read().items()}
        before, self._before = self._before, (now_s, raw)
        if before is None or not self._channels or any(name not in raw for name in self._channels):
            return None
        total_w = 0.0
        for name, channel in self._channels.items():
            if channel.quantity is Quantity.POWER_W:
                total_w += raw[name]
                continue
            gained_j = raw[name] - before[1].get(name, float("inf"))
            if gained_j < 0 or now_s <= before[0]:
                return None
            total_w += gained_j / (now_s - before[0])
        return total_w

    def close(self) -> None:
        for meter in self._meters:
            meter.close()
