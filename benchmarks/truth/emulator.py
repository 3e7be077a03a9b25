"""A process that keeps emulated powercap trees and NVML states up to date, and measures its own lateness.

    python -m benchmarks.truth.emulator FOLDER NUMBER...      signals by their number in SIGNALS

For each signal a folder `FOLDER/NUMBER` with `class/powercap/...` (as sysfs lays it out) and `nvml.state` (what the
stand-in libnvidia-ml.so.1 shows). Readings are dropped once there is a file `FOLDER/NUMBER/drop`. The counters are rewritten every millisecond with the exact energy of that moment,
the GPU's energy and power every 100 ms. Prints {"zero": time 0 on CLOCK_MONOTONIC} when everything is there, and on
the end of its standard input a report: how late its writes were, and each stretch in which they were very late.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import shutil
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.truth.signals import GPU_SCALE, SIGNALS, Signal

TICK_S = 0.001
GPU_TICK_S = 0.1
VERY_LATE_S = 0.002
GPU = "count 1\ngpu0.architecture 7\ngpu0.memory 80000\ngpu0.busy 50\n"  # Ampere, 80 GB


@dataclass
class Tree:
    """One emulated machine."""

    signal: Signal
    fd: int
    state: Path
    gpu_due_s: float
    drops: Path  # as long as this file is not there, every reading can be read
    shown: bool = True
    dropping: bool = False

    def write(self, time_s: float) -> None:
        if not self.dropping or self.signal.readable(time_s):
            energy_j = (self.signal.offset_j + self.signal.energy_j(time_s)) % self.signal.wrap_j
            os.pwrite(self.fd, b"%020d\n" % round(energy_j * 1e6), 0)
            self.shown = True
        elif self.shown:
            os.ftruncate(self.fd, 0)
            self.shown = False
        if time_s >= self.gpu_due_s:
            self.gpu_due_s += GPU_TICK_S
            millijoules = round(GPU_SCALE * self.signal.energy_j(time_s) * 1000) + 1_000_000
            milliwatts = round(GPU_SCALE * self.signal.power_w(time_s) * 1000)
            new = self.state.with_suffix(".new")
            new.write_text(f"{GPU}gpu0.energy {millijoules}\ngpu0.power {milliwatts}\n")
            new.replace(self.state)  # a reader sees the old state or the new one, nothing between


def build(folder: Path, number: int, signal: Signal) -> Tree:
    """Lay out one machine under `folder`."""
    base = folder / str(number)
    powercap = base / "class" / "powercap"
    zone = powercap / "intel-rapl" / "intel-rapl:0"
    zone.mkdir(parents=True)
    (powercap / "intel-rapl:0").symlink_to("intel-rapl/intel-rapl:0")
    (powercap / "intel-rapl" / "subsystem").symlink_to("..")
    (powercap / "intel-rapl" / "enabled").write_text("1\n")
    (zone / "enabled").write_text("1\n")
    (zone / "name").write_text("package-0\n")
    (zone / "max_energy_range_uj").write_text(f"{round(signal.wrap_j * 1e6)}\n")
    fd = os.open(zone / "energy_uj", os.O_RDWR | os.O_CREAT, 0o644)
    return Tree(signal, fd, base / "nvml.state", number * GPU_TICK_S / len(SIGNALS), base / "drop")


def keep(trees: list[Tree], zero_s: float) -> dict[str, object]:
    """Rewrite until standard input ends; return how late the writes were."""
    lateness_s: list[float] = []
    very_late: list[tuple[float, float]] = []
    tick, written_s = 0, time.monotonic()
    asked_s = written_s
    while True:
        due_s = zero_s + tick * TICK_S
        wait_s = due_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        for tree in trees:
            tree.write(time.monotonic() - zero_s)
        now_s = time.monotonic()
        lateness_s.append(now_s - due_s)
        if now_s - written_s > TICK_S + VERY_LATE_S:
            very_late.append((written_s, now_s))
        written_s = now_s
        tick = max(tick + 1, int((now_s - zero_s) / TICK_S))  # a tick that was missed is not made up for
        if now_s - asked_s > 0.1:
            asked_s = now_s
            for tree in trees:
                tree.dropping = tree.drops.exists()
            if select.select([sys.stdin], [], [], 0)[0]:
                break
    lateness_s.sort()
    return {
        "ticks": len(lateness_s),
        "median_s": lateness_s[len(lateness_s) // 2],
        "p99_s": lateness_s[int(len(lateness_s) * 0.99)],
        "max_s": lateness_s[-1],
        "very_late": very_late,
    }


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    signals = list(SIGNALS)
    if arguments[1].startswith("wrap="):  # a longer way to the wrap, for long windows
        wrap_j = float(arguments.pop(1).removeprefix("wrap="))
        signals = [
            replace(signal, wrap_j=wrap_j, offset_j=wrap_j * 0.6) if signal.name == "counter wrap" else signal
            for signal in signals
        ]
    numbers = [int(number) for number in arguments[1:]]
    with contextlib.suppress(OSError, AttributeError):  # only root may; the report says how late it was without
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    trees = [build(folder, number, signals[number]) for number in numbers]
    zero_s = time.monotonic()
    for tree in trees:
        tree.write(0.0)
    gc.disable()
    print(json.dumps({"zero": zero_s}), flush=True)
    try:
        report = keep(trees, zero_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
