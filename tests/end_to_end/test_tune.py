"""`wattleak tune` as a user has it: real processes, the store, the reports."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from wattleak.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

# The cheapest level is 2: work is (level - 2)**2 + 1 units, told by argument or by variable.
WORK = """
import os, sys
level = int(sys.argv[1] if len(sys.argv) > 1 else os.environ["LEVEL"])
s = 0
for i in range(250_000 * ((level - 2) ** 2 + 1)): s += i * i
"""
TRAIN = """
import sys, wattleak
batch = int(sys.argv[1])
s = 0
while True:
    for i in range(30_000 + 400 * batch): s += i * i  # a step costs more with a larger batch, a sample less
    wattleak.step(samples=batch if len(sys.argv) < 3 else None)
"""
SHORT = ("--blocks", "3", "--confirm", "0", "--warmups", "0")


@pytest.fixture
def work(wattleak: CommandLine) -> str:
    (wattleak.folder / "work.py").write_text(WORK)
    (wattleak.folder / "train.py").write_text(TRAIN)
    return sys.executable


def test_the_cheapest_level_is_found_kept_and_told_again(wattleak: CommandLine, work: str) -> None:
    done = wattleak(
        "tune",
        "-F",
        "LEVEL=5,2",
        "--blocks",
        "3",
        "--warmups",
        "0",
        "--require",
        "saving",
        "--",
        work,
        "-S",
        "work.py",
    )
    assert done.returncode == 0, done.stderr
    assert "Use LEVEL=2" in done.stdout
    assert "Type: LEVEL=2 " in done.stdout
    assert "SAVING" in done.stdout
    assert "Quality was not measured" in done.stdout
    (stored,) = wattleak.document("list")["experiments"]
    assert stored["verdict"] == "saving"
    identity = stored["experiment_id"]
    assert "Use LEVEL=2" in wattleak("report", identity, "--format", "text").stdout
    assert wattleak("report", identity).returncode == 0
    page = (wattleak.folder / ".wattleak" / "reports" / f"{identity}.html").read_text()
    assert "Which setting?" in page
    again = json.loads(wattleak("tune", "--resume", identity, "--json").stdout)  # nothing is left to run
    assert again["kind"] == "tune"
    assert again["chosen"]["name"] == "LEVEL=2"
    assert again["saving"]["metrics"]["cpu_s"]["high"] < -0.5  # ten units of work against one, and the start of Python
    assert again["runs_made"] == len(again["runs"])
    assert {run["variant"] for run in again["runs"] if run["block"] >= 3} == {"LEVEL=5", "LEVEL=2"}


def test_a_batch_size_is_judged_by_the_price_of_a_sample(wattleak: CommandLine, work: str) -> None:
    document = wattleak.document(
        "tune", "--batch", "8,64", "--steps", "12", *SHORT, "--", work, "train.py", "{batch}", code=0
    )
    assert document["primary_metric"] == "cpu_per_sample_s"
    assert document["chosen"]["name"] == "batch=64"
    assert all(item["quality"] == "not_measured" for item in document["curve"])


def test_a_batch_size_whose_samples_nobody_counts_is_refused(wattleak: CommandLine, work: str) -> None:
    done = wattleak("tune", "--batch", "8,64", "--steps", "5", *SHORT, "--", work, "train.py", "{batch}", "mute")
    assert done.returncode == 3
    assert "how many samples a step holds" in done.stderr
    assert "wattleak.step(samples=" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-F", "n=1,2", "--", "true"), "stands nowhere in the command"),
        (("--", "true"), "needs factors and one command"),
        (("-F", "N=1,2", "--confirm", "3", "--", "true"), "can never say"),
        (("-F", "N=1,2", "--blocks", "2", "--", "true"), "too few for a race"),
        (("-F", "N=1,2", "--order", "sequential", "--", "true"), "random order"),
        (("-F", "N=1,2", "--sessions", "3", "--", "true"), "does not belong to tune"),
        (("--resume", "nothing"), "nothing"),
    ],
)
def test_what_makes_no_sense_is_one_error_with_a_remedy(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert main(["tune", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "try: " in told
