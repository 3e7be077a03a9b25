"""`measure` with its probes: what is said, what is seen, what is kept, and what stays out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

PYTHON = sys.executable
ASK = "import os; print(os.environ.get('WATTLEAK_SIGNALS') or 'none')"
REBUILT = """\
import torch

torch.save(torch.nn.Linear(64, 64).state_dict(), "weights.pt")
for epoch in range(6):
    model = torch.nn.Linear(
        64, 64
    )
    model.load_state_dict(torch.load("weights.pt"))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(torch.ones(4, 64)).sum()
        loss.backward()
        optimizer.step()
    torch.save(model.state_dict(), "weights.pt")
print("trained")
"""


def test_the_agent_is_on_says_so_and_reports(wattleak: CommandLine) -> None:
    done = wattleak("measure", "--json", "--", PYTHON, "-c", "raise SystemExit(7)")

    assert done.returncode == 7
    assert "run-time probes are on" in done.stderr
    observed = json.loads(done.stdout)["observed"]
    assert (observed["processes"], observed["places"], observed["phases"]) == (1, [], [])


def test_no_probes_means_none(wattleak: CommandLine) -> None:
    done = wattleak("measure", "--no-probes", "--", PYTHON, "-c", ASK)
    document = wattleak.document("measure", "--no-probes", "--", PYTHON, "-c", ASK)

    assert done.stdout == "none\n"
    assert "probes" not in done.stderr
    assert "observed" not in document


@pytest.mark.parametrize("option", ["-I", "-E", "-S"])
def test_a_python_that_ignores_its_environment(wattleak: CommandLine, option: str) -> None:
    done = wattleak("measure", "--", PYTHON, option, "-c", "print('here')")

    assert done.stdout == "here\n"
    assert "no agent reported" in done.stderr


def test_a_command_that_is_no_python_has_nothing_to_report(wattleak: CommandLine) -> None:
    assert "no agent reported" not in wattleak("measure", "--", "true").stderr


def test_every_python_below_reports(wattleak: CommandLine) -> None:
    words = f"{PYTHON} -c pass & {PYTHON} -m this > /dev/null; wait"
    observed = wattleak.document("measure", "--shell", "--", words)["observed"]

    assert observed["processes"] == 2


@pytest.mark.torch
def test_suspected_and_seen_are_one_place_kept_and_shown_again(wattleak: CommandLine) -> None:
    (wattleak.folder / "train.py").write_text(REBUILT)
    done = wattleak("measure", "--json", "--", PYTHON, "train.py")
    document = json.loads(done.stdout)
    built = [place for place in document["observed"]["places"] if place["code"] == "MOD001"]

    assert [(place["level"], Path(place["path"]).name, place["line"]) for place in built] == [("seen", "train.py", 5)]
    assert built[0]["suspicion"]
    assert built[0]["evidence"][0]["value"] == 5  # all but the first, whose weights were made elsewhere
    assert [phase["name"] for phase in document["observed"]["phases"]][:2] == ["start-up", "training"]
    assert document["observed"]["prove"].startswith("wattleak prove train.py")
    again = wattleak("report", document["run_id"], "--format", "text").stdout
    assert "seen       MOD001 improper-model-reuse  train.py:5" in again
    assert document["observed"]["prove"] in again


def test_an_experiment_has_no_agent_not_even_that_of_a_program_around_it(wattleak: CommandLine) -> None:
    plan = ["--blocks", "5", "--warmups", "0", "--metric", "cpu_s", f"{PYTHON} a.py", f"{PYTHON} a.py --again"]
    (wattleak.folder / "a.py").write_text(ASK)

    inside = wattleak("measure", "-q", "--", PYTHON, "-m", "wattleak", "compare", "--json", *plan)
    document = json.loads(inside.stdout)
    said = {path.read_text() for path in wattleak.folder.glob(".wattleak/runs/*/stdout.txt")}

    assert said == {"none\n"}
    assert not any("observed" in run for run in document["runs"])


def test_an_experiment_with_probes_says_what_was_seen_in_the_runs(wattleak: CommandLine) -> None:
    (wattleak.folder / "a.py").write_text(ASK)
    words = ["--probes", "--blocks", "5", "--warmups", "0", "--metric", "cpu_s"]
    done = wattleak("compare", *words, f"{PYTHON} a.py", f"{PYTHON} a.py --again")

    said = {path.read_text() for path in wattleak.folder.glob(".wattleak/runs/*/stdout.txt")}
    assert "none\n" not in said
    assert "seen in the runs of A: no smell" in done.stdout
