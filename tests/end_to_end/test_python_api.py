"""Measuring from inside a program: real programs, real recorders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

BURN = "def burn(s):\n    import time; t = time.process_time()\n    while time.process_time() - t < s: pass\n"


def run(folder: Path, text: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = folder / "program.py"
    path.write_text(BURN + textwrap.dedent(text))
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WATTLEAK_")}
    return subprocess.run(
        [sys.executable, str(path)],
        cwd=folder,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def under_measure(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "wattleak", "measure", "-q", "--", sys.executable, "train.py"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=25,
    )


def answer(folder: Path, text: str, **env: str) -> Any:
    done = run(folder, text, **env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_block_is_measured(tmp_path: Path) -> None:
    found = answer(
        tmp_path,
        """
        import json, wattleak
        with wattleak.measure("train") as m:
            burn(0.5)
        e = m.attributed_energy_j
        energy = [e.low, e.value, e.high, str(e.origin)]
        print(json.dumps([m.duration_s, m.cpu_s, *energy, m.carbon_g.value_g, m.measurement.complete, m.run_id]))
        """,
    )
    duration_s, cpu_s, low, value, high, origin, grams, complete, run_id = found

    assert 0.48 < cpu_s < 0.6  # the recorder's own start is not in it
    assert duration_s >= 0.49
    assert 0 < low <= value <= high
    assert origin in {"counter", "modelled"}
    assert grams > 0
    assert complete
    assert (tmp_path / ".wattleak" / "runs" / run_id / "journal.jsonl").exists()


def test_children_of_the_block_are_counted_and_earlier_work_is_not(tmp_path: Path) -> None:
    cpu_s = answer(
        tmp_path,
        """
        import subprocess, sys, wattleak
        burn(0.5)
        child = "import time; t = time.process_time()\\nwhile time.process_time() - t < 0.6: pass"
        with wattleak.measure() as m:
            for p in [subprocess.Popen([sys.executable, "-c", child]) for _ in range(2)]: p.wait()
        print(m.cpu_s)
        """,
    )

    assert 1.15 < cpu_s < 1.5


def test_blocks_nest_in_one_recording(tmp_path: Path, wattleak: CommandLine) -> None:
    found = answer(
        tmp_path,
        """
        import json, wattleak
        with wattleak.measure("job") as job:
            with wattleak.measure("load"):
                burn(0.2)
            with wattleak.measure("train") as train:
                with wattleak.measure("epoch 1"):
                    burn(0.3)
        print(json.dumps([train.cpu_s, train.attributed_energy_j.value, job.attributed_energy_j.value]))
        """,
    )
    (row,) = wattleak.document("list")["runs"]
    spans = wattleak.document("report", row["id"])["spans"]

    assert [(span["name"], span["depth"]) for span in spans] == [("load", 0), ("train", 0), ("epoch 1", 1)]
    assert found[0] == pytest.approx(0.3, abs=0.05)
    assert found[1] < found[2]


def test_a_block_under_measure_is_a_span_of_that_run(wattleak: CommandLine) -> None:
    (wattleak.folder / "job.py").write_text(
        BURN + "import wattleak\nwith wattleak.measure('train') as m: burn(0.4)\nassert 0.35 < m.cpu_s < 0.6, m.cpu_s\n"
    )
    document = wattleak.document("measure", "--", sys.executable, "job.py")

    assert document["exit_code"] == 0
    assert [span["name"] for span in document["spans"]] == ["train"]
    assert document["spans"][0]["cpu_s"] == pytest.approx(0.4, abs=0.06)
    assert len(wattleak.document("list")["runs"]) == 1


def test_the_decorator_measures_each_call(tmp_path: Path, wattleak: CommandLine) -> None:
    answer(
        tmp_path,
        """
        import asyncio, json, wattleak

        @wattleak.measured
        def plain(x):
            "Doc."
            return x + 1

        @wattleak.measured("slow part")
        async def later(x):
            await asyncio.sleep(0.01)
            return x * 2

        assert plain.__doc__ == "Doc."
        print(json.dumps([plain(1), asyncio.run(later(4))]))
        """,
    )

    assert sorted(row["name"] for row in wattleak.document("list")["runs"]) == ["plain", "slow part"]


def test_an_exception_passes_through_and_the_block_is_still_measured(tmp_path: Path, wattleak: CommandLine) -> None:
    done = run(tmp_path, "import wattleak\nwith wattleak.measure('train'): raise ValueError('diverged')\n")

    assert done.returncode == 1
    assert "ValueError: diverged" in done.stderr
    assert [row["complete"] for row in wattleak.document("list")["runs"]] == [True]


def test_a_program_killed_inside_a_block_leaves_an_incomplete_run(tmp_path: Path, wattleak: CommandLine) -> None:
    run(tmp_path, "import os, wattleak\nwith wattleak.measure('train'):\n    burn(0.3)\n    os.kill(os.getpid(), 9)\n")
    import time

    time.sleep(0.3)  # the recorder sees the death of its program, and writes the end
    (row,) = wattleak.document("list")["runs"]

    assert row["complete"] is False
    assert row["duration_s"] >= 0.3
    assert row["cpu_s"] >= 0.1


def test_report_metric_outside_of_a_measurement_does_nothing(tmp_path: Path) -> None:
    assert (
        answer(tmp_path, "import json, wattleak; print(json.dumps(wattleak.report_metric('accuracy', 0.9)))") is False
    )


def test_report_metric_refuses_what_is_no_number(tmp_path: Path) -> None:
    done = run(tmp_path, "import wattleak; wattleak.report_metric('loss', float('nan'))")

    assert "ValueError" in done.stderr


def test_a_store_that_cannot_be_written_is_said_before_the_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(tmp_path, "import wattleak\nwith wattleak.measure(store='file/x'): print('ran')\n")

    assert "ran" not in done.stdout
    assert "OwnFailure" in done.stderr


def test_results_are_refused_before_the_end(tmp_path: Path) -> None:
    done = run(tmp_path, "import wattleak\nwith wattleak.measure('train') as m: m.duration_s\n")

    assert "has not ended" in done.stderr


def test_a_program_whose_recorder_was_killed_goes_on_and_only_its_numbers_are_missing(tmp_path: Path) -> None:
    program = """
import json, os, signal, wattleak
from pathlib import Path
from wattleak.errors import OwnFailure
recorder = os.getppid()
os.kill(recorder, signal.SIGKILL)
while os.getppid() == recorder:
    pass
with wattleak.measure("train") as m:
    print("trained")
try:
    m.duration_s
except OwnFailure as failure:
    print(failure)
"""
    done = under_measure(tmp_path, program)

    assert done.returncode == 0
    assert "trained" in done.stdout
    assert "was not measured" in done.stdout
    assert "runs unmeasured" in done.stderr


HEAD = """
import os, signal, threading, time, wattleak
from wattleak.recorder import client
recorder = os.getppid()
"""
DIES_BEFORE_IT_ANSWERS = """
os.kill(recorder, signal.SIGSTOP)  # who knocks now is not heard any more
threading.Timer(0.5, os.kill, (recorder, signal.SIGKILL)).start()
with wattleak.measure("train"): print("trained")
"""
STOPPED = """
client._PATIENCE_S = 1
os.kill(recorder, signal.SIGSTOP)
with wattleak.measure("train"): print("trained")
os.kill(recorder, signal.SIGCONT)
"""
STOPPED_INSIDE = """
client._PATIENCE_S = 1
with wattleak.measure("train"):
    print("trained")
    os.kill(recorder, signal.SIGSTOP)
os.kill(recorder, signal.SIGCONT)
with wattleak.measure("more"): time.sleep(0.2)
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (DIES_BEFORE_IT_ANSWERS, "the block 'train' runs unmeasured"),
        (STOPPED, "has not answered for 1 s"),
        (STOPPED_INSIDE, "has not answered for 1 s"),
    ],
)
def test_a_recorder_that_dies_or_stops_while_it_is_asked_costs_no_work(tmp_path: Path, text: str, said: str) -> None:
    done = under_measure(tmp_path, HEAD + text)

    assert (done.returncode, done.stdout) == (0, "trained\n"), done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_recorder_that_is_stopped_at_the_end_of_the_block_does_not_hang_the_program(tmp_path: Path) -> None:
    """The recorder of a block is a session of its own: nothing but its journal tells which process it is."""
    program = """
    import os, signal, wattleak
    from wattleak.recorder import client
    client._PATIENCE_S = 1

    def asked(call, path):
        try:
            return call(path)
        except OSError:
            return ()  # it has just ended, or was just closed

    def holds(pid, file):
        return any(asked(os.readlink, f"/proc/{pid}/fd/{fd}") == file for fd in asked(os.listdir, f"/proc/{pid}/fd"))

    with wattleak.measure("train") as m:
        journal = os.environ["WATTLEAK_JOURNAL"]
        others = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
        (pid,) = (pid for pid in others if holds(pid, journal))
        os.kill(pid, signal.SIGSTOP)
    print("went on")
    os.kill(pid, signal.SIGCONT)
    """
    done = run(tmp_path, program)

    assert (done.returncode, done.stdout) == (0, "went on\n"), done.stderr
    assert "has not answered for 1 s" in done.stderr


def test_a_pipe_that_a_library_left_open_for_children_still_ends_for_its_reader(tmp_path: Path) -> None:
    """What the recorder would hold of it, nobody could close: the reader would wait for as long as the block lasts."""
    program = """
    import os, select, wattleak
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    with wattleak.measure("train"):
        os.close(writing)
        ended, _, _ = select.select([reading], [], [], 5)
        print("ended" if ended and not os.read(reading, 1) else "held open")
    """
    done = run(tmp_path, program)

    assert (done.stdout, done.returncode) == ("ended\n", 0), done.stderr


def test_a_block_in_a_program_that_waits_for_no_child(tmp_path: Path) -> None:
    """With SIGCHLD ignored the kernel itself buries children: there is nobody left to wait for."""
    program = """
    import json, signal, wattleak
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with wattleak.measure("train") as m:
        burn(0.3)
    print(json.dumps(m.cpu_s))
    """
    assert answer(tmp_path, program) == pytest.approx(0.3, abs=0.1)
