"""`wattleak compare` as a user meets it: real processes, a real store, kills at bad moments."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

PYTHON = sys.executable
COUNT = "s = 0\nfor i in range({}): s += i * i"
LITTLE, MUCH = COUNT.format(400_000), COUNT.format(1_600_000)


def program(wattleak: CommandLine, name: str, text: str) -> str:
    (wattleak.folder / name).write_text(text)
    return f"{PYTHON} {name}"


@pytest.fixture
def little(wattleak: CommandLine) -> str:
    return program(wattleak, "little.py", LITTLE)


@pytest.fixture
def much(wattleak: CommandLine) -> str:
    return program(wattleak, "much.py", MUCH)


def variants_of(document: dict[str, Any]) -> Counter[tuple[int, str]]:
    """How often each (block, variant) counts; runs that failed or were superseded do not."""
    counted: dict[int, int] = {}
    for run in document["runs"]:
        if run["failure"] is None:
            counted[run["block"]] = max(counted.get(run["block"], 0), run["attempt"])
    return Counter(
        (run["block"], run["variant"]) for run in document["runs"] if run["attempt"] == counted.get(run["block"])
    )


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie: a sandbox may have no init that collects the dead."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


class TestVerdict:
    def test_more_work_costs_more_and_less_work_saves(self, wattleak: CommandLine, little: str, much: str) -> None:
        dearer = wattleak.document("compare", little, much, "--blocks", "6", "--seed", "1")
        cheaper = wattleak.document("compare", much, little, "--blocks", "6", "--seed", "1")

        assert dearer["verdict"] == "costs_more"
        assert cheaper["verdict"] == "saving"
        assert dearer["metrics"][dearer["primary_metric"]]["low"] > 0
        assert cheaper["metrics"][cheaper["primary_metric"]]["high"] < 0
        assert dearer["grade"] == "observed"

    def test_the_document_has_what_others_rely_on(self, wattleak: CommandLine, little: str, much: str) -> None:
        document = wattleak.document("compare", little, much, "--blocks", "2", "--seed", "3")

        assert document["schema_version"] == 1
        assert document["verdict"] == "not_enough_runs"
        assert set(document["design"]) >= {"variants", "blocks", "seed", "order"}
        assert set(document["quality"]) >= {"metric", "state", "difference", "low", "high"}
        for metric in document["metrics"].values():
            assert set(metric) >= {"reference", "candidate", "change", "low", "high", "origin"}
        assert len(document["comparisons"]) == 1
        assert len(document["runs"]) == 4
        for run in document["runs"]:
            assert run["carbon_g"]["value"] > 0
            assert run["cpu_s"] > 0
            assert run["peak_memory_b"] > 0

    def test_the_same_seed_gives_the_same_order(self, wattleak: CommandLine) -> None:
        orders = [
            wattleak.document("compare", "true", "false", "--blocks", "8", "--dry-run", "--seed", seed)["order"]
            for seed in ("7", "7", "8")
        ]

        assert orders[0] == orders[1] != orders[2]

    def test_every_block_holds_every_variant_once_and_runs_as_planned(self, wattleak: CommandLine, little: str) -> None:
        """The programs log themselves: what ran is set against what was planned."""
        log = "open('order.log', 'a').write(os.environ['WATTLEAK_SEED'] + ' {}\\n')"
        for name in "abc":
            program(wattleak, f"{name}.py", f"import os\n{log.format(name.upper())}")
        document = wattleak.document(
            "compare", *(f"{PYTHON} {name}.py" for name in "abc"), "--blocks", "4", "--seed", "5"
        )
        ran = [line.split() for line in (wattleak.folder / "order.log").read_text().splitlines()]
        planned = document["design"]["order"]

        assert [(run["variant"], str(run["seed"])) for run in planned] == [(name, seed) for seed, name in ran]
        assert len({run["seed"] for run in planned}) == 5  # one training seed a block, warm-up included
        for block in range(-1, 4):
            assert sorted(run["variant"] for run in planned if run["block"] == block) == ["A", "B", "C"]
        assert [pair["candidate"] for pair in document["comparisons"]] == ["B", "C"]

    def test_warm_up_runs_are_kept_apart(self, wattleak: CommandLine, little: str) -> None:
        document = wattleak.document("compare", little, little, "--blocks", "2", "--warmups", "2")

        assert len(document["runs"]) == 4
        assert {run["block"] for run in document["warmup_runs"]} == {-1, -2}

    def test_each_variant_has_its_own_environment_and_name(self, wattleak: CommandLine) -> None:
        show = program(
            wattleak,
            "show.py",
            "import json, os\nprint('WATTLEAK', json.dumps({'threads': int(os.environ['THREADS'])}))",
        )
        document = wattleak.document(
            "compare",
            "--variant",
            f"few=THREADS=2 {show}",
            "--variant",
            f"many={show}",
            "--env",
            "many:THREADS=64",
            "--blocks",
            "2",
            "--quality",
            "threads:min:1",
        )
        seen = {(run["variant"], run["quality"]["threads"]) for run in document["runs"]}

        assert seen == {("few", 2.0), ("many", 64.0)}


FOUR_WAYS = {
    "api": "import wattleak; wattleak.report_metric('accuracy', 0.5); wattleak.report_metric('accuracy', {})",
    "file": "import os; print('{{\"accuracy\": {}}}', file=open(os.environ['WATTLEAK_METRICS'], 'a'))",
    "stdout": "print('epoch 1 WATTLEAK {{\"accuracy\": 0.1}}'); print('WATTLEAK {{\"accuracy\": {}}}')",
    "regex": "print('acc: 0.2'); print('acc: {}')",
}


class TestQuality:
    @pytest.mark.parametrize("way", FOUR_WAYS)
    def test_the_last_value_wins_whichever_way_it_came(self, wattleak: CommandLine, way: str) -> None:
        text = FOUR_WAYS[way]
        good = program(wattleak, "good.py", text.format(0.9))
        bad = program(wattleak, "bad.py", text.format(0.7))
        document = wattleak.document(
            "compare",
            good,
            bad,
            "--blocks",
            "3",
            "--quality",
            "accuracy:max:0.01",
            "--quality-regex",
            "acc: (?P<accuracy>[0-9.]+)",
        )

        assert {run["quality"]["accuracy"] for run in document["runs"]} == {0.9, 0.7}
        assert document["quality"]["difference"] == pytest.approx(-0.2)

    def test_a_saving_that_makes_the_result_worse_is_a_trade_off(self, wattleak: CommandLine) -> None:
        mark = "\nprint('WATTLEAK {\"accuracy\": %s}')"
        full = program(wattleak, "full.py", MUCH + mark % 0.91)
        cut = program(wattleak, "cut.py", LITTLE + mark % 0.80)
        document = wattleak.document("compare", full, cut, "--blocks", "6")

        assert document["verdict"] == "trade_off"
        assert wattleak("compare", full, cut, "--blocks", "6", "--require", "saving", "-q").returncode == 1

    def test_without_a_figure_quality_is_not_measured_never_assumed(self, wattleak: CommandLine, little: str) -> None:
        document = wattleak.document("compare", little, little, "--blocks", "2")

        assert document["quality"]["state"] == "not_measured"


class TestDryRun:
    def test_it_prints_the_order_and_runs_nothing(self, wattleak: CommandLine) -> None:
        touch = program(wattleak, "touch.py", "open('ran', 'w')")
        done = wattleak("compare", touch, touch, "--blocks", "6", "--dry-run")

        assert done.returncode == 0
        assert "block 6" in done.stdout
        assert "not known" in done.stdout
        assert not (wattleak.folder / "ran").exists()

    def test_what_ran_before_tells_what_to_expect(self, wattleak: CommandLine, little: str) -> None:
        seconds = [wattleak.document("measure", "--", *little.split())["duration_s"] for _ in range(3)]
        expected = wattleak.document("compare", little, little, "--blocks", "9", "--warmups", "1", "--dry-run")[
            "expected"
        ]

        assert expected["duration_s"] == pytest.approx(20 * sorted(seconds)[1])
        assert expected["attributed_energy_j"] > 0

    @pytest.mark.parametrize(("variants", "needed"), [(2, 6), (3, 7)])
    def test_a_plan_that_can_never_reach_its_level_is_refused(
        self, wattleak: CommandLine, variants: int, needed: int
    ) -> None:
        """Two sign flips of n blocks each: the smallest p is 2 / 2^n, and it must not exceed 0.05 / candidates."""
        assert 2 / 2**needed <= 0.05 / (variants - 1) < 2 / 2 ** (needed - 1)
        refused = wattleak("compare", *["true"] * variants, "--blocks", str(needed - 1), "--dry-run")
        accepted = wattleak("compare", *["true"] * variants, "--blocks", str(needed), "--dry-run")

        assert refused.returncode == 2
        assert f"--blocks {needed}" in refused.stderr
        assert accepted.returncode == 0


class TestExitCodes:
    def test_done_is_0_whatever_the_verdict(self, wattleak: CommandLine, little: str, much: str) -> None:
        assert wattleak("compare", little, much, "--blocks", "6", "-q").returncode == 0

    def test_require(self, wattleak: CommandLine, little: str, much: str) -> None:
        assert wattleak("compare", much, little, "--blocks", "6", "-q", "--require", "saving").returncode == 0
        assert wattleak("compare", little, much, "--blocks", "6", "-q", "--require", "not-worse").returncode == 1
        assert wattleak("compare", little, much, "--blocks", "2", "-q", "--require", "saving").returncode == 4

    @pytest.mark.parametrize(
        ("words", "code", "says"),
        [
            (("compare", "true"), 2, "two commands"),
            (("compare", "true", "no-such-command"), 127, "no-such-command"),
            (("compare", "true", "'unclosed"), 2, "quotes"),
            (("compare", "true", "true", "--blocks", "many"), 2, "blocks"),
            (("compare", "true", "true", "--blocks", "0"), 2, "blocks"),
            (("compare", "true", "true", "--metric", "happiness"), 2, "cpu_s"),
            (("compare", "true", "true", "--quality", "zest"), 2, "zest"),
            (("compare", "true", "true", "--quality-regex", "("), 2, "regular expression"),
            (("compare", "--variant", "x=true", "--variant", "x=false"), 2, "same name"),
            (("compare", "true", "true", "--env", "C:X=1"), 2, "--env"),
            (("compare", "--resume", "ffffffff"), 2, "wattleak list"),
        ],
    )
    def test_wrong_usage(self, wattleak: CommandLine, words: tuple[str, ...], code: int, says: str) -> None:
        done = wattleak(*words)

        assert done.returncode == code, done.stderr
        assert says in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_variant_that_fails_stops_the_experiment_and_says_which(self, wattleak: CommandLine, little: str) -> None:
        broken = program(wattleak, "broken.py", "raise SystemExit('out of memory')")
        done = wattleak("compare", little, broken, "--blocks", "6")

        assert done.returncode == 3
        assert "variant B failed" in done.stderr
        assert "exit code 1" in done.stderr
        assert "out of memory" in done.stderr
        (experiment,) = wattleak.document("list")["experiments"]
        assert experiment["complete"] is False

    def test_a_run_that_fails_now_and_then_is_run_again_with_its_whole_block(
        self, wattleak: CommandLine, little: str
    ) -> None:
        third = "open('log', 'a').write('x')\nraise SystemExit(len(open('log').read()) == 3)"
        shaky = program(wattleak, "shaky.py", f"{LITTLE}\n{third}")
        document = wattleak.document("compare", little, shaky, "--blocks", "3")

        failed = [run for run in document["runs"] if run["failure"]]
        assert [run["failure"] for run in failed] == ["exit code 1"]
        assert set(variants_of(document).values()) == {1}
        assert len(variants_of(document)) == 6

    def test_a_run_that_takes_too_long_is_ended_with_all_its_children(self, wattleak: CommandLine, little: str) -> None:
        slow = program(
            wattleak,
            "slow.py",
            "import subprocess\np = subprocess.Popen(['sleep', '60']); open('child', 'w').write(str(p.pid)); p.wait()",
        )
        done = wattleak("compare", little, slow, "--blocks", "6", "--timeout", "1")

        assert done.returncode == 3
        assert "time-out" in done.stderr
        assert not is_running(int((wattleak.folder / "child").read_text()))


class TestResume:
    """Nothing finished is lost, nothing is counted twice, and the plan stays the plan."""

    def start(self, wattleak: CommandLine, blocks: int = 5) -> Any:
        slow = program(wattleak, "slow.py", "import time; time.sleep(0.15)\n" + LITTLE)
        return wattleak.start("compare", slow, slow, "--blocks", str(blocks), "--warmups", "1", "--seed", "11", "-q")

    def experiment(self, wattleak: CommandLine) -> dict[str, Any]:
        (experiment,) = wattleak.document("list")["experiments"]
        return experiment

    @pytest.mark.parametrize("delay_s", [0.2, 0.9, 1.7])
    @pytest.mark.parametrize("everything", [False, True], ids=["command-line", "everything"])
    def test_kill_at_some_moment_then_resume(self, wattleak: CommandLine, delay_s: float, everything: bool) -> None:
        process = self.start(wattleak)
        while not list(wattleak.folder.glob(".wattleak/experiments/*/plan.json")):
            time.sleep(0.02)
        time.sleep(delay_s)
        if everything:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
        time.sleep(0.3)
        experiment = self.experiment(wattleak)
        plan = json.loads((wattleak.folder / ".wattleak" / "experiments" / experiment["id"] / "plan.json").read_text())
        saved = {run["id"] for run in wattleak.document("list")["runs"] if run["complete"]}
        document = wattleak.document("compare", "--resume", experiment["id"])

        assert document["design"]["order"] == plan["order"]
        assert document["design"]["digest"] == plan["digest"]
        assert saved <= {run["id"] for run in wattleak.document("list")["runs"]}
        counted = variants_of(document)
        assert counted == {(block, variant): 1 for block in range(5) for variant in "AB"}
        assert document["metrics"]["cpu_s"]["blocks"] == 5
        assert self.experiment(wattleak)["complete"] is True

    def test_a_workload_that_outlived_both_is_ended_before_the_plan_goes_on(self, wattleak: CommandLine) -> None:
        endless = program(
            wattleak,
            "endless.py",
            "import os, time\nopen('pid', 'w').write(str(os.getpid()))\nif not os.path.exists('go'): time.sleep(60)",
        )
        process = wattleak.start("compare", endless, endless, "--blocks", "2", "-q")
        while not (wattleak.folder / "pid").exists() or not (wattleak.folder / "pid").read_text():
            time.sleep(0.05)
        pid = int((wattleak.folder / "pid").read_text())
        recorder = int(re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]
        process.kill()
        os.kill(recorder, signal.SIGKILL)
        process.wait()
        (wattleak.folder / "go").write_text("")
        wattleak.document("compare", "--resume", self.experiment(wattleak)["id"])

        assert not is_running(pid)

    def test_resuming_what_is_complete_runs_nothing_more(self, wattleak: CommandLine, little: str) -> None:
        first = wattleak.document("compare", little, little, "--blocks", "2")
        again = wattleak.document("compare", "--resume", first["experiment_id"])

        assert [run["run_id"] for run in again["runs"]] == [run["run_id"] for run in first["runs"]]

    def test_a_hidden_secret_must_be_given_again_and_must_match(self, wattleak: CommandLine, little: str) -> None:
        secret = f"{little} --token abc123secret"
        first = wattleak.document("compare", little, secret, "--blocks", "1", "--seed", "2")
        identity = first["experiment_id"]
        without = wattleak("compare", "--resume", identity)
        other = wattleak("compare", "--resume", identity, little, f"{little} --epochs 3")
        right = wattleak("compare", "--resume", identity, little, secret, "-q")

        assert (without.returncode, other.returncode, right.returncode) == (2, 2, 0)
        assert "secret" in without.stderr
        assert "abc123secret" not in json.dumps(first)


class TestStore:
    def test_several_writers_lose_nothing(self, wattleak: CommandLine) -> None:
        processes = [wattleak.start("measure", "-q", "--", "true") for _ in range(6)]
        for process in processes:
            process.wait(timeout=60)

        assert len(wattleak.document("list")["runs"]) == 6

    def test_a_store_of_a_newer_version_is_left_alone(self, wattleak: CommandLine) -> None:
        wattleak("measure", "-q", "--", "true")
        with sqlite3.connect(wattleak.folder / ".wattleak" / "wattleak.db") as database:
            database.execute("pragma user_version = 99")
        done = wattleak("list")

        assert done.returncode == 125
        assert "newer" in done.stderr

    def test_the_store_keeps_itself_out_of_version_control(self, wattleak: CommandLine) -> None:
        wattleak("measure", "-q", "--", "true")

        assert (wattleak.folder / ".wattleak" / ".gitignore").read_text() == "*\n"
