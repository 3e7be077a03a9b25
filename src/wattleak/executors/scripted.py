"""The fake executor that is shipped: it runs nothing, on a scripted clock, through everything else that is real.

A workload is a function from (variant, planned run) to what the run does: how long, how many CPU-seconds, watts above
idle per busy CPU. The host around it has an idle power and neighbours. The readings come from the replay meter, and
the Measurement from the same code that reads a journal; only the sidecar and the disk are left out. `selftest` and
the tests of the statistics stand on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wattleak.meters.clock import FakeClock
from wattleak.meters.replay import ReplayMeter
from wattleak.model import Channel, Estimate, Origin, Part, Quantity, Sample, Trace
from wattleak.recorder.summary import summarise
from wattleak.recorder.trace import Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wattleak.model import Measurement, PlannedRun, RunContext, Variant

_STEP_S = 1.0


@dataclass(frozen=True, slots=True)
class ScriptedHost:
    """The machine that is played: a counter of joules, idle watts, watts per busy CPU, and busy neighbours."""

    cpus: int = 64
    idle_w: float = 50.0
    watts_per_busy_cpu: float = 3.0
    neighbour_cpus: Callable[[float], float] = field(default=lambda _time_s: 0.0)  # busy CPUs at a time of the clock
    counter: bool = True  # False: no energy channel at all


@dataclass(frozen=True, slots=True)
class ScriptedWork:
    """What one run does."""

    duration_s: float
    cpu_s: float
    memory_b: int = 100 << 20
    quality: Mapping[str, float] = field(default_factory=dict)
    exit_code: int = 0


class ScriptedExecutor:
    """Plays `work(variant, planned, now_s)` on `host`, advancing `clock`."""

    def __init__(
        self,
        work: Callable[[Variant, PlannedRun, float], ScriptedWork],
        host: ScriptedHost | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self._work = work
        self._host = host or ScriptedHost()
        self.clock = clock or FakeClock()
        self.channels = (self._channel(),) if self._host.counter else ()

    def run(self, variant: Variant, planned: PlannedRun, context: RunContext) -> tuple[Measurement, str | None]:
        """Play one run; a scripted exit code other than 0 makes it fail as a real one would."""
        work = self._work(variant, planned, self.clock.now_s())
        started_s = self.clock.now_s()
        trace = self._play(work)
        recording = Recording(
            path=None,
            start={
                "t": started_s,
                "run": context.run_id,
                "name": variant.name,
                "command": list(variant.command),
                "mode": "spawn",
                "settings": {},
                "started_at": datetime.fromtimestamp(started_s, UTC).isoformat(),
            },
            trace=trace,
            unavailable=(),
            running=False,
            started_s=started_s,
            exited={"t": self.clock.now_s(), "code": work.exit_code, "signal": None},
            lost=None,
            end={"user_s": work.cpu_s, "system_s": 0.0, "peak_b": work.memory_b, "left": [], "killed": None},
            damaged=0,
        )
        measurement = summarise(recording, quality=dict(work.quality), region=None, pue=None)
        return measurement, None if work.exit_code == 0 else f"exit code {work.exit_code}"

    def _play(self, work: ScriptedWork) -> Trace:
        """Walk through the run in steps of a second, with the meter's script laid out beforehand."""
        start_s = self.clock.now_s()
        steps = max(1, round(work.duration_s / _STEP_S))
        step_s = work.duration_s / steps
        ours = work.cpu_s / work.duration_s
        busy_s, energy_j = [0.0], [0.0]
        for step in range(steps):
            busy = ours + self._host.neighbour_cpus(start_s + (step + 0.5) * step_s)
            busy_s.append(busy_s[-1] + busy * step_s)
            energy_j.append(energy_j[-1] + (self._host.idle_w + self._host.watts_per_busy_cpu * busy) * step_s)
        meter = ReplayMeter(
            self.channels,
            {channel.name: [(step * step_s, energy_j[step]) for step in range(steps + 1)] for channel in self.channels},
            self.clock,
        )
        meter.open(meter.spec())
        samples: list[Sample] = []
        for step in range(steps + 1):
            if step:
                self.clock.sleep(step_s)
            samples.append(
                Sample(
                    time_s=self.clock.now_s(),
                    raw=meter.read(),
                    cpu_s=ours * step * step_s,
                    machine_busy_s=busy_s[step],
                    memory_b=work.memory_b,
                    read_b=0,
                    written_b=0,
                    processes=1,
                )
            )
        return Trace(channels=self.channels, samples=tuple(samples), cpus=self._host.cpus)

    def _channel(self) -> Channel:
        idle_w = self._host.idle_w
        return Channel(
            name="cpu0",
            meter="replay",
            part=Part.CPU,
            origin=Origin.SIMULATED,
            quantity=Quantity.ENERGY_J,
            period_s=0.001,
            relative_low=1.0,
            relative_high=1.0,
            idle_w=Estimate(idle_w, idle_w, idle_w, Origin.SIMULATED),
            source="scripted",
        )
