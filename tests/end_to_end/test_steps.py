"""`wattleak.step()` in real programs under real recorders. The oracle is what each program counted and timed itself."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

PYTHON = sys.executable


def program(wattleak: CommandLine, text: str) -> str:
    path = wattleak.folder / "job.py"
    path.write_text("import wattleak\n" + textwrap.dedent(text))
    return str(path)


def steps_of(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in document["steps"]}


def wait_for(path: Path) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return path.read_text()
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come")


def recorder_of(pid: int) -> int:
    return int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]


def test_count_rate_and_step_times_are_what_the_program_saw(wattleak: CommandLine) -> None:
    job = program(
        wattleak,
        """
        import json, random, time
        rng = random.Random(3)
        marks = []
        for _ in range(200):
            time.sleep(rng.choice([0.001, 0.002, 0.02]))
            wattleak.step("train", samples=8)
            marks.append(time.monotonic())
        wattleak.step("eval")
        open("seen.json", "w").write(json.dumps(marks))
        """,
    )
    document = wattleak.document("measure", "--", PYTHON, job)
    marks = json.loads((wattleak.folder / "seen.json").read_text())
    durations = [after - before for before, after in itertools.pairwise(marks)]
    train = steps_of(document)["train"]

    assert (train["count"], train["samples"], train["writers"]) == (200, 1600, 1)
    assert train["duration_s"] == pytest.approx(marks[-1] - marks[0], abs=0.005)
    assert train["steps_per_s"] == pytest.approx(199 / (marks[-1] - marks[0]), rel=0.01)
    assert train["median_s"] == pytest.approx(statistics.median(durations), rel=0.1)
    assert train["p95_s"] == pytest.approx(statistics.quantiles(durations, n=20)[-1], rel=0.1)
    assert steps_of(document)["eval"]["count"] == 1
    energy = train["energy_per_step_j"]
    assert 0 <= energy["low_j"] <= energy["energy_j"] <= energy["high_j"]
    assert not list((wattleak.folder / ".wattleak" / "runs").glob("*/marks"))  # all of it is in the journal now


def test_threads_processes_and_forks_each_count_once(wattleak: CommandLine) -> None:
    job = program(
        wattleak,
        """
        import os, subprocess, sys, threading
        def work(name, n):
            for _ in range(n): wattleak.step(name)
        work("main", 10)                                      # before the fork: the child must not count it again
        together = threading.Barrier(4)
        def thread():
            together.wait()
            work("thread", 2500)
            together.wait()
        threads = [threading.Thread(target=thread) for _ in range(4)]
        for t in threads: t.start()
        for t in threads: t.join()
        if os.fork() == 0:
            work("fork", 700)
            os._exit(0)
        os.wait()
        subprocess.run([sys.executable, "-c", "import wattleak\\nfor _ in range(300): wattleak.step('child')"])
        work("main", 5)
        """,
    )
    found = steps_of(wattleak.document("measure", "--", PYTHON, job))

    assert {name: item["count"] for name, item in found.items()} == {
        "thread": 10000,
        "fork": 700,
        "child": 300,
        "main": 15,
    }
    assert found["thread"]["writers"] == 4


def test_steps_inside_a_block_of_the_program_itself(wattleak: CommandLine) -> None:
    job = program(
        wattleak,
        """
        import json
        wattleak.step("before")
        with wattleak.measure() as m:
            for _ in range(1234): wattleak.step()
        wattleak.step("after")
        print(json.dumps([[s.name, s.count] for s in m.measurement.steps]))
        """,
    )
    env = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
    done = subprocess.run(
        [PYTHON, job], cwd=wattleak.folder, env=env, capture_output=True, text=True, check=True, timeout=60
    )

    assert json.loads(done.stdout) == [["step", 1234]]


def test_without_a_recorder_nothing_happens(wattleak: CommandLine) -> None:
    job = program(wattleak, "for _ in range(10): wattleak.step('x', samples=1)\nprint('done')\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
    done = subprocess.run([PYTHON, job], cwd=wattleak.folder, env=env, capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("done\n", "")
    assert [path.name for path in wattleak.folder.iterdir()] == ["job.py"]


@pytest.mark.parametrize("samples", ["-1", "1.5", "'many'", "1 << 32"])
def test_samples_that_are_no_count_are_refused(wattleak: CommandLine, samples: str) -> None:
    job = program(wattleak, f"wattleak.step(samples={samples})\n")
    done = subprocess.run([PYTHON, job], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "Error" in done.stderr.splitlines()[-1]


STEADY = """
    import os, time
    count = os.open("count", os.O_WRONLY | os.O_CREAT)
    open("pid", "w").write(str(os.getpid()))
    n = 0
    while n < {most}:
        for _ in range(10): wattleak.step()
        n += 10
        os.pwrite(count, b"%d" % n, 0)
        time.sleep(0.001)
    """


@pytest.mark.parametrize("victim", ["workload", "recorder", "all"])
def test_marks_survive_a_kill(wattleak: CommandLine, victim: str) -> None:
    job = program(wattleak, STEADY.format(most=1 << 30))
    process = wattleak.start("measure", "-q", "--", PYTHON, job)
    pid = int(wait_for(wattleak.folder / "pid"))
    time.sleep(0.7)
    if victim == "recorder":
        os.kill(recorder_of(pid), signal.SIGKILL)
        time.sleep(0.1)
    if victim == "all":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=30)
    seen = int((wattleak.folder / "count").read_text())
    (row,) = wattleak.document("list")["runs"]
    (steps,) = wattleak.document("report", str(row["id"]))["steps"]

    assert seen > 100
    assert seen <= steps["count"] <= seen + 10


def test_a_full_ring_never_blocks_and_the_loss_is_said(wattleak: CommandLine) -> None:
    """The recorder is stopped, so nobody empties the ring of 65,536 places; the program marks 70,000 steps."""
    job = program(
        wattleak,
        """
        import os, time
        open("pid", "w").write(str(os.getpid()))
        while not os.path.exists("stopped"): time.sleep(0.01)
        for _ in range(70_000): wattleak.step()
        open("marked", "w").write("yes")
        """,
    )
    process = wattleak.start("measure", "-q", "--json", "--", PYTHON, job)
    recorder = recorder_of(int(wait_for(wattleak.folder / "pid")))
    os.kill(recorder, signal.SIGSTOP)
    (wattleak.folder / "stopped").write_text("")
    wait_for(wattleak.folder / "marked")
    os.kill(recorder, signal.SIGCONT)
    document = json.loads(process.communicate(timeout=30)[0])

    assert steps_of(document)["step"]["count"] == 65_536
    assert any("4464 step marks" in note for note in document["notes"])
