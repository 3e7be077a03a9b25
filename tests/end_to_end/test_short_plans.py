"""`compare --steps` and `--for`: real programs that mark steps, ended by the plan, compared by the price of a step."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

PYTHON = sys.executable
TRAIN = """
import sys, wattleak
turns, batch, steps = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
s = 0
for i in range(300_000): s += i  # start-up
for step in range(steps):
    for i in range(turns): s += i * i
    wattleak.step(samples=batch or None)
"""
ENDLESS = 10**9


@pytest.fixture
def train(wattleak: CommandLine) -> str:
    (wattleak.folder / "train.py").write_text(TRAIN)
    return f"{PYTHON} train.py"


def program(wattleak: CommandLine, name: str, text: str) -> str:
    (wattleak.folder / name).write_text(text)
    return f"{PYTHON} {name}"


def every_run(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [*document["warmup_runs"], *document["runs"]]


class TestWhatEndsARun:
    def test_after_so_many_steps_an_endless_training_is_a_good_run(self, wattleak: CommandLine, train: str) -> None:
        document = wattleak.document(
            "compare",
            "--steps",
            "20",
            f"{train} 40000 0 {ENDLESS}",
            f"{train} 160000 0 {ENDLESS}",
            "--blocks",
            "6",
            "--warmups",
            "0",
        )

        assert document["verdict"] == "costs_more"
        assert document["primary_metric"] == "cpu_per_step_s"
        assert document["metrics"]["cpu_per_step_s"]["low"] > 1  # four times the work, whatever the machine does
        assert document["quality"]["state"] == "not_measured"
        assert document["grade"] == "observed"
        for run in every_run(document):
            assert run["failure"] is None
            assert run["complete"] is True
            assert run["planned_end"] == "after 20 steps"
            assert run["step_window"]["steps"] >= 20
        assert not {"cpu_s", "duration_s", "energy_j"} & set(document["metrics"])  # totals of runs that were cut off
        assert {"start_up_s", "start_up_cpu_s"} <= set(document["metrics"])

    def test_after_so_long_whatever_it_had_done(self, wattleak: CommandLine, train: str) -> None:
        document = wattleak.document(
            "compare", "--for", "0.8s", *[f"{train} 20000 0 {ENDLESS}"] * 2, "--blocks", "2", "--warmups", "0"
        )

        for run in document["runs"]:
            assert run["failure"] is None
            assert run["planned_end"] == "after 0.8 s"
            assert run["duration_s"] >= 0.8
            assert run["step_window"]["start_up_s"] + run["step_window"]["duration_s"] <= run["duration_s"]

    def test_a_program_may_end_itself_by_the_number_in_its_command(self, wattleak: CommandLine, train: str) -> None:
        document = wattleak.document(
            "compare", "--steps", "7", *[f"{train} 20000 0 {{steps}}"] * 2, "--blocks", "2", "--warmups", "0"
        )

        for run in document["runs"]:
            assert run["command"][-1] == "7"
            assert (run["exit_code"], run["signal"]) == (0, None)
            assert "planned_end" not in run
            assert run["step_window"]["steps"] == 6  # the first mark only opens the window

    def test_who_ignores_sigterm_is_killed_and_counts_just_as_well(self, wattleak: CommandLine) -> None:
        deaf = program(
            wattleak,
            "deaf.py",
            "import signal, time, wattleak\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "while True:\n    time.sleep(0.01)\n    wattleak.step()",
        )
        document = wattleak.document("compare", "--steps", "3", deaf, deaf, "--blocks", "1", "--warmups", "0")

        assert [(run["signal"], run["failure"]) for run in document["runs"]] == [(9, None), (9, None)]

    def test_a_crash_before_that_is_a_failure_as_ever(self, wattleak: CommandLine, train: str) -> None:
        crash = program(
            wattleak, "crash.py", "import wattleak\nfor _ in range(5): wattleak.step()\nraise SystemExit(2)"
        )
        done = wattleak("compare", "--steps", "100", crash, f"{train} 20000 0 {ENDLESS}", "--blocks", "6")

        assert done.returncode == 3
        assert "exit code 2" in done.stderr

    def test_a_program_that_marks_nothing_is_told_what_to_do(self, wattleak: CommandLine) -> None:
        silent = program(wattleak, "silent.py", "import time; time.sleep(60)")
        done = wattleak("compare", "--for", "0.5s", silent, silent, "--blocks", "6")

        assert done.returncode == 3
        assert "no step was marked" in done.stderr
        assert "wattleak.step()" in done.stderr


class TestThePriceOfAStep:
    def test_the_range_of_the_cpu_time_holds_what_the_program_says_itself(self, wattleak: CommandLine) -> None:
        """The kernel's clock of the process, read by the program at its first mark and at its last."""
        told = program(
            wattleak,
            "told.py",
            "import json, os, time, wattleak\ns = 0\nfor i in range(400_000): s += i\n"
            "wattleak.step(); first = time.process_time(), time.monotonic()\n"
            "for _ in range(12):\n    for i in range(300_000): s += i * i\n    wattleak.step()\n"
            "last = time.process_time(), time.monotonic()\n"
            "json.dump([b - a for a, b in zip(first, last)], open(os.environ['WATTLEAK_RUN_DIR'] + '/told', 'w'))",
        )
        document = wattleak.document("compare", "--steps", "100", told, told, "--blocks", "2", "--warmups", "0")

        for run in document["runs"]:
            window = run["step_window"]
            cpu_s, wall_s = json.loads(
                (Path(wattleak.folder) / ".wattleak/runs" / run["run_id"] / "work/told").read_text()
            )
            assert window["steps"] == 12
            assert window["duration_s"] == pytest.approx(wall_s, rel=0.05, abs=0.02)
            assert window["cpu_s"]["low_s"] - 0.02 <= cpu_s <= window["cpu_s"]["high_s"] + 0.02
        metric = document["metrics"]["duration_per_step_s"]["reference"]
        a = sorted(run["step_window"]["duration_s"] / 12 for run in document["runs"] if run["variant"] == "A")
        assert metric == pytest.approx(sum(a) / 2)

    def test_different_work_per_step_is_compared_per_sample(self, wattleak: CommandLine, train: str) -> None:
        """Twice the batch at twice the work: a step costs twice as much, a sample the same."""
        document = wattleak.document(
            "compare",
            "--steps",
            "15",
            f"{train} 100000 32 {ENDLESS}",
            f"{train} 400000 64 {ENDLESS}",
            "--blocks",
            "6",
            "--warmups",
            "0",
        )

        assert document["design"]["metric"] == "cpu_per_step_s"  # as planned, with its rule
        assert document["primary_metric"] == "cpu_per_sample_s"
        assert document["verdict"] == "costs_more"
        ratio = [1 + document["metrics"][f"cpu_per_{per}_s"]["change"] for per in ("step", "sample")]
        assert ratio[0] == pytest.approx(2 * ratio[1], rel=1e-6)

    def test_without_samples_that_is_doubted(self, wattleak: CommandLine, train: str) -> None:
        done = wattleak(
            "compare", "--steps", "3", *[f"{train} 9000 0 {ENDLESS}"] * 2, "--blocks", "2", "--warmups", "0"
        )
        words = " ".join(done.stdout.split())

        assert "no run says how many samples a step holds" in words
        assert "not how many steps it takes to the same quality" in words

    def test_the_verdict_is_worded_per_step(self, wattleak: CommandLine, train: str) -> None:
        commands = [f"{train} 20000 0 {ENDLESS}", f"{train} 90000 0 {ENDLESS}"]
        done = wattleak("compare", "--steps", "10", *commands, "--blocks", "6", "--warmups", "0")
        words = " ".join(done.stdout.split())

        assert "as much CPU time per step as A" in words
        assert "per run" not in words
        assert "start-up, wall time" in words
        assert "Quality was not measured" in words


class TestDryRun:
    def test_it_says_the_device_hours_of_both_plans(self, wattleak: CommandLine) -> None:
        """14 runs of two hours; 14 of a minute, and a second each to end (an assumption of ours)."""
        words = ("compare", "true", "true", "--blocks", "6", "--for", "60s", "--dry-run")
        expected = wattleak.document(*words, "--full-duration", "2h")["expected"]
        unknown = wattleak(*words)

        assert expected["full_device_hours"] == pytest.approx(28)
        assert expected["short_device_hours"] == pytest.approx(14 * 61 / 3600)
        assert expected["devices"] == 1
        assert "full plan:  device-hours (this machine) not known" in unknown.stdout

    def test_a_stored_run_tells_the_pace(self, wattleak: CommandLine, train: str) -> None:
        run = wattleak.document("measure", "--", *f"{train} 20000 0 40".split())
        window = run["step_window"]
        words = ("compare", *[f"{train} 20000 0 40"] * 2, "--blocks", "6", "--steps", "10", "--dry-run")
        by_run = wattleak.document(*words)["expected"]
        by_steps = wattleak.document(*words, "--full-steps", "1000000")["expected"]
        per_step_s = window["duration_s"] / 39

        assert by_run["full_device_hours"] == pytest.approx(14 * run["duration_s"] / 3600)
        assert by_run["short_device_hours"] == pytest.approx(14 * (window["start_up_s"] + 10 * per_step_s + 1) / 3600)
        assert by_steps["full_device_hours"] == pytest.approx(14 * 1e6 * per_step_s / 3600, rel=0.01)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--steps", "10", "--for", "5s"), "one of them"),
        (("--steps", "many"), "--steps 200"),
        (("--for", "soon"), "120s"),
        (("--steps", "10", "--quality", "accuracy:max:0.1"), "leave --quality out"),
        (("--steps", "10", "--metric", "cpu_s"), "--metric cpu_per_step_s"),
        (("--control-every", "0"), "--control-every 10"),
    ],
)
def test_wrong_usage(wattleak: CommandLine, words: tuple[str, ...], says: str) -> None:
    done = wattleak("compare", "true", "true", "--blocks", "6", "--dry-run", *words)

    assert done.returncode == 2
    assert says in done.stderr


def test_an_experiment_file_says_the_same(wattleak: CommandLine) -> None:
    (wattleak.folder / "e.toml").write_text(
        'blocks = 6\nfor = "90s"\ncontrol-every = 3\ncooldown = "auto"\nshared = ["*.cache"]\n'
        '[[variant]]\nname = "a"\ncommand = "true"\n[[variant]]\nname = "b"\ncommand = "false"\n'
    )
    design = wattleak.document("compare", "--file", "e.toml", "--dry-run")["design"]

    assert design["short_plan"]["duration_s"] == 90
    assert (design["control_every"], design["gated"], design["shared"]) == (3, True, ["*.cache"])


def test_a_plan_without_all_this_is_written_as_before(wattleak: CommandLine) -> None:
    design = wattleak.document("compare", "true", "true", "--blocks", "6", "--dry-run")["design"]

    assert not {"short_plan", "control_every", "gated", "shared"} & set(design)
