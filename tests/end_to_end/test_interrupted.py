"""Who asks an experiment to end asks the experiment, not one of its runs: it ends, and can be gone on with."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess

    from tests.conftest import CommandLine


def runs_of(wattleak: CommandLine, identity: str) -> int:
    listed = wattleak.document("list")["runs"]
    return sum(run["experiment_id"] == identity and run["exit_code"] == 0 for run in listed)


def begun(wattleak: CommandLine, process: subprocess.Popen[str]) -> str:
    """Wait until two runs of the experiment are done; return its id."""
    assert process.stderr is not None
    found = re.search(r"experiment (\w+)", process.stderr.readline())
    assert found is not None
    while runs_of(wattleak, found[1]) < 2:
        assert process.poll() is None
        time.sleep(0.1)
    return found[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_goes_on_where_it_was(wattleak: CommandLine, number: signal.Signals) -> None:
    process = wattleak.start("compare", "sleep 0.3", "sleep 0.3", "--blocks", "6", "--warmups", "0")
    identity = begun(wattleak, process)
    if number is signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: the workload gets it, too
    else:
        process.send_signal(number)
    _, told = process.communicate(timeout=30)

    assert process.returncode == 130
    assert f"interrupted by {number.name}" in told
    assert f"wattleak compare --resume {identity}" in told
    assert told.count("attempt") == 0  # no run is tried again for it
    finished = json.loads(wattleak("compare", "--resume", identity, "--json").stdout)
    assert finished["complete"] is True
    assert finished["failed_runs"] == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_between_two_runs_it_says_the_same(wattleak: CommandLine, number: signal.Signals) -> None:
    process = wattleak.start("compare", "true", "true", "--blocks", "8", "--warmups", "0", "--cooldown", "1")
    identity = begun(wattleak, process)  # nearly all of the time is spent in cooling down
    process.send_signal(number)
    _, told = process.communicate(timeout=30)

    assert process.returncode == 130
    assert f"interrupted by {number.name}" in told
    assert f"wattleak compare --resume {identity}" in told
