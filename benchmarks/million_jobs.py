"""A million jobs through `wattleak simulate`, measured by `wattleak measure`: time, CPU time, peak memory.

`python -m benchmarks simulation` writes docs/results/simulation.md; some minutes on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks import page
from wattleak.footprint.simulation.policies import Kind

SIZES = (100_000, 1_000_000)
PER_DAY = 100_000
FLEET = """
[[place]]
name = "home"
region = "DE"
swing = 0.3
nodes = 60
cores = 16
idle_w = 120
active_w = 400
startup_j = 20000
startup_s = 120
power_down_after_s = 600
[[place]]
name = "north"
region = "SE"
nodes = 20
cores = 16
idle_w = 120
active_w = 400
startup_j = 20000
startup_s = 120
power_down_after_s = 600
"""
DRAWN = """
seeds = 1
[jobs]
per_day = {per_day}
days = {days}
length_s = 300
cores = {{ 1 = 0.8, 4 = 0.2 }}
slack_s = 21600
flexible = 0.5
"""


def measured(folder: Path, *words: str) -> tuple[float, float, float]:
    """Seconds, CPU-seconds, and the peak memory of the largest process in MiB."""
    command = [sys.executable, "-m", "wattleak", "measure", "--json", "--"]
    command += [sys.executable, "-m", "wattleak", "simulate", *words, "--quiet"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    document = json.loads(done.stdout)
    return document["duration_s"], document["cpu_s"], document["peak_memory_b"] / 2**20


def write_trace(path: Path, jobs: int) -> None:
    """A trace of our own: Poisson arrivals, lognormal lengths, half of the jobs with six hours of slack."""
    random = np.random.default_rng(1)
    arrivals = np.cumsum(random.exponential(86_400 / PER_DAY, jobs))
    lengths = random.lognormal(np.log(300) - 0.5, 1.0, jobs)
    cores = random.choice([1, 4], jobs, p=[0.8, 0.2])
    slack = np.where(random.uniform(size=jobs) < 0.5, "21600", "")
    with path.open("w", encoding="utf-8") as stream:
        stream.write("arrival_s,length_s,cores,slack_s\n")
        for row in zip(arrivals.tolist(), lengths.tolist(), cores.tolist(), slack.tolist(), strict=True):
            stream.write(f"{row[0]:.3f},{row[1]:.3f},{row[2]},{row[3]}\n")


def run() -> None:
    rows = []
    taken: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in SIZES:
            scenario = folder / f"{size}.toml"
            scenario.write_text(DRAWN.format(per_day=PER_DAY, days=size / PER_DAY) + FLEET, encoding="utf-8")
            trace = folder / f"{size}.csv"
            write_trace(trace, size)
            cases = (
                ("drawn", "first-come", ("--processes", "1", "--policy", Kind.FIRST_COME.value)),
                ("CSV", "all four, two processes", ("--processes", "2", "--trace", str(trace))),
            )
            for source, what, words in cases:
                seconds, cpu_s, peak = measured(folder, str(scenario), *words)
                load = f"{os.getloadavg()[0]:.1f}"
                taken[what] = (cpu_s, seconds)
                rows.append([f"{size:,}", source, what, f"{cpu_s:.1f} s", f"{peak:.0f} MiB", f"{seconds:.1f} s", load])
                print(rows[-1], flush=True)
    page.write(
        "simulation",
        "What it takes to simulate a million jobs",
        f"`wattleak simulate`, measured by `wattleak measure`: {PER_DAY:,} jobs a day with 1 or 4 cores, 300 s on average, half of "
        "them with six hours of slack, on 60 + 20 nodes of 16 cores in two places; ten times the jobs are ten times the days. Peak "
        "memory is that of the largest process.",
        ["jobs", "from", "policies", "CPU time", "peak memory", "wall time", "load average then"],
        rows,
        "CPU time is what the work takes; wall time is that only where the load average is below the number of CPUs, and a "
        "multiple of it on a machine that others use as well. Memory follows the jobs that wait or run at one time, not the "
        "length of the trace.\n\n"
        + "; ".join(
            f"a million jobs, {what}: {cpu_s:.0f} CPU-seconds, {'under' if seconds < 60 else 'more than'} a minute on this machine then"
            for what, (cpu_s, seconds) in taken.items()
        )
        + ".",
    )
