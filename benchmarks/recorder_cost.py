"""What the recorder itself burns: CPU-seconds of its process while it watches trees of several sizes at 1 Hz."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_hex

from benchmarks import page
from wattleak.meters.probe import probe_meters
from wattleak.recorder.configuration import new_run_folder
from wattleak.recorder.launch import launch

WATCH_S = 30.0
TREES = (1, 10, 100, 500)
SPAWN = "import subprocess, sys, time\nps = [subprocess.Popen(['sleep', '600']) for _ in range(int(sys.argv[1]) - 1)]\ntime.sleep(600)"


def cpu_s(pid: int) -> float:
    """CPU-seconds of one process, to the nanosecond (schedstat), its children not included."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def share(processes: int) -> float:
    """Fraction of a core that the recorder uses, after the tree has settled."""
    with tempfile.TemporaryDirectory() as folder:
        run_id = token_hex(4)
        run_folder = new_run_folder(Path(folder), run_id)
        recording = launch(
            run_folder, [sys.executable, "-c", SPAWN, str(processes)], probe_meters(), run_id=run_id, kill_orphans=True
        )
        with recording:
            status = Path(f"/proc/{recording.pid}/status").read_text()
            recorder = int(status.partition("PPid:")[2].split()[0])
            time.sleep(5 + processes / 100)
            before, start = cpu_s(recorder), time.monotonic()
            time.sleep(WATCH_S)
            used = (cpu_s(recorder) - before) / (time.monotonic() - start)
            os.kill(recording.pid, 9)
            recording.stop_workload("the benchmark is done")
            recording.wait()
    return used


def run() -> None:
    budgets = {1: "0.05 %", 10: "0.05 %", 500: "1 %"}
    rows = [[str(size), f"{share(size):.4%}", budgets.get(size, "-")] for size in TREES]
    page.write(
        "recorder-cost",
        "What the recorder costs",
        f"CPU time of the recorder's process over {WATCH_S:.0f} s, with the meters of this machine, as a share of one core.",
        ["processes in the tree", "share of a core", "budget"],
        rows,
    )
