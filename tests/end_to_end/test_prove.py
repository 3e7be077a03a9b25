"""`wattleak prove`: from a script of a user's, of several files, to a verdict for every fix."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

# -- a training script as somebody may have written it ----------------------------------------------------------------

TRAIN = '''"""Tell two kinds of blobs apart."""
import argparse
import json
import os

import torch
from torch import nn

from blobs.data import batches
from blobs.runtime import set_up

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=1)
arguments = parser.parse_args()

set_up()
torch.manual_seed(int(os.environ.get("WATTLEAK_SEED", "0")))
model = nn.Sequential(
    *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
    *(nn.Flatten(), nn.Linear(16 * 14 * 14, 2)),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(arguments.epochs):
    for images, labels in batches(5):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
with torch.no_grad():
    right = total = 0
    for images, labels in batches(1):
        right += int((model(images).argmax(1) == labels).sum())
        total += len(labels)
print("WATTLEAK " + json.dumps({"accuracy": right / total}))
'''
DATA = """import torch


def batches(count):
    for _ in range(count):
        labels = torch.randint(0, 2, (64,))
        images = torch.randn(64, 1, 28, 28)
        images[:, :, 8:20, 8:20] += labels.view(-1, 1, 1, 1) * 2.0
        yield images, labels
"""
SMELLY = """import torch


def set_up():
    torch.set_num_threads(64)  # all cores of the server
"""
CLEAN = """import os

import torch


def set_up():
    torch.set_num_threads(len(os.sched_getaffinity(0)))
"""


def training_project(folder: Path, runtime: str) -> None:
    (folder / "blobs").mkdir(parents=True)
    (folder / "pyproject.toml").write_text('[project]\nname = "blobs"\nversion = "1"\n')
    (folder / "train.py").write_text(TRAIN)
    (folder / "blobs" / "__init__.py").write_text("")
    (folder / "blobs" / "data.py").write_text(DATA)
    (folder / "blobs" / "runtime.py").write_text(runtime)
    (folder / "unrelated.py").write_text("import torch\ntorch.set_num_threads(512)\n")


@pytest.mark.torch
class TestATraining:
    def test_the_planted_smell_is_found_fixed_and_worth_its_saving(self, wattleak: CommandLine) -> None:
        training_project(wattleak.folder, SMELLY)
        document = wattleak.document(
            *("prove", "train.py", "--runs", "6", "--warmups", "0", "--quality", "accuracy:max:0.05"),
            *("--runs-per-year", "1000", "--region", "DE", "--", "--epochs", "1"),
        )
        (finding,) = document["findings"]
        (fix,) = document["fixes"]
        (verdict,) = document["per_finding"]
        energy, carbon = document["yearly"]["energy_kwh"], document["yearly"]["carbon_kg"]

        assert document["kind"] == "prove"
        assert (finding["code"], finding["path"], finding["line"]) == ("PAR001", "blobs/runtime.py", 5)
        assert "-    torch.set_num_threads(64)" in fix["diff"]
        assert not fix["never_imported"]
        assert document["verdict"] == verdict["verdict"] == "saving"
        assert verdict["change"] < verdict["high"] < -0.02
        assert document["quality"]["state"] in {"identical", "equivalent", "better"}
        assert [item["summary"] for item in document["difference"]] == [
            ["source: blobs/runtime.py → blobs/runtime.py (+2 −1 lines)"]  # noqa: RUF001
        ]
        assert energy["origin"] == document["metrics"]["attributed_energy_j"]["origin"]
        assert 0 < energy["low"] < energy["value"] < energy["high"]
        assert carbon["region"] == "DE"
        assert 0 < carbon["low"] < carbon["value"] < carbon["high"]
        assert (wattleak.folder / "blobs" / "runtime.py").read_text() == SMELLY
        assert not (wattleak.folder / "blobs" / "__pycache__").exists()

    def test_a_clean_script_has_nothing_to_prove(self, wattleak: CommandLine) -> None:
        training_project(wattleak.folder, CLEAN)
        done = wattleak("prove", "train.py")
        document = wattleak.document("prove", "train.py")

        assert done.returncode == 0
        assert "train.py and 3 files that it imports: nothing was found, there is nothing to prove." in done.stdout
        assert (document["findings"], document["fixes"], document["yearly"]) == ([], [], None)
        assert not (wattleak.folder / ".wattleak").exists()


# -- programs without a framework: their work depends on the variables that PAR001 looks at ----------------------------

HELPER = """import os

os.environ["OMP_NUM_THREADS"] = "64"


def work(rounds):
    for _ in range(rounds * int(os.environ["OMP_NUM_THREADS"])):
        sum(range(2000))
"""
PROGRAM = """import json
import sys

from helper import work

work(int(sys.argv[1]))
print("WATTLEAK " + json.dumps({"accuracy": 0.9}))
"""
FEW = ("--runs", "6", "--warmups", "0", "--quality", "accuracy:max:0.01")
ONE = ("--runs", "1", "--warmups", "0")


def small_project(folder: Path, program: str = PROGRAM, helper: str = HELPER) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "train.py").write_text(program)
    (folder / "helper.py").write_text(helper)


def flat(text: str) -> str:
    return " ".join(text.split())


class TestFindings:
    def test_every_finding_has_a_verdict_and_so_have_all_together(self, wattleak: CommandLine) -> None:
        """The second variable costs nothing here: its fix alone is no saving."""
        second = 'import os\n\nos.environ["MKL_NUM_THREADS"] = "96"\n'
        small_project(wattleak.folder, "import second\n" + PROGRAM)
        (wattleak.folder / "second.py").write_text(second)
        done = wattleak(
            *("prove", "train.py", "--runs", "8", "--warmups", "0", "--seed", "1", "--runs-per-year", "1e6"),
            *("--metric", "cpu_s", "--", "100"),
        )
        identity = wattleak.document("list")["experiments"][0]["id"]
        document = wattleak.document("prove", "--resume", identity)
        by_name = {pair["candidate"]: pair["verdict"] for pair in document["comparisons"]}
        of_finding = {item["finding"]: item for item in document["per_finding"]}
        where = {finding["number"]: finding["path"] for finding in document["findings"]}
        costly, idle = (next(n for n, path in where.items() if path == name) for name in ("helper.py", "second.py"))

        assert done.returncode == 0, done.stderr
        assert set(by_name) == {"fixed", "fix-1", "fix-2"}
        assert by_name["fixed"] == by_name[f"fix-{costly}"] == "saving"
        assert by_name[f"fix-{idle}"] != "saving"
        assert of_finding[costly]["verdict"] == "saving"
        assert f"[{costly}] PAR001 at helper.py:3" in flat(done.stdout)
        assert f"[{idle}] PAR001 at second.py:3" in flat(done.stdout)
        assert '-os.environ["OMP_NUM_THREADS"] = "64"' in done.stdout
        assert "yearly no saving is claimed: the verdict is not SAVING" in flat(done.stdout)
        assert "1,000,000 runs save" in flat(done.stdout)
        assert "wattleak scan helper.py second.py --select PAR001 --fix --unsafe-fixes" in flat(done.stdout) or (
            "wattleak scan second.py helper.py --select PAR001 --fix --unsafe-fixes" in flat(done.stdout)
        )

    def test_all_together_only(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, "import os\nos.environ['MKL_NUM_THREADS'] = '96'\n" + PROGRAM)
        document = wattleak.document("prove", "train.py", *ONE, "--together", "--", "1")

        assert [variant["name"] for variant in document["design"]["variants"]] == ["original", "fixed"]
        assert document["fixes"][0]["findings"] == [1, 2]
        assert document["per_finding"] == []

    def test_a_finding_without_a_fix_is_named_with_its_remedy(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, "import os\nos.environ['MKL_NUM_THREADS'] = (n := '96')\n" + PROGRAM)
        mixed = wattleak("prove", "train.py", "--dry-run", "--", "1")
        (wattleak.folder / "helper.py").write_text("def work(rounds): pass\n")
        alone = wattleak("prove", "train.py", "--", "1")
        document = wattleak.document("prove", "train.py", "--", "1", code=1)

        assert "2 findings, 1 fix to prove" in mixed.stdout
        assert "not tried: it has no fix that can be made for you" in mixed.stdout
        assert alone.returncode == 1
        assert "1 finding, and no fix to prove" in alone.stdout
        assert "wattleak explain PAR001" in alone.stdout
        assert "wattleak explain PAR001" in document["findings"][0]["remedy"]

    def test_unsafe_fixes_can_be_left_out_and_it_says_why(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder)
        done = wattleak("prove", "train.py", "--safe-fixes", "--", "1")

        assert done.returncode == 1
        assert "not tried: its fix is unsafe (the number may be right" in done.stdout
        assert "leave --safe-fixes out" in done.stdout

    def test_only_what_the_script_imports_is_its_own(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder)
        (wattleak.folder / "other.py").write_text('import os\nos.environ["OMP_NUM_THREADS"] = "512"\n')
        (wattleak.folder / "run.sh").write_text("export OMP_NUM_THREADS=512\n")
        document = wattleak.document("prove", "train.py", "--dry-run", "--", "1")

        assert [finding["path"] for finding in document["findings"]] == ["helper.py"]
        assert document["files"] == 2

    def test_no_saving_is_told_from_too_few_runs(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder)
        document = wattleak.document("prove", "train.py", *ONE, "--runs-per-year", "100", "--", "10")

        assert document["verdict"] == "not_enough_runs"
        assert document["yearly"] == {"energy_kwh": None, "carbon_kg": None, "why_none": "the verdict is not SAVING"}

    def test_code_is_not_run_by_the_scan(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, "open('ran', 'w')\n" + PROGRAM)
        wattleak("prove", "train.py", "--dry-run", "--", "1")

        assert not (wattleak.folder / "ran").exists()


class TestDryRun:
    def test_it_shows_findings_fixes_and_plan_and_makes_nothing(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder)
        done = wattleak("prove", "train.py", "--dry-run", "--", "1")
        document = wattleak.document("prove", "train.py", "--dry-run", "--seed", "3", "--", "1")

        assert done.returncode == 0, done.stderr
        assert "PAR001 unnecessary-parallelism  helper.py:3:33" in done.stdout
        assert '+os.environ["OMP_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))' in done.stdout
        assert "2 variants x 20 blocks + 1 warm-up = 42 runs" in done.stdout
        assert "each variant runs in a copy of" in done.stderr
        assert document["kind"] == "dry_run"
        assert document["findings"][0]["code"] == "PAR001"
        assert document["design"]["seed"] == 3
        assert not (wattleak.folder / ".wattleak" / "copies").exists()


class TestWhatTheScriptSees:
    PRINTS = """
import os
print(os.getcwd(), __file__, open("data/x.txt").read())
open("out.txt", "w").write("mine")
"""

    def test_started_in_the_project_it_has_its_files_and_writes_into_its_copy(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, PROGRAM.replace("sys.argv[1]", "1") + self.PRINTS)
        (wattleak.folder / "data").mkdir()
        (wattleak.folder / "data" / "x.txt").write_text("content")
        document = wattleak.document("prove", "train.py", *ONE)
        folders = [variant["folder"] for variant in document["design"]["variants"]]

        assert document["failed_runs"] == []
        assert [Path(folder, "out.txt").read_text() for folder in folders] == ["mine", "mine"]
        assert len({len(folder) for folder in folders}) == 1
        assert not (wattleak.folder / "out.txt").exists()

    @pytest.mark.parametrize("where", ["above", "beside"])
    def test_started_elsewhere_it_sees_the_files_of_there(self, wattleak: CommandLine, where: str) -> None:
        project = wattleak.folder / "sub" / "project"
        project.parent.mkdir()
        small_project(project, PROGRAM.replace("sys.argv[1]", "1") + self.PRINTS)
        start = wattleak.folder if where == "above" else wattleak.folder / "elsewhere"
        (start / "data").mkdir(parents=True)
        (start / "data" / "x.txt").write_text("content of there")
        wattleak.folder = start
        document = wattleak.document("prove", os.path.relpath(project / "train.py", start), *ONE)
        texts = [(Path(run["journal"]).parent / "stdout.txt").read_text() for run in document["runs"]]

        assert document["failed_runs"] == []
        assert all("content of there" in text for text in texts)
        assert all(".wattleak/copies" in text.splitlines()[1].split()[1] for text in texts)
        assert not document["fixes"][0]["never_imported"]
        assert document["difference"][0]["diff"].count('-os.environ["OMP_NUM_THREADS"] = "64"') == 1
        assert not (start / "out.txt").exists()

    def test_a_path_out_of_the_project_leads_where_it_led(self, wattleak: CommandLine) -> None:
        project = wattleak.folder / "project"
        small_project(project, PROGRAM.replace("sys.argv[1]", "1") + "\nprint(open(sys.argv[1][7:]).read())\n")
        (project / "pyproject.toml").write_text("")
        (wattleak.folder / "far.txt").write_text("from far")
        wattleak.folder = project
        document = wattleak.document("prove", "train.py", *ONE, "--", "--from=../far.txt")
        texts = [(Path(run["journal"]).parent / "stdout.txt").read_text() for run in document["runs"]]

        assert document["failed_runs"] == []
        assert all("from far" in text for text in texts)

    def test_modules_on_the_search_path_are_those_of_the_copy(self, wattleak: CommandLine) -> None:
        """As after `pip install -e`: Python would find the original wherever it runs."""
        small_project(wattleak.folder, PROGRAM + "import helper\nprint(helper.__file__)\n")
        (wattleak.folder / "src").mkdir()
        (wattleak.folder / "helper.py").rename(wattleak.folder / "src" / "helper.py")
        (wattleak.folder / "pyproject.toml").write_text("")
        wattleak.env["PYTHONPATH"] = str(wattleak.folder / "src")
        document = wattleak.document("prove", "train.py", *ONE, "--", "1")
        run = next(run for run in document["runs"] if run["variant"] == "fixed")
        (fixed,) = (variant for variant in document["design"]["variants"] if variant["name"] == "fixed")
        printed = (Path(run["journal"]).parent / "stdout.txt").read_text()

        assert f"{fixed['folder']}/src/helper.py" in printed
        assert not document["fixes"][0]["never_imported"]

    def test_an_empty_word_of_the_search_path_is_the_folder_of_the_copy(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, PROGRAM + "import helper\nprint(helper.__file__)\n")
        (wattleak.folder / "jobs").mkdir()
        (wattleak.folder / "train.py").rename(wattleak.folder / "jobs" / "train.py")
        (wattleak.folder / "pyproject.toml").write_text("")
        (wattleak.folder / "src").mkdir()
        wattleak.env["PYTHONPATH"] = f"{wattleak.folder}/src:"  # as `export PYTHONPATH=$PWD/src:$PYTHONPATH` leaves it
        document = wattleak.document("prove", "jobs/train.py", *ONE, "--", "1")
        run = next(run for run in document["runs"] if run["variant"] == "fixed")
        (fixed,) = (variant for variant in document["design"]["variants"] if variant["name"] == "fixed")
        printed = (Path(run["journal"]).parent / "stdout.txt").read_text()

        assert document["failed_runs"] == []
        assert f"{fixed['folder']}/helper.py" in printed

    def test_a_fix_that_no_run_imported_is_doubted(self, wattleak: CommandLine) -> None:
        program = PROGRAM.replace("from helper import work", "def work(n): pass\nif n_never:\n    import helper")
        small_project(wattleak.folder, "n_never = False\n" + program)
        wattleak.env["PYTHONDONTWRITEBYTECODE"] = ""
        document = wattleak.document("prove", "train.py", *ONE, "--", "1")
        page = flat(wattleak("prove", "--resume", document["experiment_id"]).stdout)

        assert document["fixes"][0]["never_imported"] == ["helper.py"]
        assert "helper.py was never imported from the copy: its fix had no part in these runs" in page

    def test_a_run_that_goes_on_from_another_stops_it(self, wattleak: CommandLine) -> None:
        goes_on = 'from pathlib import Path\np = Path("ckpt.txt")\nif p.exists(): p.read_text()\np.write_text("1")\n'
        small_project(wattleak.folder, goes_on + PROGRAM)
        done = wattleak("prove", "train.py", "--runs", "3", "--warmups", "0", "--", "1")
        shared = wattleak("prove", "train.py", "--runs", "2", "--warmups", "0", "--shared", "ckpt.txt", "--", "1")

        assert done.returncode == 3
        assert "ckpt.txt" in done.stderr
        assert shared.returncode == 0, shared.stderr


class TestErrors:
    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("gone.py", None, "there is no script gone.py"),
            ("blob.py", b"\x7fELF\0\0", "blob.py:1: is binary data, not Python source"),
            ("blob", b"\x7fELF\0\0", "blob is not a Python script"),
            ("train.sh", b"#!/bin/sh\nexport OMP_NUM_THREADS=64\n", "train.sh is not a Python script"),
            ("broken.py", b"def f(:\n", "broken.py:1: does not parse"),
            ("latin.py", b"x = '\xe9'\n", "latin.py:1: is not utf-8 text"),
            ("book.ipynb", b"{}", "book.ipynb is a notebook"),
            ("folder.py", "a folder", "folder.py is a folder"),
        ],
    )
    def test_what_is_no_script_is_one_line_with_a_remedy(
        self, wattleak: CommandLine, name: str, content: bytes | str | None, said: str
    ) -> None:
        if isinstance(content, bytes):
            (wattleak.folder / name).write_bytes(content)
        elif content:
            (wattleak.folder / name).mkdir()
        done = wattleak("prove", name)
        lines = done.stderr.splitlines()

        assert done.returncode == 2
        assert done.stdout == ""
        assert lines[0].startswith(f"wattleak: error: {said}")
        assert lines[1].startswith("  try: ")
        assert len(lines) == 2

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ((), "there is no script to prove"),
            (("train.py", "--root", "nowhere"), "--root nowhere: there is no such folder"),
            (("train.py", "--root", "sub"), "is not in it"),
            (("train.py", "--runs-per-year", "often"), "--runs-per-year often is no number of runs"),
            (("train.py", "--select", "PAR1"), "there is no smell called 'PAR1'"),
            (("train.py", "--steps", "no"), "--steps no is no number of steps"),
            (("train.py", "--region", "Atlantis"), "no carbon intensity is known"),
            (("--resume", "0000"), "0000"),
        ],
    )
    def test_wrong_words(self, wattleak: CommandLine, words: tuple[str, ...], said: str) -> None:
        small_project(wattleak.folder)
        (wattleak.folder / "sub").mkdir()
        done = wattleak("prove", *words)

        assert done.returncode == 2
        assert said in done.stderr
        assert "  try: " in done.stderr
        assert not (wattleak.folder / ".wattleak" / "copies").exists()

    def test_a_script_that_fails_stops_it_at_once(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, PROGRAM + "raise RuntimeError('no such optimizer')\n")
        done = wattleak("prove", "train.py", "--", "1")

        assert done.returncode == 3
        assert "no such optimizer" in done.stderr
        assert "failed at once: exit code 1" in done.stderr
        assert "prove it anew" in done.stderr

    def test_a_script_that_prints_no_quality_although_it_was_asked(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, PROGRAM.replace("WATTLEAK", "result"))
        done = wattleak("prove", "train.py", "--quality", "accuracy", "--", "1")
        unasked = wattleak("prove", "train.py", *ONE, "--", "1")

        assert done.returncode == 3
        assert "no quality: accuracy was not reported" in done.stderr
        assert unasked.returncode == 0
        assert 'let the script print a line such as WATTLEAK {"accuracy": 0.91}' in flat(unasked.stdout)

    def test_another_experiment_is_no_proof(self, wattleak: CommandLine) -> None:
        document = wattleak.document("compare", f"{sys.executable} -c 1", f"{sys.executable} -c 2", *ONE)
        done = wattleak("prove", "--resume", document["experiment_id"])

        assert done.returncode == 2
        assert "is no proof" in done.stderr


class TestGoingOn:
    def test_after_a_kill_it_goes_on_in_the_same_copies(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder, "import time; time.sleep(0.2)\n" + PROGRAM)
        process = wattleak.start("prove", "train.py", *FEW, "--seed", "5", "--", "30")
        database = wattleak.folder / ".wattleak" / "wattleak.db"
        deadline = time.monotonic() + 60
        runs: list[object] = []
        while len(runs) < 3 and time.monotonic() < deadline:
            time.sleep(0.3)
            runs = wattleak.document("list")["runs"] if database.exists() else []
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # What changes in the project meanwhile changes nothing in the copies.
        (wattleak.folder / "helper.py").write_text("raise SystemExit(1)\n")
        identity = wattleak.document("list")["experiments"][0]["id"]
        document = wattleak.document("prove", "--resume", identity)

        assert len(runs) >= 3
        assert document["complete"]
        assert document["verdict"] == "saving"
        assert document["findings"][0]["path"] == "helper.py"

    def test_short_plans_are_judged_per_step(self, wattleak: CommandLine) -> None:
        steps = "import wattleak\nfor _ in range(10000):\n    work(20)\n    wattleak.step()\n"
        small_project(wattleak.folder, PROGRAM + steps)
        document = wattleak.document(
            *("prove", "train.py", "--steps", "20", "--runs", "6", "--warmups", "0"),
            *("--runs-per-year", "10", "--full-steps", "1000", "--", "1"),
        )

        assert document["verdict"] == "saving"
        assert "_per_step_" in document["primary_metric"]
        assert document["yearly"]["full_steps"] == 1000
        assert document["yearly"]["metric"] == "attributed_energy_per_step_j"
        assert document["yearly"]["energy_kwh"]["low"] > 0

    def test_the_report_and_the_store_know_it(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder)
        done = wattleak("prove", "train.py", *FEW, "--report", "--", "30")
        experiment = wattleak.document("list")["experiments"][0]
        page = flat(wattleak("report", experiment["id"], "--format", "text").stdout)

        assert done.returncode == 0, done.stderr
        assert "reports/" in done.stdout
        assert (experiment["title"], experiment["verdict"]) == ("prove train.py", "saving")
        assert "differs source: helper.py → helper.py" in page

    def test_require(self, wattleak: CommandLine) -> None:
        small_project(wattleak.folder)
        done = wattleak("prove", "train.py", *ONE, "--require", "saving", "--", "1")

        assert done.returncode == 4


def test_git_and_environments_are_not_copied(wattleak: CommandLine) -> None:
    small_project(wattleak.folder)
    subprocess.run(["git", "init", "-q", "."], cwd=wattleak.folder, check=True)
    (wattleak.folder / ".venv").mkdir()
    (wattleak.folder / ".venv" / "pyvenv.cfg").write_text("")
    document = wattleak.document("prove", "train.py", *ONE, "--", "1")
    names = {path.name for path in Path(document["design"]["variants"][0]["folder"]).iterdir()}
    record = json.loads(next((wattleak.folder / ".wattleak" / "copies").glob("*/proof.json")).read_text())

    assert {"train.py", "helper.py"} <= names
    assert not names & {".git", ".venv", ".wattleak"}
    assert record["script"] == "train.py"
