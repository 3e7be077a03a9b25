"""`wattleak check` and `compare --against` as a pipeline meets them: real processes, a real git repository."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import brunnermunzel

if TYPE_CHECKING:
    from tests.conftest import CommandLine

PYTHON = sys.executable
WORK = "def work():\n    s = 0\n    for i in range({}): s += i * i\n"


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def burn(wattleak: CommandLine) -> list[str]:
    (wattleak.folder / "burn.py").write_text(WORK.format(300_000) + "work()\n")
    return [PYTHON, "burn.py"]


@pytest.fixture
def project(wattleak: CommandLine, tmp_path: Path) -> Path:
    """A project whose next commit does ten times the work, in a module and not in the script; temporaries beside it."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "train.py").write_text("import helper\nhelper.work()\n")
    (folder / "helper.py").write_text(WORK.format(200_000))
    (folder / ".gitignore").write_text("data/\n.wattleak/\n__pycache__/\n")
    (folder / "data" / "rows.txt").write_text("1 2 3\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "as it was")
    (tmp_path / "tmp").mkdir()
    wattleak.env["TMPDIR"] = str(tmp_path / "tmp")
    wattleak.folder = folder
    return folder


def as_it_stands(folder: Path) -> tuple[str, ...]:
    """What a user would notice of a checkout that was touched."""
    files = tuple(
        f"{path.relative_to(folder)} {path.read_text()}"
        for path in sorted(folder.rglob("*.py"))
        if ".wattleak" not in path.parts
    )
    status = git(folder, "status", "--porcelain"), git(folder, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    return (*files, *status, git(folder, "stash", "list"), git(folder, "worktree", "list"), git(folder, "branch", "-a"))


class TestBudgets:
    def test_each_budget_gets_one_line_and_the_worst_decides(self, wattleak: CommandLine, burn: list[str]) -> None:
        (wattleak.folder / "pyproject.toml").write_text(
            "[tool.wattleak.budgets]\ncpu = '10 min'\n[tool.wattleak.budgets.train]\npeak_memory = '1 KiB'\n"
        )

        kept = wattleak("check", "--", *burn)
        exceeded = wattleak("check", "--name", "train", "--", *burn)

        assert kept.returncode == 0, kept.stderr
        assert "budget cpu_s 10 min: kept" in kept.stdout
        assert "peak_memory" not in kept.stdout
        assert exceeded.returncode == 1
        assert "budget cpu_s 10 min: kept" in exceeded.stdout
        assert "budget peak_memory_b 1 KiB: exceeded" in exceeded.stdout
        assert "NOT MET: train" in exceeded.stdout

    def test_the_document_holds_the_interval_over_the_runs_of_the_store(
        self, wattleak: CommandLine, burn: list[str]
    ) -> None:
        document = wattleak.document("check", "--budget", "cpu=10 min", "--seed", "1", "--", *burn)
        identity = document["subject"].split()[1]
        stored = [
            run["cpu_s"] for run in wattleak.document("list", "--runs-of", identity)["runs"] if run.get("block", 0) >= 0
        ]
        (check,) = document["checks"]

        assert document["kind"] == "check"
        assert document["outcome"] == "met"
        assert document["exit_code"] == 0
        assert check["runs"] == len(stored) == 6
        assert (check["low"], check["high"]) == (pytest.approx(min(stored)), pytest.approx(max(stored)))
        assert check["origin"] == "counter"

        again = wattleak.document("check", identity, "--budget", "cpu=1 ms", code=1)
        assert again["checks"][0]["state"] == "exceeded"
        assert again["checks"][0]["value"] == check["value"]

    def test_too_few_runs_are_four_and_github_reads_it(self, wattleak: CommandLine, burn: list[str]) -> None:
        done = wattleak("check", "-n", "2", "--budget", "cpu=1 h", "--name", "a,b:c", "--format", "github", "--", *burn)

        assert done.returncode == 4
        (line,) = done.stdout.splitlines()
        assert line.startswith("::warning title=wattleak check%3A a%2Cb%3Ac::budget cpu_s 1 h: not enough runs to say")

    def test_nothing_trustworthy_is_three_and_the_reason_is_said(self, wattleak: CommandLine, burn: list[str]) -> None:
        fails = wattleak("check", "--budget", "cpu=1 h", "--", PYTHON, "-c", "raise SystemExit(7)")
        unread = wattleak("check", "--budget", "gpu_energy=1 MJ", "--meters", "cpu-model", "--", *burn)

        assert (fails.returncode, unread.returncode) == (3, 3)
        assert "exit code 7" in fails.stdout
        assert "gpu_energy_j was read in 0 of 6 runs" in unread.stdout

    def test_modelled_joules_are_judged_with_their_whole_range(self, wattleak: CommandLine, burn: list[str]) -> None:
        """One that lies between what the runs show and what may be true cannot be judged."""
        wide = wattleak.document("check", "--meters", "cpu-model", "--budget", "energy=1 MJ", "--", *burn)
        (check,) = wide["checks"]
        identity = wide["subject"].split()[1]
        between = (check["value"] + check["high"]) / 2
        unsure = wattleak.document("check", identity, "--budget", f"energy_j={between}", code=None)

        assert check["origin"] == "modelled"
        assert "whole range" in check["reason"]
        assert check["high"] > 1.5 * check["value"]
        assert unsure["exit_code"] in {3, 4}

    @pytest.mark.parametrize(
        ("table", "words"),
        [
            ("cpuu = '3 s'", "did you mean cpu?"),
            ("energy = '3 kj'", "did you mean kJ?"),
            ("energy = 3", "energy_j = 3"),
        ],
    )
    def test_a_misspelt_budget_stops_everything(self, wattleak: CommandLine, table: str, words: str) -> None:
        (wattleak.folder / "pyproject.toml").write_text(f"[tool.wattleak.budgets]\n{table}\n")

        done = wattleak("check", "--", PYTHON, "-c", "open('ran', 'w')")

        assert done.returncode == 2
        assert words in done.stderr
        assert not (wattleak.folder / "ran").exists()

    def test_nothing_to_check_is_an_error_not_a_success(self, wattleak: CommandLine, burn: list[str]) -> None:
        done = wattleak("check", "--", *burn)

        assert done.returncode == 2
        assert "[tool.wattleak.budgets]" in done.stderr


class TestAgainstACommit:
    def test_code_that_costs_more_than_main_fails_the_gate(self, wattleak: CommandLine, project: Path) -> None:
        """The change is not committed, and sits in a module that both commands import."""
        (project / "helper.py").write_text(WORK.format(2_000_000))
        before = as_it_stands(project)

        done = wattleak.document(
            "check", "--against", "main", "--metric", "cpu_s", "--link", "data", "--", PYTHON, "train.py", code=1
        )
        (check,) = done["checks"]

        assert check["kind"] == "regression"
        assert check["comparison"]["verdict"] == "costs_more"
        assert (check["comparison"]["reference"], check["comparison"]["candidate"]) == ("main", "working-tree")
        assert as_it_stands(project) == before
        assert list(Path(wattleak.env["TMPDIR"]).glob("wattleak-worktree-*")) == []

        identity = done["subject"].split()[1]
        stricter = wattleak.document("check", identity, "--require-grade", "confirmed", code=4)
        assert "it takes more sessions" in stricter["checks"][0]["reason"]

    def test_each_side_runs_in_its_own_folder_with_the_data_that_is_linked(
        self, wattleak: CommandLine, project: Path
    ) -> None:
        (project / "sub").mkdir()
        (project / "sub" / "show.py").write_text(
            "import os, sys\nassert open('../data/rows.txt').read() == '1 2 3\\n'\n"
            "first = open('../helper.py').read().split()[0]\n"
            "open(os.environ['LOG'], 'a').write(os.getcwd() + ' ' + first + '\\n')\n"
        )
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", "a folder")
        (project / "helper.py").write_text("VERSION = 2\n")
        wattleak.folder = project / "sub"
        log = project.parent / "log"

        without = wattleak("compare", "--against", "HEAD", "-n", "1", "--", PYTHON, "show.py", env={"LOG": str(log)})
        log.unlink(missing_ok=True)
        once = ("compare", "--against", "HEAD", "-n", "1", "--warmups", "0")
        done = wattleak(*once, "--link", "../data", "--", PYTHON, "show.py", env={"LOG": str(log)})

        assert without.returncode == 3
        assert "data" in without.stderr
        assert done.returncode == 0, done.stderr
        ran = {tuple(line.split()) for line in log.read_text().splitlines()}
        assert (str(project / "sub"), "VERSION") in ran
        ((other, first),) = ran - {(str(project / "sub"), "VERSION")}
        assert first == "def"
        assert other.endswith("/tree/sub")

    def test_a_quality_that_is_asked_for_is_judged_too(self, wattleak: CommandLine, project: Path) -> None:
        (project / "score.py").write_text("print('WATTLEAK {\"accuracy\": 0.9}')\n")
        git(project, "add", "-A")
        git(project, "commit", "-q", "-m", "scores")
        (project / "score.py").write_text("print('WATTLEAK {\"accuracy\": 0.5}')\n")
        git(project, "commit", "-q", "-am", "scores less")
        against = ("check", "--against", "HEAD~1", "--smallest-effect", "50%", "--json")

        unasked = wattleak(*against, "--", PYTHON, "score.py")
        asked = wattleak(*against, "--quality", "accuracy:max:0.01", "--", PYTHON, "score.py")
        unknown = wattleak(*against, "--quality", "auc", "--", PYTHON, "score.py")

        assert [check["kind"] for check in json.loads(unasked.stdout)["checks"]] == ["regression"]
        assert asked.returncode == 1
        (_, judged) = json.loads(asked.stdout)["checks"]
        assert (judged["kind"], judged["outcome"], judged["quality"]["state"]) == ("quality", "not_met", "worse")
        assert "0.9" in judged["reason"]
        assert unknown.returncode == 3, unknown.stdout

    def test_an_unchanged_checkout_has_nothing_to_compare(self, wattleak: CommandLine, project: Path) -> None:
        done = wattleak("compare", "--against", "main", "--", PYTHON, "train.py")

        assert done.returncode == 2
        assert "nothing differs" in done.stderr

    def test_a_name_that_is_nothing_is_refused(self, wattleak: CommandLine, project: Path) -> None:
        for reference in ("no-such-branch", "--help", "git:0000000", "id:abcd", "name:nightly"):
            done = wattleak("compare", f"--against={reference}", "--", PYTHON, "train.py")
            assert done.returncode == 2, reference
            assert "try:" in done.stderr

    def test_what_a_killed_experiment_left_is_removed_by_the_next(self, wattleak: CommandLine, project: Path) -> None:
        (project / "helper.py").write_text("import time\ndef work():\n    time.sleep(0.2)\n")
        before = as_it_stands(project)
        temporary = Path(wattleak.env["TMPDIR"])
        process = wattleak.start("compare", "--against", "main", "-n", "30", "--", PYTHON, "train.py")
        until = time.monotonic() + 60
        while not list((project / ".wattleak" / "runs").glob("*/journal.jsonl")):
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        left = list(temporary.glob("wattleak-worktree-*"))

        wattleak("compare", "--against", "main", "-n", "1", "--warmups", "0", "--", PYTHON, "train.py")

        assert len(left) == 1
        assert list(temporary.glob("wattleak-worktree-*")) == []
        assert as_it_stands(project) == before

    def test_an_experiment_that_was_killed_goes_on_with_the_same_commit(
        self, wattleak: CommandLine, project: Path
    ) -> None:
        """main moves on in the meantime; the experiment does not."""
        (project / "helper.py").write_text(WORK.format(100_000) + "import time\ntime.sleep(0.2)\n")
        commit = git(project, "rev-parse", "HEAD").strip()
        process = wattleak.start("compare", "--against", "main", "-n", "3", "--", PYTHON, "train.py")
        until = time.monotonic() + 60
        while len(list((project / ".wattleak" / "runs").glob("*/journal.jsonl"))) < 3:
            assert time.monotonic() < until
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        (identity,) = [path.name for path in (project / ".wattleak" / "experiments").iterdir()]
        (project / "other.txt").write_text("x")
        git(project, "add", "other.txt")
        git(project, "commit", "-q", "-m", "main moves")

        document = wattleak.document("compare", "--resume", identity)

        variants = document["design"]["variants"]
        assert [variant.get("commit") for variant in variants] == [commit, None]
        assert document["experiment_id"] == identity
        assert sum(run["failure"] is None for run in document["runs"]) >= 6


class TestAgainstStoredRuns:
    def test_runs_of_now_against_runs_of_before(self, wattleak: CommandLine, burn: list[str]) -> None:
        first = wattleak.document("check", "--budget", "cpu=1 h", "--", *burn)
        identity = first["subject"].split()[1]
        (wattleak.folder / "burn.py").write_text(WORK.format(3_000_000) + "work()\n")

        document = wattleak.document("compare", "--against", identity, "-n", "5", "--metric", "cpu_s", "--", *burn)
        stored = [
            run["cpu_s"] for run in wattleak.document("list", "--runs-of", identity)["runs"] if run.get("block", 0) >= 0
        ]
        now = [run["cpu_s"] for run in document["runs"] if run["variant"] == "working-tree"]

        assert document["verdict"] == "costs_more"
        assert document["grade"] == "observed"
        assert len(now) == 5
        assert any("never graded above observed" in doubt for doubt in document["doubts"])
        overlap = max(stored) >= min(now)
        p = (
            brunnermunzel(np.log(stored), np.log(now)).pvalue if overlap else 2 / 462
        )  # 2 / C(11, 5): complete separation
        assert document["metrics"]["cpu_s"]["p_value"] == pytest.approx(p)

        told = wattleak("report", document["experiment_id"], "--format", "text")
        assert "COSTS MORE  [observed]" in told.stdout
        assert "sign-flip" not in told.stdout  # there were no blocks

        gate = wattleak("check", document["experiment_id"])
        assert gate.returncode == 1

    def test_runs_of_measure_by_their_name(self, wattleak: CommandLine, burn: list[str]) -> None:
        for _ in range(4):
            assert wattleak("measure", "--name", "nightly", "--", *burn).returncode == 0

        document = wattleak.document("compare", "--against", "name:nightly", "-n", "4", "--", *burn)

        assert document["reference"] == "nightly"
        assert document["metrics"]["cpu_s"]["low"] is not None
        assert document["grade"] == "observed"

    def test_an_experiment_of_several_variants_must_say_which(self, wattleak: CommandLine, burn: list[str]) -> None:
        command = " ".join(burn)
        made = wattleak.document(
            *("compare", "--variant", f"a={command}", "--variant", f"b={command} x", "-n", "1", "--warmups", "0")
        )

        unsure = wattleak("compare", "--against", made["experiment_id"], "--", PYTHON, "burn.py", "y")
        told = wattleak.document(
            "compare", "--against", f"{made['experiment_id']}:b", "-n", "1", "--", PYTHON, "burn.py", "y"
        )

        assert unsure.returncode == 2
        assert f"{made['experiment_id']}:a" in unsure.stderr
        assert told["reference"].startswith("b-of-")
        assert told["verdict"] == "not_enough_runs"


class TestTrend:
    def test_sessions_of_a_job_and_their_change_point(self, wattleak: CommandLine, burn: list[str]) -> None:
        """Real runs, moved to one day each in the journals of a copy of the store: nobody waits twelve days."""
        wattleak.document("measure", "--name", "nightly", "--", *burn)
        template = next((wattleak.folder / ".wattleak" / "runs").iterdir())
        database = sqlite3.connect(wattleak.folder / ".wattleak" / "wattleak.db")
        (text,) = database.execute("select document from runs where id = ?", (template.name,)).fetchone()
        for day, cpu_s in enumerate((1.00, 1.02, 0.99, 1.01, 1.0, 0.98, 1.30, 1.32, 1.29, 1.31, 1.3, 1.28)):
            document = {**json.loads(text), "cpu_s": cpu_s, "started_at": f"2026-10-{day + 1:02}T03:00:00+00:00"}
            document["run_id"] = document["id"] = f"{day:08x}"
            database.execute(
                "insert into runs (id, started_at, complete, document) values (?, ?, 1, ?)",
                (f"{day:08x}", document["started_at"], json.dumps(document)),
            )
        database.execute("delete from runs where id = ?", (template.name,))
        database.commit()
        (template / "journal.jsonl").unlink()

        document = wattleak.document("list", "--trend", "nightly", "--metric", "cpu_s")
        chart = wattleak("list", "--trend", "nightly", "--metric", "cpu_s").stdout
        (series,) = document["series"]
        (change,) = series["change_points"]

        assert len(series["sessions"]) == 12
        assert change["started_at"].startswith("2026-10-07")
        assert change["change"] == pytest.approx(0.3, abs=0.02)
        assert chart.count("2026-10-") == 13  # a line each, and the summary
        assert "change point: +30" in chart

    def test_runs_of_one_hour_are_one_session(self, wattleak: CommandLine, burn: list[str]) -> None:
        for _ in range(2):
            wattleak.document("check", "-n", "2", "--name", "train", "--budget", "cpu=1 h", "--", *burn, code=4)

        document = wattleak.document("list", "--trend", "train")

        ((session,),) = [series["sessions"] for series in document["series"]]
        assert len(session["runs"]) == 4
        assert document["series"][0]["change_points"] is None

    def test_a_name_that_nothing_has_is_an_error_with_the_nearest(self, wattleak: CommandLine, burn: list[str]) -> None:
        wattleak("measure", "--name", "nightly", "--", *burn)

        done = wattleak("list", "--trend", "nightli")

        assert done.returncode == 2
        assert "did you mean 'nightly'?" in done.stderr
