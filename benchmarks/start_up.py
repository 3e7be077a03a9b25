"""How long one waits for wattleak: import, --help, recorder ready, a whole `measure -- true`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from secrets import token_hex

from benchmarks import page
from wattleak.meters.probe import probe_meters
from wattleak.recorder.configuration import new_run_folder
from wattleak.recorder.launch import launch

REPEATS = 30
WORK_S = 0.2  # of a measured block


def seconds(command: list[str]) -> list[float]:
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken.append(time.perf_counter() - start)
    return taken


def ready() -> list[float]:
    """From asking for a recorder to the workload being started."""
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        probed = probe_meters()
        for _ in range(REPEATS):
            run_id = token_hex(4)
            run_folder = new_run_folder(Path(folder), run_id)
            start = time.perf_counter()
            recording = launch(run_folder, ["true"], probed, run_id=run_id)
            taken.append(time.perf_counter() - start)
            with recording:
                recording.wait()
    return taken


BLOCK = """
import time
{first}
import wattleak
block = wattleak.measure("block")
began = time.perf_counter()
block.__enter__()
entered = time.perf_counter()
time.sleep({lasts_s})
ended = time.perf_counter()
block.__exit__(None, None, None)
print(entered - began + time.perf_counter() - ended)
"""


def first_block(first: str, lasts_s: float) -> list[float]:
    """What the first measured block of a process, which has run the line `first` before, takes beside its own work."""
    command = [sys.executable, "-c", BLOCK.format(first=first, lasts_s=lasts_s)]
    return [float(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(REPEATS)]


def run() -> None:
    python = sys.executable
    bare = statistics.median(seconds([python, "-c", "pass"]))
    os.chdir(tempfile.mkdtemp())
    measured = {
        "`python -c pass` (for comparison)": (seconds([python, "-c", "pass"]), 0.0, "-"),
        "`import wattleak`, net of bare Python": (seconds([python, "-c", "import wattleak"]), bare, "30 ms"),
        "`wattleak --help`": (seconds([python, "-m", "wattleak", "--help"]), 0.0, "150 ms"),
        "recorder ready, workload started": (ready(), 0.0, "25 ms"),
        f"first `with wattleak.measure()` beside an imported torch, around {WORK_S} s: start + stop": (
            first_block("import torch", WORK_S),
            0.0,
            "30 ms",
        ),
        "the same around nothing: the recorder still settles when it is to stop": (
            first_block("import torch", 0.0),
            0.0,
            "-",
        ),
        f"the first in a process that has imported nothing, around {WORK_S} s": (first_block("", WORK_S), 0.0, "-"),
        "`wattleak measure -q -- true`, whole": (
            seconds([python, "-m", "wattleak", "measure", "-q", "--", "true"]),
            0.0,
            "-",
        ),
    }
    rows = [
        [what, f"{(statistics.median(taken) - off) * 1e3:.1f} ms", f"{(min(taken) - off) * 1e3:.1f} ms", budget]
        for what, (taken, off, budget) in measured.items()
    ]
    page.write(
        "start-up",
        "How long one waits for wattleak",
        f"Wall time of {REPEATS} fresh processes each.",
        ["what", "median", "fastest", "budget"],
        rows,
    )
