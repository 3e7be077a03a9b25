"""What a recording survives: being told to end, running out of memory or of disk, being stopped, a machine asleep."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.namespaces import with_small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import CommandLine

PYTHON = sys.executable
SEVEN = """
import os, time
open("pid", "w").write(str(os.getpid()))
while not os.path.exists("go"): time.sleep(0.01)
raise SystemExit(7)
"""


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come")


def start(wattleak: CommandLine, *options: str) -> tuple[subprocess.Popen[str], int]:
    """A program that waits for the file `go`, then ends with 7; and the recorder's process."""
    process = wattleak.start("measure", "--json", *options, "--", PYTHON, "-c", SEVEN)
    pid = int(wait_for(wattleak.folder / "pid"))
    return process, recorder_of(pid)


def recorder_of(pid: int) -> int:
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


def finish(wattleak: CommandLine, process: subprocess.Popen[str]) -> dict[str, Any]:
    (wattleak.folder / "go").write_text("now")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    document: dict[str, Any] = json.loads(out)
    return document


def script(wattleak: CommandLine, **channel: Any) -> str:
    """A scripted machine with one channel; its points are the truth."""
    base = {"name": "gpu0", "part": "gpu", "period_s": 0.01}
    (wattleak.folder / "host.json").write_text(json.dumps({"channels": [{**base, **channel}]}))
    return "replay:host.json"


class TestToldToEnd:
    def test_one_sigterm_makes_safe_what_is_known_and_the_recording_goes_on(self, wattleak: CommandLine) -> None:
        process, recorder = start(wattleak)
        os.kill(recorder, signal.SIGTERM)
        time.sleep(0.3)
        document = finish(wattleak, process)

        assert document["complete"]
        assert document["exit_code"] == 7

    def test_two_end_it_as_incomplete_and_the_work_goes_on(self, wattleak: CommandLine) -> None:
        process, recorder = start(wattleak)
        for _ in range(2):
            os.kill(recorder, signal.SIGTERM)
            time.sleep(0.3)

        assert not Path(f"/proc/{recorder}").exists()
        document = finish(wattleak, process)  # with exit code 7
        assert (document["complete"], document["incomplete_reason"]) == (
            False,
            "the recorder was told to end (SIGTERM)",
        )
        assert document["duration_s"] > 0.3

    def test_the_program_is_not_born_deaf_to_sigterm(self, wattleak: CommandLine) -> None:
        done = wattleak("measure", "-q", "--", "sh", "-c", "kill -TERM $$; echo still here")

        assert (done.returncode, done.stdout) == (128 + 15, "")


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A memory control group of 48 MiB below our own."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    paths = {line.split(":")[1]: line.split(":", 2)[2] for line in lines}
    old = "memory" in paths
    parent = Path(f"/sys/fs/cgroup/memory{paths['memory']}" if old else f"/sys/fs/cgroup{paths.get('', '/')}")
    group = parent / "wattleak-test"
    limit = group / ("memory.limit_in_bytes" if old else "memory.max")
    try:
        group.mkdir(exist_ok=True)
        limit.write_text(str(48 << 20))
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip("making a memory control group needs privilege")
    yield group
    group.rmdir()


def test_a_program_that_runs_out_of_memory_is_reported_as_such(wattleak: CommandLine, small_group: Path) -> None:
    """A real kill by the kernel, in a control group that is too small."""
    greedy = f"echo $$ > {small_group}/cgroup.procs; exec {PYTHON} -c 'x = bytearray(b\"x\") * (200 << 20)'"
    document = wattleak.document("measure", "--", "sh", "-c", greedy, code=128 + 9)

    assert document["signal"] == 9
    assert "lack of memory" in document["incomplete_reason"]


class TestFullDisk:
    """A real full disk: a file system of 192 KiB in a mount namespace of its own, with the store on it."""

    def run(self, wattleak: CommandLine, job: str, store_kb: int = 192) -> list[str]:
        (wattleak.folder / "job.sh").write_text(textwrap.dedent(job))
        measure = shlex.join([*wattleak.command, "measure", "-q", "--interval", "0.02", "--", "sh", "job.sh"])
        inner = f"""
            mkdir -p disk/store
            WATTLEAK_STORE=disk/store {measure}
            echo "code $?"
            rm -f disk/filler
            {PYTHON} -c "
import json, glob
from pathlib import Path
from wattleak.recorder.summary import read_measurement
from wattleak.documents import measurement_document
folder = glob.glob('disk/store/runs/*')[0]
print(json.dumps(measurement_document(read_measurement(Path(folder), region=None, pue=None))))"
        """
        done = with_small_disk(inner, folder=wattleak.folder, size_kb=store_kb, env=wattleak.env)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def test_the_work_goes_on_and_the_missing_stretch_is_said(self, wattleak: CommandLine) -> None:
        lines = self.run(
            wattleak,
            """
            sleep 0.5
            dd if=/dev/zero of=disk/filler bs=1k 2>/dev/null
            sleep 4
            rm disk/filler
            sleep 1
            exit 7
            """,
        )
        document = json.loads(lines[-1])
        gaps = [gap for gap in document["gaps"] if "could not be written" in gap["why"]]

        assert lines[0] == "code 7"
        assert (document["complete"], document["exit_code"]) == (True, 7)
        assert 3 < sum(gap["end_s"] - gap["start_s"] for gap in gaps) < 6  # a page that others free lets one line in
        assert any("could not be written" in note for note in document["notes"])

    def test_a_disk_that_stays_full_still_takes_the_last_words(self, wattleak: CommandLine) -> None:
        lines = self.run(
            wattleak,
            """
            sleep 0.5
            dd if=/dev/zero of=disk/filler bs=1k 2>/dev/null
            sleep 1
            exit 7
            """,
        )
        document = json.loads(lines[-1])

        assert document["exit_code"] == 7
        assert document["duration_s"] > 1.4
        assert any("could not be written" in gap["why"] for gap in document["gaps"])


class TestGaps:
    def test_a_stopped_recorder_leaves_a_gap_and_a_counter_is_right_all_the_same(self, wattleak: CommandLine) -> None:
        meters = script(wattleak, quantity="energy_j", points=[[0, 0], [100, 5000]])
        process, recorder = start(wattleak, "--meters", meters, "--interval", "0.1")
        time.sleep(1)
        os.kill(recorder, signal.SIGSTOP)
        time.sleep(3.5)
        os.kill(recorder, signal.SIGCONT)
        time.sleep(0.5)
        document = finish(wattleak, process)
        gap = max(document["gaps"], key=lambda gap: gap["end_s"] - gap["start_s"])  # a busy machine may add short ones
        (entry,) = document["energy"]

        assert 3.4 < gap["end_s"] - gap["start_s"] < 5
        assert entry["energy_j"] == pytest.approx(50 * document["duration_s"], rel=0.02)
        assert entry["high_j"] - entry["low_j"] < 0.05 * entry["energy_j"]
        assert any("counter goes on in a gap" in note for note in document["notes"])

    def test_a_power_source_is_not_made_up_over_a_gap(self, wattleak: CommandLine) -> None:
        """100 W, but 300 W in the gap, which nobody saw: the truth must lie in the range all the same."""
        points = [[0, 100], [1.5, 100], [1.5001, 300], [3.0, 300], [3.0001, 100], [100, 100]]
        meters = script(wattleak, quantity="power_w", points=points)
        process, recorder = start(wattleak, "--meters", meters, "--interval", "0.1")
        time.sleep(0.6)
        os.kill(recorder, signal.SIGSTOP)
        time.sleep(4.0)
        os.kill(recorder, signal.SIGCONT)
        document = finish(wattleak, process)
        (entry,) = document["energy"]
        truth = 100 * document["duration_s"] + 200 * 1.5

        assert document["gaps"]
        assert entry["low_j"] <= truth <= entry["high_j"]
        assert any("not known, and the range says so" in note for note in document["notes"])

    def test_a_meter_that_drops_out_has_a_gap_of_its_own(self, wattleak: CommandLine) -> None:
        meters = script(wattleak, quantity="power_w", points=[[0, 100], [0.5, None], [4.5, 100], [100, 100]])
        process, _ = start(wattleak, "--meters", meters, "--interval", "0.1")
        time.sleep(5)
        document = finish(wattleak, process)
        gap = max(document["gaps"], key=lambda gap: gap["end_s"] - gap["start_s"])  # a busy machine may add short ones

        assert gap["channel"] == "gpu0"
        assert gap["end_s"] - gap["start_s"] == pytest.approx(4, abs=0.4)

    def test_a_machine_that_slept_says_so(self, wattleak: CommandLine) -> None:
        """CLOCK_BOOTTIME jumps ahead of CLOCK_MONOTONIC by an hour, as after a suspend: a library plays that."""
        source, library = wattleak.folder / "sleep.c", wattleak.folder / "sleep.so"
        source.write_text(
            """
            #define _GNU_SOURCE
            #include <time.h>
            #include <unistd.h>
            #include <sys/syscall.h>
            int clock_gettime(clockid_t clock, struct timespec *at) {
                int done = syscall(SYS_clock_gettime, clock, at);
                if (clock == CLOCK_BOOTTIME && access("slept", F_OK) == 0) at->tv_sec += 3600;
                return done;
            }
            """
        )
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        wattleak.env["LD_PRELOAD"] = str(library)
        process, _ = start(wattleak, "--interval", "0.1")
        time.sleep(0.5)
        (wattleak.folder / "slept").write_text("")
        time.sleep(0.5)
        document = finish(wattleak, process)
        assert any("slept for 3600 s" in gap["why"] for gap in document["gaps"])
        assert document["duration_s"] < 60


def test_whoever_is_killed_at_any_moment_every_finished_interval_is_there_once(wattleak: CommandLine) -> None:
    """Twelve of the two hundred kills of `python -m benchmarks kills`."""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [PYTHON, "-m", "benchmarks.kills", "12", "7"],
        cwd=root,
        env=wattleak.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    found = [trial for trials in json.loads(done.stdout).values() for trial in trials]

    assert len(found) == 12
    assert sum(trial["finished"] for trial in found) > 20
    for trial in found:
        assert (trial["lost"], trial["twice"], trial["longer"]) == (0, 0, 0)
    # The range of one span holds the truth in 95 of 100.
    assert sum(trial["outside"] for trial in found) <= 0.05 * sum(trial["finished"] for trial in found)
