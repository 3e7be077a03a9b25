"""A recording of a week, in short: the recorder keeps nothing, and its journal is read back as a stream."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import CommandLine

MARKING = """
import os, time, wattleak
open("pid", "w").write(str(os.getpid()))
while True:
    for _ in range(20): wattleak.step()
    time.sleep(0.002)
"""


def resident_kib(pid: int) -> int:
    """What the process keeps: the least of a second, for a look through /proc takes 200 KiB for a moment."""
    readings = []
    for _ in range(20):
        readings.append(int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]))  # type: ignore[index]
        time.sleep(0.05)
    return min(readings)


def test_the_recorder_does_not_grow(wattleak: CommandLine) -> None:
    """A sample every 2 ms, with step marks: thousands of samples in seconds. One kept sample would be 300 B or more."""
    process = wattleak.start("measure", "-q", "--interval", "0.002", "--", sys.executable, "-c", MARKING)
    deadline = time.monotonic() + 30
    while not (wattleak.folder / "pid").exists() or not (wattleak.folder / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = int((wattleak.folder / "pid").read_text())
    recorder = int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]
    (journal,) = (wattleak.folder / ".wattleak" / "runs").glob("*/journal.jsonl")
    while '"steps"' not in journal.read_text():  # the first emptying of the ring takes memory, once
        assert time.monotonic() < deadline
        time.sleep(0.1)
    grown: list[tuple[int, int]] = []  # (KiB kept, bytes written) of stretches one after the other
    for _ in range(3):
        before_kib, before_b = resident_kib(recorder), journal.stat().st_size
        time.sleep(8)
        written_b = journal.stat().st_size - before_b
        grown.append((resident_kib(recorder) - before_kib, written_b))
    os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)

    assert min(written_b for _, written_b in grown) > 100_000  # it did take its samples
    # Who keeps samples grows in each stretch; in one of them a buffer may have, once, when a busy machine let it wait.
    assert any(grown_kib * 1024 < written_b / 4 for grown_kib, written_b in grown), grown
