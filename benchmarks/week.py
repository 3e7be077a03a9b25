"""A week in short: does the recorder grow, how large does its journal get, and how long does reading it back take?"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from binascii import crc32
from pathlib import Path

from benchmarks import page
from benchmarks.recorder_cost import cpu_s
from wattleak.documents import channel_document
from wattleak.model import Channel, Origin, Part, Quantity
from wattleak.recorder.journal import encode
from wattleak.recorder.sampling import SAMPLES_OF_A_RUN

WEEK_S = 7 * 86400.0
WATCH_S = 60.0
INTERVAL_S = 0.002
READ = """
import resource, sys, time
from pathlib import Path
from wattleak.recorder.summary import read_measurement
start = time.process_time()
m = read_measurement(Path(sys.argv[1]), region=None, pue=None)
assert m.energy and not m.gaps, m.gaps
print(time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def growth() -> tuple[int, int, float]:
    """Samples taken in a minute, bytes that the recorder grew by, share of a core that it used."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["measure", "-q", "--interval", str(INTERVAL_S), "--", "sh", "-c", "echo $$ > pid; exec sleep 600"]
        process = subprocess.Popen([sys.executable, "-m", "wattleak", *command], cwd=folder)
        time.sleep(3)
        pid = int((Path(folder) / "pid").read_text())
        recorder = int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])
        (journal,) = Path(folder).glob(".wattleak/runs/*/journal.jsonl")

        def state() -> tuple[int, int, float]:
            resident = Path(f"/proc/{recorder}/statm").read_text().split()[1]
            return journal.read_bytes().count(b"\n"), int(resident) * resource.getpagesize(), cpu_s(recorder)

        before = state()
        time.sleep(WATCH_S)
        after = state()
        os.kill(pid, 15)
        process.wait()
    return after[0] - before[0], after[1] - before[1], (after[2] - before[2]) / WATCH_S


def write_week(folder: Path, slowest_s: float) -> int:
    """A journal as the recorder writes it over a week, with one counter of 57 W; its number of samples."""
    channel = Channel(
        "cpu0", "rapl", Part.CPU, Origin.COUNTER, Quantity.ENERGY_J, 0.001, 0.9, 1.1, wrap_j=262143.3, source="written"
    )
    start = {
        "k": "start", "t": 1000.0, "v": 1, "run": "week", "name": None, "mode": "spawn", "command": ["true"],
        "started_at": "2026-01-01T00:00:00+00:00", "channels": [channel_document(channel)], "unavailable": [], "cpus": 2,
        "settings": {"interval_s": 1.0, "slowest_s": slowest_s},
    }  # fmt: skip
    end = {
        "k": "end",
        "t": 1000.0 + WEEK_S,
        "user_s": 1.0,
        "system_s": 1.0,
        "peak_b": 1 << 30,
        "left": [],
        "lost": None,
    }
    samples, elapsed_s = 0, 0.0
    with (folder / "journal.jsonl").open("wb") as file:

        def write(record: dict[str, object]) -> None:
            body = encode(record).encode()
            file.write(b"%08x %b\n" % (crc32(body), body))

        write(start)
        write({"k": "spawn", "t": 1000.0, "pid": 1})
        while elapsed_s < WEEK_S:
            raw = {"cpu0": 57.0 * elapsed_s % 262143.3}
            write(
                {"k": "s", "t": 1000.123456 + elapsed_s, "r": raw, "c": round(elapsed_s * 0.97, 6), "m": 1234567890,
                 "i": 123456, "o": 7654321, "p": 4, "b": 12345.67 + elapsed_s * 1.1}
            )  # fmt: skip
            samples += 1
            elapsed_s += min(slowest_s, max(1.0, elapsed_s / SAMPLES_OF_A_RUN))
        write({"k": "exit", "t": 1000.0 + WEEK_S, "code": 0, "signal": None})
        write(end)
    return samples


def run() -> None:
    rows = []
    for what, slowest_s in (("at the default rate", 10.0), ("with `--interval 1`", 1.0)):
        with tempfile.TemporaryDirectory() as folder:
            samples = write_week(Path(folder), slowest_s)
            size_b = (Path(folder) / "journal.jsonl").stat().st_size
            done = subprocess.run([sys.executable, "-c", READ, folder], capture_output=True, text=True, check=True)
            seconds, peak_kib = done.stdout.split()
        rows.append(
            [
                what,
                f"{samples:,}",
                f"{size_b / 2**20:.0f} MiB",
                f"{float(seconds):.1f} s",
                f"{int(peak_kib) / 1024:.0f} MiB",
            ]
        )
    taken, grown_b, share = growth()
    page.write(
        "week",
        "A recording of a week",
        "A journal of a week with one counter, written as the recorder writes it, and read back to the whole answer. "
        "The default rate: once a second at first, then every 20,000th part of the time that has passed, up to ten seconds.",
        ["journal of a week", "samples", "size", "CPU time to read back", "memory to read back"],
        rows,
        f"The real recorder, driven with `--interval {INTERVAL_S}` for {WATCH_S:.0f} s, took {taken:,} samples, used {share:.1%} of "
        f"a core, and grew by **{grown_b / 1024:.0f} KiB**.",
    )
