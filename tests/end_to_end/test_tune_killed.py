"""A search that is killed outright goes on where it was: the same plan, and every run that was made is still there."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.conftest import CommandLine

SEARCH = ("--blocks", "3", "--confirm", "0", "--warmups", "0", "--metric", "duration_s", "--meters", "cpu-model")


def runs_of(wattleak: CommandLine, identity: str) -> set[str]:
    listed = wattleak.document("list")["runs"]
    return {run["run_id"] for run in listed if run["experiment_id"] == identity and run["complete"]}


def test_a_search_killed_in_the_middle_ends_with_the_design_it_began_with_and_loses_no_run(
    wattleak: CommandLine,
) -> None:
    process = wattleak.start("tune", "-F", "LEVEL=1,2,3", *SEARCH, "--", "sh", "-c", "sleep 0.$LEVEL")
    assert process.stderr is not None
    found = re.search(r"experiment (\w+)", process.stderr.readline())
    assert found is not None
    identity = found[1]
    while len(made := runs_of(wattleak, identity)) < 4:  # the first block is whole, the second is not
        assert process.poll() is None
        time.sleep(0.3)
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    made |= runs_of(wattleak, identity)
    (path,) = wattleak.folder.glob(f".wattleak/**/{identity}/plan.json")
    planned: dict[str, Any] = json.loads(path.read_text())

    done = wattleak("tune", "--resume", identity, "--json")
    assert done.returncode == 0, done.stderr
    finished = json.loads(done.stdout)

    assert finished["experiment_id"] == identity
    assert finished["finished"] is True
    assert finished["exploratory"] is False  # nothing differs from what was planned
    assert finished["design"]["digest"] == planned["digest"]
    assert finished["design"]["order"] == planned["order"]
    assert {key: finished["design"][key] for key in planned["design"]} == planned["design"]
    assert made <= {run["run_id"] for run in finished["runs"]}
    for number in range(3):
        last = max(run["attempt"] for run in finished["runs"] if run["block"] == number)
        order = [run["variant"] for run in planned["order"] if run["block"] == number]
        block = [run for run in finished["runs"] if run["block"] == number and run["attempt"] == last]
        assert [run["variant"] for run in block] == order  # each setting once, in the order that was drawn
        assert all(run["failure"] is None for run in block)
    attempts = {run["block"]: run["attempt"] for run in finished["runs"]}
    assert attempts[0] == 1  # what was whole is not run again
    assert "Use " in wattleak("report", identity, "--format", "text").stdout
