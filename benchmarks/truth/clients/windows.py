"""What the programs under each tool have in common: windows of given lengths, their true edges, one JSON line each.

Stand-alone on purpose: it runs in the virtual environment of each tool, standard library only.

    python TOOL.py '{"windows": [[seconds to wait before, seconds], ...], "stalled": false}'

Prints `ready`, waits for a line on standard input, works through the windows, and prints the answers as one JSON list
of {"start", "end", "cpu_j", "gpu_j", ...}. The work is sleep: the power is scripted, so no work is needed.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path


def run(begin, end, finish=None):
    """`begin()` opens a window, `end()` closes it and returns its figures (or a function that will, see `finish`)."""
    asked = json.loads(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    Path(os.environ["TRUTH_SYSFS"]).with_name("drop").touch()  # readings may fail from now on: the tool has found them
    answers = []
    for wait_s, length_s in asked["windows"]:
        time.sleep(wait_s)
        try:
            begin()
            start_s = time.monotonic()
            if asked["stalled"] and length_s >= 1:
                work_and_stall(length_s)
            else:
                time.sleep(length_s)
            end_s = time.monotonic()
            figures = end()
        except Exception as error:  # noqa: BLE001 - what a tool raises is its answer
            figures, start_s, end_s = {"error": f"{type(error).__name__}: {error}"}, 0.0, 0.0
        answers.append((start_s, end_s, figures))
    if finish is not None:
        finish()
    rows = []
    for start_s, end_s, figures in answers:
        try:
            found = figures() if callable(figures) else figures
        except Exception as error:  # noqa: BLE001 - as above
            found = {"error": f"{type(error).__name__}: {error}"}
        rows.append({"start": start_s, "end": end_s, **found})
    print(json.dumps(rows), flush=True)


def work_and_stall(length_s):
    """A window in whose middle third whoever reads stands still.

    A reader inside this process is kept from Python's lock, as a long call into C that does not release it does; a
    reader in a process of its own (found by the mark that this program's children inherit) is stopped by a signal.
    """
    time.sleep(length_s / 3)
    readers = [pid for pid in others_of_this_bench() if pid != os.getpid()]
    for pid in readers:
        os.kill(pid, signal.SIGSTOP)
    ctypes.PyDLL(None).usleep(int(min(length_s / 3, 5.0) * 1e6))
    for pid in readers:
        os.kill(pid, signal.SIGCONT)
    time.sleep(max(0.0, length_s - length_s / 3 - min(length_s / 3, 5.0)))


def others_of_this_bench():
    mark = f"WATTLEAK_TRUTH_CLIENT={os.environ['WATTLEAK_TRUTH_CLIENT']}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if mark in environment.split(b"\0"):
                yield int(entry.name)
