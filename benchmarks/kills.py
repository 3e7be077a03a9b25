"""Kill the workload, the recorder, the command line or all of them at random moments: is every finished interval there?

The workload runs short spans and marks steps; after each span it writes down, in a file of its own, that it has
finished. A scripted counter of 100 W says what each span must cost. After the kill, everything written down must be
read back: once, with its end, and with the right joules.

`python -m benchmarks kills` does 200 and writes the page; `python -m benchmarks.kills 12 SEED` does 12 and prints JSON.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks import page
from wattleak.analysis.energy import machine_energy
from wattleak.recorder.summary import read_measurement
from wattleak.recorder.trace import read_recording

KILLS = 200
SEED = 20261121
VICTIMS = ("workload", "recorder", "command line", "all at once")
POWER_W = 100.0
LATEST_S = 1.2
HOST = {
    "channels": [
        {"name": "gpu0", "part": "gpu", "quantity": "energy_j", "period_s": 0.001, "points": [[0, 0], [1000, 100000]]}
    ]
}
WORKLOAD = """
import os, random, sys, time
import wattleak
done = os.open("done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
open("pid", "w").write(str(os.getpid()))
rng = random.Random(int(sys.argv[1]))
number = 0
while True:
    start = time.monotonic()
    with wattleak.measure(f"interval {number}") as block:
        until = time.monotonic() + rng.uniform(0.002, 0.05)
        while time.monotonic() < until:
            wattleak.step()
            time.sleep(0.001)
    if block._unmeasured:  # the recorder was killed before this block: the program would go on for ever
        break
    os.write(done, f"{number} {start} {time.monotonic()}\\n".encode())
    number += 1
"""


def recorder_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/status").read_text().partition("PPid:")[2].split()[0])
    except (OSError, IndexError):
        return 0


def kill(pid: int) -> None:
    if pid > 1:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def wait_for_pid(folder: Path, process: subprocess.Popen[bytes]) -> int:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        text = (folder / "pid").read_text() if (folder / "pid").exists() else ""
        if text:
            return int(text)
        time.sleep(0.005)
    return 0


def trial(folder: Path, victim: str, rng: random.Random) -> dict[str, object]:
    """One recording and one kill; what was found afterwards."""
    (folder / "host.json").write_text(json.dumps(HOST))
    command = [sys.executable, "-m", "wattleak", "measure", "-q", "--interval", "0.05", "--meters", "replay:host.json"]
    work = [sys.executable, "-c", WORKLOAD, str(rng.randrange(1 << 30))]
    process = subprocess.Popen(
        [*command, "--", *work],
        cwd=folder,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        from_birth = victim in ("command line", "all at once") and rng.random() < 0.3  # some die before they are ready
        pid = 0 if from_birth else wait_for_pid(folder, process)
        time.sleep(rng.uniform(0, LATEST_S))
        if victim == "workload":
            kill(pid)
        elif victim == "recorder":
            kill(recorder_of(pid))
        elif victim == "command line":
            process.kill()
            time.sleep(0.2)  # the recorder and the work go on without it
            kill(wait_for_pid(folder, process) if not pid and (folder / "pid").exists() else pid)
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=60)
    finally:
        end_session(process.pid)
    return check(folder)


def end_session(session: int) -> None:
    """Nothing of a trial may live on; what was not killed gets a moment to write its end."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return
        if deadline - time.monotonic() < 5:
            os.killpg(session, signal.SIGKILL)
        time.sleep(0.02)


def check(folder: Path) -> dict[str, object]:
    """Compare what the workload wrote down with what can be read back."""
    lines = (
        [line.split() for line in (folder / "done").read_text().split("\n") if line]
        if (folder / "done").exists()
        else []
    )
    finished = {f"interval {number}": float(end) - float(start) for number, start, end in lines}
    journals = list((folder / ".wattleak").glob("runs/*/journal.jsonl"))
    if not journals or not journals[0].stat().st_size:
        return {"finished": len(finished), "lost": len(finished), "twice": 0, "outside": 0, "longer": 0}
    trace = read_recording(journals[0]).trace
    measurement = read_measurement(journals[0].parent, region=None, pue=None)
    names = Counter(span.name for span in trace.spans)
    found = {span.name: span for span in trace.spans if span.end_s is not None}
    outside = longer = 0
    for name, span in found.items():
        entries = machine_energy(trace, span.start_s, span.end_s or 0.0)
        if not entries and span.start_s >= trace.samples[-1].time_s:
            continue  # the recorder died within it: it has a length, and no energy
        (entry,) = entries
        truth = POWER_W * ((span.end_s or 0.0) - span.start_s)
        outside += not entry.energy_j.low - 1e-9 <= truth <= entry.energy_j.high + 1e-9
        longer += name in finished and (span.end_s or 0.0) - span.start_s > finished[name]
    ids = Counter(span.id for span in trace.spans)
    return {
        "finished": len(finished),
        "lost": len(set(finished) - set(found)),
        "twice": sum(count - 1 for count in [*names.values(), *ids.values()]),
        "outside": outside,
        "longer": longer,
        "steps": sum(steps.count for steps in measurement.steps),
    }


def many(count: int, seed: int) -> dict[str, list[dict[str, object]]]:
    """`count` trials, the victims in turn."""
    rng = random.Random(seed)
    found: dict[str, list[dict[str, object]]] = {victim: [] for victim in VICTIMS}
    for number in range(count):
        victim = VICTIMS[number % len(VICTIMS)]
        with tempfile.TemporaryDirectory() as folder:
            found[victim].append(trial(Path(folder), victim, rng))
    return found


def run() -> None:
    found = many(KILLS, SEED)

    def total(trials: list[dict[str, object]], key: str) -> str:
        return str(sum(int(str(trial[key])) for trial in trials))

    rows = [
        [victim, str(len(trials)), *(total(trials, key) for key in ("finished", "lost", "twice", "longer", "outside"))]
        for victim, trials in found.items()
    ]
    everything = [trial for trials in found.values() for trial in trials]
    lost = sum(int(str(trial["lost"])) for trial in everything)
    page.write(
        "kills",
        "Killed at random moments",
        f"{KILLS} recordings, each with one SIGKILL at a random moment (seed {SEED}), 30 % of those of the command line "
        f"and of all at once from its very start. The workload runs spans of 2 to 50 ms and writes down, in a file of its "
        f"own, each that has finished. A scripted counter of {POWER_W:.0f} W gives the truth of each span; the range holds it in "
        "95 % of spans.",
        [
            "killed",
            "recordings",
            "finished intervals",
            "of them lost",
            "counted twice",
            "longer than they were",
            "true joules outside the range",
        ],
        rows,
        f"Every finished interval readable afterwards: **{'yes' if not lost else 'NO'}**.",
    )


if __name__ == "__main__":
    print(json.dumps(many(int(sys.argv[1]), int(sys.argv[2]))))
