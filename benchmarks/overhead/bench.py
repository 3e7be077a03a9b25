"""The cost bench: import, start and stop, CPU of the tracker per hour, slow-down of a training loop.

    python -m benchmarks overhead [--quick] [--only import|start|idle|marks|training]... [--blocks N] [--refresh]

Each part keeps its result in the cache folder; docs/results/overhead.md is written when all parts have been run in
full, by whatever run completes them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.overhead.results import show, write_page
from benchmarks.truth.stage import Stage, private_mounts
from wattleak.analysis.effect import paired_change

PROGRAM = Path(__file__).with_name("program.py")
SOURCE = PROGRAM.parents[2] / "src"
STATE = peers.CACHE / "overhead"
ENTRANCES = {
    "wattleak": "from wattleak import measure",
    "codecarbon": "from codecarbon import EmissionsTracker",
    "zeus": "from zeus.monitor import ZeusMonitor",
    "carbontracker": "from carbontracker.tracker import CarbonTracker",
}
"""What a user of each tool imports."""
OPEN_NVML = """
import time
start = time.perf_counter()
import pynvml
pynvml.nvmlInit()
pynvml.nvmlDeviceGetHandleByIndex(0)
print("RESULT", time.perf_counter() - start)
"""
MARKS = """
import os, time, wattleak
with wattleak.measure("marks"):
    wattleak.step()
    loops = {
        tool: {r["block"]: r["quality"]["loop_s"] for r in document["runs"] if r["variant"] == tool and r["quality"]}
        for tool in ("none", *tools)
    }
    changes = {}
    for tool in tools:
        both = sorted(loops["none"].keys() & loops[tool].keys())
        found = paired_change([loops["none"][block] for block in both], [loops[tool][block] for block in both], 0.95)
        changes[tool] = {"change": found.change, "low": found.low, "high": found.high}
    step_s = statistics.median(loops["none"].values()) / int(steps)
    return {"document": document, "steps": int(steps), "step_s": step_s, "loop": changes}


PARTS = {"import": imports, "start": start, "idle": idle, "marks": marks, "training": training}


# -- how programs are run ----------------------------------------------------------------------------------------------


class _Machine:
    """Where trackers run: with an emulated RAPL counter to read where that is possible, else with what is here."""

    def __init__(self, stage: Stage | None) -> None:
        self._stage = stage
        self.private = stage is not None

    def command(self, tool: str, *words: str) -> list[str]:
        command = [peers.python_of(tool), str(PROGRAM), tool, *words]
        if self._stage is None:
            return command
        mount = 'mount --bind "$TRUTH_SYSFS" /sys/class && exec "$@"'
        return ["unshare", "--mount", "--net", "--", "sh", "-c", mount, "sh", *command]

    def environment(self, gpu: bool = False) -> dict[str, str]:
        folder = tempfile.mkdtemp(prefix="bench-")
        found = _plain() if self._stage is None else self._stage.environment(0)
        if not gpu:
            found.pop("LD_LIBRARY_PATH", None)
            found["PATH"] = os.environ["PATH"]
        return found | {"BENCH_MARK": Path(folder).name, "WATTLEAK_STORE": folder}


class _machine(ExitStack):  # noqa: N801 - it is used as a verb
    """`with _machine() as machine`."""

    def __enter__(self) -> _Machine:  # type: ignore[override]
        super().__enter__()
        return _Machine(None if private_mounts() else self.enter_context(Stage()))


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}


def _wall(command: list[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start_s


def _result(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            return line.removeprefix("RESULT")
    raise SystemExit(f"{command[-3:]} gave no result: {done.stderr.strip()[-500:]}")


def _cpu_s(mark: str) -> float:
    """CPU-seconds so far of all living processes that carry the mark (a tracker's helpers inherit it)."""
    total_s = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if f"BENCH_MARK={mark}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                    total_s += time.clock_gettime(~int(entry.name) << 3 | 2)  # its CPU clock: clock_getcpuclockid(3)
            except OSError:
                continue
    return total_s
