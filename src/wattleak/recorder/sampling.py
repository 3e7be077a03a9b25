"""Readings and when they are due: one sample is the state of all meters and of the process tree at one moment.

Light on purpose: the recorder imports this before the workload may start.
"""

from __future__ import annotations

import os
import time

from wattleak.recorder.group import GroupWatch
from wattleak.recorder.node import share

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattleak.model import Meter
    from wattleak.recorder.devices import DeviceWatch
    from wattleak.recorder.journal import JournalWriter
    from wattleak.recorder.tree import ProcessTree

_FIRST_SAMPLES_S = (0.05, 0.1, 0.2, 0.4, 0.8)  # a run of a second has a power curve and a memory peak too
_MODELS_EVERY = 5  # samples
SAMPLES_OF_A_RUN = 20_000  # the time between samples grows to this fraction of the time that has passed (recorder.rate)
_EARLY = 0.9  # of a period: a clock that is late by a little must not skip a reading
_SHORTEST_SLEEP_S = 0.5  # the two clocks are read one after the other


class Sampler:
    """Takes samples, writes them, and plans the next one."""

    def __init__(
        self,
        config: dict[str, Any],
        meters: list[Meter],
        journal: JournalWriter,
        tree: ProcessTree,
        devices: DeviceWatch,
    ) -> None:
        self._meters = share(meters, config)
        self._group = GroupWatch(config, journal)
        self._modelled: list[bool] = config["modelled"]
        self._share_host = bool(config["share_host"])
        self._interval_s = float(config["interval_s"])
        self._slowest_s = float(config["slowest_s"])
        self._most_of_a_core = float(config["most_of_a_core"])
        self._every_s: list[float] = config["every_s"]
        self._asked_s = [float("-inf")] * len(meters)
        self._journal = journal
        self._tree = tree
        self._devices = devices
        self._started_s = time.monotonic()
        self._samples = 0
        self._base_cpu_s = 0.0
        self._base_io = (0, 0)
        self._asleep_before_s = 0.0
        self._stat_fd = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
        self.next_s = self._started_s
        self.peak_b = 0  # the most resident memory seen in a sample

    def take(self, *, first: bool = False, exact: bool = False, opening: bool = False) -> float:
        """Read everything and write it down; gives the moment of reading, in seconds of the monotonic clock.

        `exact` at the edges of what people ask about: look thoroughly. `opening`: a program waits to begin, so that
        the meters are read last, and the disk is not waited for.
        """
        own_s = time.thread_time()
        thorough = first or exact or self._samples < len(_FIRST_SAMPLES_S)
        seen = self._tree.sample(time.monotonic(), thorough=thorough) if opening else None
        now_s = time.monotonic()
        raw: dict[str, float] = {}
        read_s: dict[str, float] = {}
        for number, meter in enumerate(self._meters):
            counts = meter.elect(now_s)
            if counts is not None:
                self._journal.write(counts)
            early = now_s - self._asked_s[number] < _EARLY * self._every_s[number]
            # A model knows no more than the CPU time that is in the sample anyway: it need not be asked each second.
            if not self._modelled[number]:
                due = first or exact or not early
            else:
                due = thorough or self._samples % _MODELS_EVERY == 0
            if due:
                self._asked_s[number] = now_s
                moment_s, readings = meter.read(now_s, exact=thorough, within_s=self._interval_s)
                raw.update(readings)
                if moment_s != now_s:
                    read_s.update(dict.fromkeys(readings, moment_s))
        cpu_s, memory_b, read_b, written_b, processes = seen or self._tree.sample(now_s, thorough=thorough)
        if first:
            self._base_cpu_s, self._base_io = cpu_s, (read_b, written_b)
        self.peak_b = max(self.peak_b, memory_b)
        record: dict[str, object] = {
            "k": "s",
            "t": now_s,
            "r": raw,
            "c": round(max(0.0, cpu_s - self._base_cpu_s), 6),
            "m": memory_b,
            "i": max(0, read_b - self._base_io[0]),
            "o": max(0, written_b - self._base_io[1]),
            "p": processes,
        }
        if read_s:
            record["rt"] = read_s
        group_s = self._group.cpu_s(self._tree.pids(), first=first, thorough=thorough)
        if group_s is not None:
            record["g"] = round(group_s, 6)
        asleep_s = self._asleep_s(now_s)
        if asleep_s:
            record["z"] = asleep_s
        busy_s = self._machine_busy_s() if self._share_host else None
        if busy_s is not None:
            record["b"] = busy_s
        self._journal.write(record)
        self._devices.look(now_s, first=first)
        if not opening:
            self._journal.sync()
        self._plan_next(now_s, time.thread_time() - own_s)
        return now_s

    def release(self) -> None:
        """After the last sample: nobody is kept waiting for what only one recorder of a node may do."""
        for meter in self._meters:
            meter.release()

    def _plan_next(self, now_s: float, cost_s: float) -> None:
        if self._samples < len(_FIRST_SAMPLES_S):
            due_s = min(self._started_s + _FIRST_SAMPLES_S[self._samples], now_s + self._interval_s)
        else:
            grown_s = min(self._slowest_s, max(self._interval_s, (now_s - self._started_s) / SAMPLES_OF_A_RUN))
            due_s = now_s + max(grown_s, cost_s / self._most_of_a_core)
        self._samples += 1
        self.next_s = max(due_s, now_s + 0.001)

    def _asleep_s(self, now_s: float) -> float:
        """How long the machine has slept since the recording began: CLOCK_BOOTTIME counts that, CLOCK_MONOTONIC not."""
        awake_less_s = _boot_clock_s() - now_s
        if self._samples == 0:
            self._asleep_before_s = awake_less_s
        asleep_s = awake_less_s - self._asleep_before_s
        return round(asleep_s, 3) if asleep_s >= _SHORTEST_SLEEP_S else 0.0

    def _machine_busy_s(self) -> float | None:
        try:
            fields = os.pread(self._stat_fd, 256, 0).split(b"\n", 1)[0].split()
            # cpu user nice system idle iowait irq softirq steal: what this machine's CPUs worked (proc_stat(5))
            ticks = int(fields[1]) + int(fields[2]) + int(fields[3]) + int(fields[6]) + int(fields[7])
        except (OSError, ValueError, IndexError):
            return None
        return ticks / os.sysconf("SC_CLK_TCK")


def _boot_clock_s() -> float:
    """Seconds since the machine started, its sleep included; where no such clock exists, sleep stays unseen."""
    try:
        return time.clock_gettime(7)  # CLOCK_BOOTTIME (linux/time.h); `time` has the name on Linux alone
    except (OSError, AttributeError):
        return time.monotonic()
