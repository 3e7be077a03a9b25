"""`wattleak watch` on real processes: what it says, where it refuses, and that it leaves the process alone."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import CommandLine

GROWS = """
import time
kept = []
print("ready", flush=True)
while True:
    kept.append(bytearray(1 << 20))
    time.sleep(0.05)
"""
RESTS = "import sys; print('ready', flush=True); sys.stdin.read()"


@pytest.fixture
def started() -> Iterator[Any]:
    """Starts programs that say when they are ready, and ends them."""
    running: list[subprocess.Popen[str]] = []

    def start(code: str, **more: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def recorders_of(pid: int) -> list[int]:
    """Recorders that still watch a process: it is in no argument, so by the journals that they hold open."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            targets = [str(entry.readlink()) for entry in (folder / "fd").iterdir()]
        except OSError:
            continue
        if any(target == f"/proc/{pid}/stat" for target in targets):
            found.append(int(folder.name))
    return found


class TestADocument:
    def test_a_memory_that_grows_has_its_slope_and_its_end(self, wattleak: CommandLine, started: Any) -> None:
        process = started(GROWS)

        done = wattleak("watch", str(process.pid), "--json", "--for", "6", "--every", "0.5")
        document = json.loads(done.stdout.splitlines()[-1])

        assert document["pid"] == process.pid
        slope = document["memory_slope"]
        assert 0 < slope["low"] <= slope["b_per_s"] <= slope["high"]
        # A MiB each 50 ms and no faster: slower on a busy machine.
        assert slope["b_per_s"] < 1.1 * 2**20 / 0.05
        assert document["memory_full_in_s"] > 0
        assert process.poll() is None

    def test_a_process_at_rest(self, wattleak: CommandLine, started: Any) -> None:
        process = started(RESTS)

        document = wattleak.document("watch", str(process.pid), "--for", "1.5")

        assert document["kind"] == "watch"
        assert document["ended"] is False
        assert (document["processes"], document["threads"], document["threads_running"]) == (1, 1, 0)
        assert document["overall"]["runnable"] < 0.05
        assert document["cpus"]["affinity"] == len(os.sched_getaffinity(process.pid))
        assert document["memory_full_in_s"] is None
        assert document["evidence"] == []
        resident_kb = next(
            int(line.split()[1])
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS:")
        )
        assert document["memory_b"] == pytest.approx(resident_kb * 1024, rel=0.02)

    def test_power_is_read_by_a_recorder_of_scripted_joules(self, wattleak: CommandLine, started: Any) -> None:
        process = started(RESTS)
        script = wattleak.folder / "machine.json"
        channel = {"name": "cpu0", "part": "cpu", "quantity": "energy_j", "period_s": 0.01, "points": [[0, 0], [1, 40]]}
        script.write_text(json.dumps({"channels": [channel]}))

        done = wattleak("watch", str(process.pid), "--json", "--for", "2.5", "--meters", f"replay:{script}")

        assert done.returncode == 0, done.stderr
        power = [item for item in json.loads(done.stdout)["power"] if item["of"] == "machine"]
        assert [item["origin"] for item in power] == ["simulated"]
        assert power[0]["low_w"] <= 40.0 <= power[0]["high_w"]
        assert recorders_of(process.pid) == []

    def test_lines_until_the_process_ends(self, wattleak: CommandLine, started: Any) -> None:
        process = started(RESTS)
        watching = wattleak.start("watch", str(process.pid), "--json", "--every", "0.5")
        assert watching.stdout is not None
        lines = [json.loads(watching.stdout.readline()) for _ in range(2)]

        process.kill()
        process.wait()
        assert watching.wait(30) == 0

        assert all(line["kind"] == "watch" for line in lines)
        assert lines[0]["looks"] < lines[1]["looks"]

    def test_what_ends_meanwhile_is_said_of_its_last_look(self, wattleak: CommandLine, started: Any) -> None:
        process = started("import time; print('ready', flush=True); time.sleep(3)")

        document = wattleak.document("watch", str(process.pid), "--for", "60")

        assert document["ended"] is True
        assert document["duration_s"] < 30

    def test_one_that_ends_at_once_cannot_be_watched(self, wattleak: CommandLine, started: Any) -> None:
        process = started(RESTS)
        watching = wattleak.start("watch", str(process.pid), "--json", "--every", "30", "--for", "60")
        deadline = time.monotonic() + 30
        while not recorders_of(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
        process.communicate()

        _, said = watching.communicate(timeout=90)

        assert watching.returncode == 3, said
        assert "ended before it could be looked at twice" in said

    def test_a_killed_watch_leaves_no_recorder_behind(self, wattleak: CommandLine, started: Any) -> None:
        process = started(RESTS)
        watching = wattleak.start("watch", str(process.pid), "--json", "--every", "0.5")
        assert watching.stdout is not None
        watching.stdout.readline()

        watching.kill()
        watching.wait()

        deadline = time.monotonic() + 30
        while recorders_of(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert recorders_of(process.pid) == []
        assert process.poll() is None


class TestRefusals:
    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["99999999", "--json"], "there is no process 99999999"),
            (["train.py", "--json"], "'train.py' is no process id"),
            (["1", "--json", "--for", "soon"], "--for soon is no time"),
            (["1", "--json", "--every", "-1"], "--every -1 is no time"),
            (["1", "--every", "1"], "--every is about JSON lines"),
        ],
    )
    def test_one_error_with_its_remedy(self, wattleak: CommandLine, words: list[str], said: str) -> None:
        done = wattleak("watch", *words)

        assert done.returncode == 2
        assert done.stdout == ""
        first, second = done.stderr.splitlines()
        assert first == f"wattleak: error: {said}" or said in first
        assert second.startswith("  try: ")

    def test_no_screen_without_a_terminal(self, wattleak: CommandLine) -> None:
        done = wattleak("watch", str(os.getpid()))

        assert done.returncode == 2
        assert "no terminal" in done.stderr
        assert f"wattleak watch {os.getpid()} --json --for 10" in done.stderr


class TestTheScreen:
    @pytest.mark.parametrize("rows", [40, 10])
    def test_one_screen_that_fits_and_ends_with_ctrl_c(self, wattleak: CommandLine, started: Any, rows: int) -> None:
        process = started(RESTS)
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, 90, 0, 0))
        stated = {
            "LINES",
            "COLUMNS",
        }  # xdist states them for its workers, and they would count for more than the terminal
        env = {name: value for name, value in wattleak.env.items() if name not in stated} | {"TERM": "xterm"}
        watching = subprocess.Popen(
            [*wattleak.command, "watch", str(process.pid)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=env,
            cwd=wattleak.folder,
            start_new_session=True,
        )
        os.close(theirs)
        shown = read_until(ours, b"looks", 30)
        watching.send_signal(signal.SIGINT)
        shown += read_until(ours, None, 30)
        os.close(ours)

        assert watching.wait(30) == 0
        text = shown.decode(errors="replace")
        assert f"process {process.pid}" in text
        screen, _, rest = text.partition("\x1b[?1049l")  # the terminal goes back to what it showed before
        frame = screen.rpartition("\x1b[H")[2]
        assert frame.count("\n") < rows
        assert "affinity" in rest  # the last state stays, whole
        assert "Traceback" not in text


def read_until(terminal: int, wanted: bytes | None, timeout_s: float) -> bytes:
    """What a terminal is sent until `wanted` is in it; all that comes before its end for None."""
    seen = b""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        ready, _, _ = select.select([terminal], [], [], 0.2)
        if not ready:
            continue
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end was closed
            break
        if not piece:
            break
        seen += piece
        if wanted is not None and wanted in seen:
            break
    return seen
