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

EPOCHS = """\
import json

import torch
from torch.utils.data import DataLoader, TensorDataset

device = "cuda" if torch.cuda.is_available() else "cpu"
data = TensorDataset(torch.ones(320, 64), torch.ones(320, 1))
model = torch.nn.Linear(64, 1).to(device)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for accuracy in (0.5, 0.9, 0.7, 0.8):
    total = 0.0
    for rows, targets in DataLoader(data, batch_size=16):
        optimizer.zero_grad()
        loss = (model(rows.to(device)) - targets.to(device)).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
    model.eval()
    with torch.no_grad():
        for rows, targets in DataLoader(data, batch_size=160):
            model(rows.to(device))
    model.train()
    print("WATTLEAK", json.dumps({"accuracy": accuracy}))
"""
REPORTING = """\
import time
import wattleak

for accuracy in (0.5, 0.9, 0.7):
    time.sleep(0.12)
    wattleak.report_metric("accuracy", accuracy)
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


@pytest.mark.torch
def test_reads_of_a_value_the_best_epoch_and_a_sample(wattleak: CommandLine) -> None:
    (wattleak.folder / "train.py").write_text(EPOCHS)
    observed = wattleak.document("measure", "--", PYTHON, "train.py")["observed"]

    (read,) = [place for place in observed["places"] if place["code"] == "SYN001"]
    (item,) = read["evidence"]
    if item["cost_s"] and "on a CPU" in item["message"]:  # where there is an accelerator, the words are others
        assert "80 times (.item()) in 80 of 80 steps" in item["message"] or "79 times" in item["message"]
    assert (read["level"], read["line"]) == ("seen", EPOCHS[: EPOCHS.index("total += ")].count("\n") + 1)
    phases = {phase["name"]: phase for phase in observed["phases"]}
    after = phases["after the best epoch (accuracy)"]
    assert after["inside"] == "training"
    assert 0 < after["duration_s"] < phases["training"]["duration_s"]
    # 20 steps in each of 4 epochs; the first one ends where the training is seen to begin; no row of an evaluation
    assert (observed["per_sample"]["steps"], observed["per_sample"]["samples"]) == (80, 79 * 16)


def test_a_program_that_only_reports_is_told_around_its_best_report(wattleak: CommandLine) -> None:
    (wattleak.folder / "own.py").write_text(REPORTING)
    observed = wattleak.document("measure", "--", PYTHON, "own.py")["observed"]

    names = [phase["name"] for phase in observed["phases"]]
    assert names[:2] == ["until the best accuracy was reported", "after the best accuracy"]
    assert observed["phases"][1]["duration_s"] >= 0.1
