"""What a step mark costs the program that makes it, and what reading 10,000 of them a second costs the recorder."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import page
from benchmarks.recorder_cost import cpu_s

REPEATS = 7
LOOP = """
import json, threading, time, wattleak
MARKS = 20_000                       # fits into the ring between two looks of the recorder
def loop(call, count):
    start = time.thread_time()           # others work on this machine too
    for _ in range(count): call()
    return time.thread_time() - start
def nothing(): pass
wattleak.step()
time.sleep({rest})
best = []
for _ in range({repeats}):
    empty = loop(nothing, MARKS)
    best.append((loop({call}, MARKS) - empty) / MARKS * 1e6)
    time.sleep({rest})               # let the ring be emptied, so that no mark is refused
print(json.dumps(best))
"""
STEADY = """
import time, wattleak
open("pid", "w").write(str(__import__("os").getpid()))
due = time.monotonic()
while True:
    for _ in range(100): wattleak.step()
    due += 0.01
    time.sleep(max(0.0, due - time.monotonic()))
"""
WATCH_S = 20.0


def loop(call: str, *, measured: bool) -> list[float]:
    """Microseconds for each call, an empty call already taken off."""
    program = LOOP.format(call=call, repeats=REPEATS, rest=2.5 if measured else 0.0)
    command = [sys.executable, "-c", program]
    if measured:
        command = [sys.executable, "-m", "wattleak", "measure", "-q", "--", *command]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    taken: list[float] = json.loads(done.stdout)
    return taken


def collector() -> tuple[float, int, int]:
    """Share of a core that the recorder uses at 10,000 marks a second; steps counted; bytes of journal."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "wattleak", "measure", "--json", "--", sys.executable, "-c", STEADY]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        while not (Path(folder) / "pid").exists():
            time.sleep(0.05)
        time.sleep(2)
        pid = int((Path(folder) / "pid").read_text())
        recorder = int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])
        before, start = cpu_s(recorder), time.monotonic()
        time.sleep(WATCH_S)
        used = (cpu_s(recorder) - before) / (time.monotonic() - start)
        os.kill(pid, 15)
        document = json.loads(process.communicate()[0])
        size_b = (Path(folder) / document["journal"]).stat().st_size
    return used, document["steps"][0]["count"], size_b


def run() -> None:
    cases = {
        "`step()`, recorded": ("wattleak.step", True, "5 µs"),
        '`step("train", samples=64)`, recorded': ('(lambda: wattleak.step("train", samples=64))', True, "5 µs"),
        "`step()`, nobody records": ("wattleak.step", False, "-"),
    }
    rows = []
    for what, (call, measured, budget) in cases.items():
        taken = loop(call, measured=measured)
        rows.append([what, f"{statistics.median(taken):.2f} µs", f"{min(taken):.2f} - {max(taken):.2f} µs", budget])
    used, steps, size_b = collector()
    page.write(
        "marks",
        "What a step mark costs",
        f"CPU time of the marking thread: {REPEATS} loops of 20,000 marks, an empty call taken off; the `lambda` around the "
        "second case costs a call more.",
        ["what", "median", "range", "budget"],
        rows,
        f"At 10,000 marks a second the recorder used **{used:.2%}** of a core (samples at 1 Hz included), counted {steps} "
        f"steps in {WATCH_S + 2:.0f} s and wrote a journal of {size_b / 1024:.0f} KiB.",
    )
