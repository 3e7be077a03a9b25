"""The truth bench in short: scripted joules, through a counter that a separate process moves every millisecond.

The oracle is the exact integral of the script. The tolerance has two parts that the recorder cannot help: what the
counter resolves (it says so itself), and how late the emulator was, which the emulator reports. Nothing is timed here:
a slow machine makes the windows longer, and their truth with them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wattleak.recorder.trace import read_recording

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT))

from benchmarks.truth.signals import SIGNALS  # noqa: E402 - the bench lies beside the package, not in it

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="powercap is an interface of Linux")

PROGRAM = """
import json, pathlib, sys, time, wattleak
windows = []
with wattleak.measure("outer") as outer:
    pathlib.Path(sys.argv[1]).touch()
    for length in (0.1, 0.1, 0.1, 0.6, 0.1, 0.1, 0.1, 0.1, 0.6, 0.1):
        time.sleep(0.07)
        with wattleak.measure("window") as window:
            start = time.monotonic()
            time.sleep(length)
            end = time.monotonic()
        windows.append((start, end, window))
rows = []
for start, end, window in windows:
    for item in window.energy:
        if item.channel.name == "cpu0":
            rows.append([start, end, item.energy_j.value, item.resolution_j, item.energy_j.low, item.energy_j.high])
print(json.dumps([outer.run_id, rows]))
"""


class Machine:
    """The emulator, and what it said of itself at its end."""

    def __init__(self, folder: Path) -> None:
        self.trees = folder / "trees"
        self.trees.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.truth.emulator", str(self.trees), "wrap=150", *"012345"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.zero_s = float(json.loads(self._process.stdout.readline())["zero"])

    def energy_j(self, signal: int, start_s: float, end_s: float) -> float:
        return SIGNALS[signal].energy_j(end_s - self.zero_s) - SIGNALS[signal].energy_j(start_s - self.zero_s)

    def stop(self) -> dict[str, Any]:
        answer, _ = self._process.communicate("end\n")
        report: dict[str, Any] = json.loads(answer)
        return report


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    if found._process.poll() is None:
        found.stop()


@pytest.mark.parametrize("signal", [0, 1, 2, 3, 4], ids=lambda number: SIGNALS[number].name)
def test_the_joules_of_a_window_are_the_joules_of_the_script(machine: Machine, tmp_path: Path, signal: int) -> None:
    run_id, rows = measured(machine, tmp_path, signal)
    spans = [
        span
        for span in read_recording(tmp_path / "store" / "runs" / run_id / "journal.jsonl").trace.spans
        if span.name == "window"
    ]
    report = machine.stop()
    late_s = max((end_s - start_s for start_s, end_s in report["very_late"]), default=report["max_s"])
    most_w = max(max(start_w, end_w) for _, start_w, end_w in SIGNALS[signal].pieces)

    assert len(rows) == len(spans) == 10
    for (start_s, end_s, value_j, resolution_j, low_j, high_j), span in zip(rows, spans, strict=True):
        assert span.end_s is not None
        assert span.start_s <= start_s < end_s <= span.end_s  # the window that is read holds the program's own
        true_j = machine.energy_j(signal, span.start_s, span.end_s)
        # Each edge is read within a millisecond of the counter, or as late as the emulator was.
        assert abs(value_j - true_j) <= max(1.2 * resolution_j, 2 * most_w * (0.001 + late_s))
        assert low_j <= true_j <= high_j


def test_readings_that_fail_make_the_range_wide_not_wrong(machine: Machine, tmp_path: Path) -> None:
    """The counter cannot be read for 30 ms of every 250 ms: now and then that is the edge of a window.

    The last window has no figure when its end, and the end of the recording right after it, could not be read.
    """
    _, rows = measured(machine, tmp_path, 5)

    assert len(rows) in {9, 10}
    for start_s, end_s, _, _, low_j, high_j in rows:
        true_j = machine.energy_j(5, start_s, end_s)
        assert low_j <= true_j <= high_j


def measured(machine: Machine, folder: Path, signal: int) -> tuple[str, list[list[float]]]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
    powercap = machine.trees / str(signal) / "class" / "powercap"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(machine.trees / str(signal) / "drop")],
        cwd=folder,
        env=inherited
        | {
            "WATTLEAK_POWERCAP": str(powercap),
            "WATTLEAK_STORE": str(folder / "store"),
            "XDG_RUNTIME_DIR": str(folder),  # the emulated machine is nobody else's
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    run_id, rows = json.loads(done.stdout)
    return run_id, rows
