"""Runs that a list takes in from their folders while the command that started them saves them itself."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.analysis.written_experiments import experiment, run

from wattleak.recorder.summary import read_measurement
from wattleak.store import sqlite
from wattleak.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine


@pytest.fixture
def measured(wattleak: CommandLine) -> str:
    """The id of a run that really took place, of which only the folder is left: nobody lived to save it."""
    identity: str = wattleak.document("measure", "--no-probes", "--", sys.executable, "-c", "pass")["run_id"]
    (wattleak.folder / ".wattleak" / "wattleak.db").unlink()
    return identity


def saved_run(folder: Path, identity: str) -> Any:
    return replace(run("good", 0), measurement=read_measurement(folder / "runs" / identity, region=None, pue=None))


def test_a_run_that_is_saved_while_it_is_being_listed_stays_in_its_experiment(
    wattleak: CommandLine, measured: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = wattleak.folder / ".wattleak"
    of_experiment = saved_run(folder, measured)
    reading = sqlite.read_measurement

    def read_slowly(*words: Any, **more: Any) -> Any:
        """What was read, and by then `compare` has saved the run."""
        found = reading(*words, **more)
        with SqliteStore(folder) as other:
            other.save_run(of_experiment)
        return found

    with SqliteStore(folder) as store:
        store.save_plan(experiment([of_experiment]).plan, {})
        monkeypatch.setattr(sqlite, "read_measurement", read_slowly)
        listed = store.runs()
        found = store.experiment("e1").runs

    assert [(row.id, row.experiment) for row in listed] == [(measured, "e1")]
    assert [(item.id, item.variant, item.block) for item in found] == [(measured, "good", 0)]


def test_a_run_that_nobody_saved_is_taken_in_and_may_be_saved_again(wattleak: CommandLine, measured: str) -> None:
    folder = wattleak.folder / ".wattleak"
    with SqliteStore(folder) as store:
        assert [row.document["name"] for row in store.runs()] == [None]
        store.save_measurement(replace(store.measurement(measured), name="later"))
        assert [row.document["name"] for row in store.runs()] == ["later"]
        store.save_run(saved_run(folder, measured))  # an experiment that was interrupted in between
        assert [row.experiment for row in store.runs()] == ["e1"]
