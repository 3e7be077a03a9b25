"""Does a busy neighbour move the numbers of single-thread work?"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

from benchmarks import page

WORK = "s = 0\nfor i in range(8_000_000): s += i * i"
REPEATS = 12


def cpu_s() -> float:
    done = subprocess.run(
        [sys.executable, "-m", "wattleak", "measure", "--json", "--", sys.executable, "-c", WORK],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["cpu_s"])


def run() -> None:
    """Alone and beside a neighbour on another CPU, in turn, so that the machine's own drift falls on both."""
    os.chdir(tempfile.mkdtemp())
    cpus = sorted(os.sched_getaffinity(0))
    alone, beside = [], []
    for _ in range(REPEATS):
        alone.append(cpu_s())
        neighbour = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        beside.append(cpu_s())
        neighbour.kill()
        neighbour.wait()
    change = statistics.median(beside) / statistics.median(alone) - 1
    rows = [
        ["alone", f"{statistics.median(alone):.3f} s", f"{min(alone):.3f} - {max(alone):.3f} s"],
        ["beside a busy neighbour", f"{statistics.median(beside):.3f} s", f"{min(beside):.3f} - {max(beside):.3f} s"],
    ]
    page.write(
        "neighbour",
        "CPU-seconds beside a busy neighbour",
        f"The same single-thread work, {REPEATS} times each in turn, on {len(cpus)} CPUs with one endless loop beside it.",
        ["", "median CPU-seconds", "range"],
        rows,
        f"Change of the median: **{change:+.2%}** (budget: 3 %). CPUs that are hyper-threads of one core slow each other "
        "down, and then CPU-seconds rise in truth; the scripted host in tests/unit/experiment/test_pipeline.py shows the "
        "accounting alone.",
    )
