"""One declared difference: what is told of it, and what stops an experiment, with real programs and environments."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
import venv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

PYTHON = sys.executable
FEW = ("--blocks", "2", "--warmups", "0")


def flat(text: str) -> str:
    return " ".join(text.split())


def python_with(folder: Path, **packages: str) -> str:
    """A Python of its own; the packages are installed as far as their metadata goes."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for name, version in packages.items():
        (site / f"{name}-{version}.dist-info").mkdir()
    return str(folder / "bin" / "python")


class TestBetweenVariants:
    def test_the_difference_is_told_with_its_source(self, wattleak: CommandLine) -> None:
        (wattleak.folder / "model.py").write_text("LAYERS = 3\n")
        (wattleak.folder / "a.py").write_text("import model\nprint(1)\n")
        (wattleak.folder / "b.py").write_text("import model\nprint(2)\n")
        (wattleak.folder / "conf.yaml").write_text("api_key: abc123verysecret\nrate: 1\n")
        document = wattleak.document("compare", f"{PYTHON} a.py conf.yaml", f"THREADS=4 {PYTHON} b.py conf.yaml", *FEW)
        (difference,) = document["difference"]
        page = flat(wattleak("report", document["experiment_id"], "--format", "text").stdout)
        with sqlite3.connect(wattleak.folder / ".wattleak" / "wattleak.db") as database:
            (stored,) = database.execute("select document from provenance").fetchone()
        record = json.loads(stored)["variants"][0]

        assert difference["summary"] == [
            "command: a.py → b.py",
            "environment: THREADS not set → 4",
            "source: a.py → b.py (+1 −1 lines)",  # noqa: RUF001
        ]
        assert "-print(1)\n+print(2)" in difference["diff"]
        assert "differs command: a.py → b.py; environment: THREADS not set → 4" in page
        assert {Path(path).name for path in record["source"]} == {"a.py", "model.py"}
        assert list(record["config"]) == [str((wattleak.folder / "conf.yaml").resolve())]
        assert "abc123" not in stored

    def test_other_packages_behind_another_python_stop_it_before_the_first_run(self, wattleak: CommandLine) -> None:
        old = python_with(wattleak.folder / "old", numpy="1.26.4", only_here="1.0")
        new = python_with(wattleak.folder / "new", numpy="2.1.0")
        (wattleak.folder / "a.py").write_text("open('ran', 'w')\n")
        refused = wattleak("compare", f"{old} a.py", f"{new} a.py", *FEW)
        half = wattleak("compare", f"{old} a.py", f"{new} a.py", *FEW, "--declare", "packages:numpy")
        ran = (wattleak.folder / "ran").exists()
        declared = wattleak.document("compare", f"{old} a.py", f"{new} a.py", *FEW, "--declare", "packages")

        assert refused.returncode == 2
        assert "numpy 1.26.4 against 2.1.0" in refused.stderr
        assert "--declare packages" in refused.stderr
        assert half.returncode == 2
        assert "only-here 1.0 against none" in half.stderr
        assert "numpy" not in half.stderr
        assert not ran
        assert declared["design"]["declared"] == ["packages"]
        assert "-numpy==1.26.4\n" in declared["difference"][0]["diff"]

    def test_a_declaration_of_nothing_known_is_an_error(self, wattleak: CommandLine) -> None:
        done = wattleak("compare", "true", "false", "--declare", "package")

        assert done.returncode == 2
        assert "packages" in done.stderr


CHANGES = """
import os, sys, time
with open("runs", "a") as log: log.write("x")
if os.path.getsize("runs") == 3: open(sys.argv[2], "a").write("# more\\n")
"""


class TestWhileItRuns:
    @pytest.mark.parametrize(
        ("name", "kind"), [("helper.py", "source"), ("conf.yaml", "config"), ("images.bin", "data")]
    )
    def test_an_input_that_changes_stops_it_and_its_run_does_not_count(
        self, wattleak: CommandLine, name: str, kind: str
    ) -> None:
        """The third run changes a file behind the back of the experiment; putting it back lets the rest be run."""
        (wattleak.folder / "helper.py").write_text("A = 1\n")
        (wattleak.folder / "conf.yaml").write_text("a: 1\n")
        (wattleak.folder / "images.bin").write_text("0123")
        (wattleak.folder / "a.py").write_text("import helper\n" + CHANGES)
        before = (wattleak.folder / name).read_text()
        command = f"{PYTHON} a.py images.bin {name} conf.yaml"
        done = wattleak("compare", command, command, "--blocks", "3", "--warmups", "0", "--seed", "1")
        identity = wattleak.document("list")["experiments"][0]["id"]
        refused = wattleak("compare", "--resume", identity)
        (wattleak.folder / name).write_text(before)
        document = wattleak.document("compare", "--resume", identity)
        failed = [run for run in document["runs"] if run["failure"]]

        assert done.returncode == 3
        assert name in done.stderr
        assert f"--declare {kind}" in done.stderr
        assert refused.returncode == 2
        assert name in refused.stderr
        assert len(failed) == 1
        assert name in failed[0]["failure"]
        assert document["complete"] is True
        assert document["metrics"]["cpu_s"]["blocks"] == 3
        assert document["exploratory"] is False

    def test_a_file_that_is_only_touched_and_one_that_is_declared_go_through(self, wattleak: CommandLine) -> None:
        (wattleak.folder / "images.bin").write_text("0123")
        (wattleak.folder / "state.bin").write_text("0")
        (wattleak.folder / "a.py").write_text(
            "import os, sys\nos.utime('images.bin')\nopen('state.bin', 'w').write(os.environ['WATTLEAK_SEED'])\n"
        )
        command = f"{PYTHON} a.py images.bin state.bin"
        declared = wattleak("compare", command, command, *FEW, "--declare", "data:state.bin")
        undeclared = wattleak("compare", command, command, *FEW)

        assert declared.returncode == 0, declared.stderr
        assert undeclared.returncode == 3
        assert "images.bin" not in undeclared.stderr

    def test_what_options_say_is_written_may_be_written(self, wattleak: CommandLine) -> None:
        (wattleak.folder / "model.pt").write_text("old")
        (wattleak.folder / "a.py").write_text("import os\nopen('model.pt', 'w').write(os.environ['WATTLEAK_SEED'])\n")
        command = f"{PYTHON} a.py --output-path model.pt --log=model.pt"

        assert wattleak("compare", command, command, *FEW).returncode == 0

    def test_a_package_that_is_installed_meanwhile_stops_it(self, wattleak: CommandLine) -> None:
        python = python_with(wattleak.folder / "own", numpy="1.26.4")
        (site,) = (wattleak.folder / "own").glob("lib/python*/site-packages")
        (wattleak.folder / "a.py").write_text(f"import os; os.makedirs({str(site / 'tqdm-4.0.dist-info')!r})\n")
        done = wattleak("compare", f"{python} a.py", f"{python} a.py", *FEW)

        assert done.returncode == 3
        assert "package tqdm not installed → 4.0" in done.stderr


class TestResume:
    def begun(self, wattleak: CommandLine) -> str:
        """An experiment that was interrupted after its first block."""
        (wattleak.folder / "a.py").write_text(
            "import os, time\ntime.sleep(0 if os.path.exists('go') else 0.5)\nopen('ran', 'a').write('x')\n"
        )
        ran = wattleak.folder / "ran"
        process = wattleak.start("compare", f"{PYTHON} a.py", f"{PYTHON} a.py", "--blocks", "3", "--warmups", "0", "-q")
        while process.poll() is None and (not ran.exists() or len(ran.read_text()) < 3):
            time.sleep(0.02)
        process.kill()
        process.wait()
        (wattleak.folder / "go").write_text("")
        return str(wattleak.document("list")["experiments"][0]["id"])

    def test_another_environment_is_named_and_may_be_declared(self, wattleak: CommandLine) -> None:
        identity = self.begun(wattleak)
        refused = wattleak("compare", "--resume", identity, env={"MKL_DYNAMIC": "FALSE"})
        document = wattleak.document(
            "compare", "--resume", identity, "--declare", "environment:MKL_DYNAMIC", env={"MKL_DYNAMIC": "FALSE"}
        )
        again = wattleak("compare", "--resume", identity, env={"MKL_DYNAMIC": "FALSE"})

        assert refused.returncode == 2
        assert "environment variable MKL_DYNAMIC: not set → FALSE" in refused.stderr
        assert "declared on resuming: environment variable MKL_DYNAMIC: not set → FALSE" in document["notes"]
        assert again.returncode == 0

    def test_another_machine_setting_begins_another_session(self, wattleak: CommandLine) -> None:
        identity = self.begun(wattleak)
        document = wattleak.document("compare", "--resume", identity, env={"CUDA_VISIBLE_DEVICES": "3"})

        assert len({run["session"] for run in document["runs"]}) == 2


class TestDataOnDisk:
    def test_a_large_data_set_neither_delays_the_start_nor_goes_unwatched(self, wattleak: CommandLine) -> None:
        """40 GB as sparse files: to read them would take a minute. Their checksums wait; their size and time do not."""
        data = wattleak.folder / "data"
        data.mkdir()
        for number in range(4):
            with (data / f"{number}.bin").open("wb") as file:
                file.truncate(10 << 30)
        (data / "small.bin").write_text("0123")
        (wattleak.folder / "a.py").write_text("import os; os.utime('data/2.bin', (1, 1))\n")
        done = wattleak("compare", f"{PYTHON} a.py data", f"{PYTHON} a.py data", *FEW)
        with sqlite3.connect(wattleak.folder / ".wattleak" / "wattleak.db") as database:
            (stored,) = database.execute("select document from provenance").fetchone()
        marks = json.loads(stored)["variants"][0]["data"]
        known = {Path(path).name for path, mark in marks.items() if mark["sha256"]}

        assert len(marks) == 5
        assert "small.bin" in known
        assert "2.bin" not in known
        assert done.returncode == 3
        assert "2.bin" in done.stderr


def test_the_commit_and_its_state_are_recorded(wattleak: CommandLine) -> None:
    def git(*words: str) -> str:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        return subprocess.run(
            ["git", *identity, *words], cwd=wattleak.folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    (wattleak.folder / "a.py").write_text("print(1)\n")
    git("init", "-q")
    git("add", "a.py")
    git("commit", "-qm", "one")
    (wattleak.folder / "a.py").write_text("print(2)\n")
    wattleak.document("compare", f"{PYTHON} a.py", f"{PYTHON} a.py -v", *FEW)
    with sqlite3.connect(wattleak.folder / ".wattleak" / "wattleak.db") as database:
        (stored,) = database.execute("select document from provenance").fetchone()
    record = json.loads(stored)["variants"][0]

    assert record["commit"] == git("rev-parse", "HEAD")
    assert record["is_dirty"] is True


def test_two_commits_of_one_program_differ_by_their_source(wattleak: CommandLine) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *words], cwd=wattleak.folder, check=True, capture_output=True)

    (wattleak.folder / "same.py").write_text("ONE = 1\n")
    (wattleak.folder / "a.py").write_text("import same\nprint(1)\n")
    git("init", "-q")
    git("add", "a.py", "same.py")
    git("commit", "-qm", "one")
    (wattleak.folder / "a.py").write_text("import same\nprint(2)\n")
    document = wattleak.document("compare", "--against", "HEAD", *FEW, "--", PYTHON, "a.py")
    (difference,) = document["difference"]

    assert difference["summary"] == ["source: a.py → a.py (+1 −1 lines)"]  # noqa: RUF001
    assert "-print(1)\n+print(2)" in difference["diff"]


def test_a_store_of_before_is_taken_over_with_all_that_is_in_it(wattleak: CommandLine) -> None:
    """Version 2 had neither provenance nor checksums."""
    first = wattleak.document("compare", f"{PYTHON} -c 1", f"{PYTHON} -c 2", *FEW)
    with sqlite3.connect(wattleak.folder / ".wattleak" / "wattleak.db") as database:
        database.execute("drop table provenance")
        database.execute("drop table checksums")
        database.execute("pragma user_version = 2")
    again = wattleak.document("report", first["experiment_id"])
    with sqlite3.connect(wattleak.folder / ".wattleak" / "wattleak.db") as database:
        (version,) = database.execute("pragma user_version").fetchone()

    assert [run["run_id"] for run in again["runs"]] == [run["run_id"] for run in first["runs"]]
    assert version == 3
    assert wattleak("compare", "--resume", first["experiment_id"], "-q").returncode == 0
