"""A search that is killed outright goes on where it was: the same plan, and every run that was made is still there."""

from __future__ import annotations

import json
import re
import signal
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest
    from tests.conftest import CommandLine

# The fifth run hangs, in the middle of the second block, until what it waits for is there.
PROGRAM = "[ -e {0}/go ] || {{ touch {0}/$$; [ $(ls {0} | wc -l) -lt 5 ] || sleep 120; }}; sleep 0.$LEVEL"
SEARCH = ("--blocks", "3", "--confirm", "0", "--warmups", "0", "--metric", "duration_s", "--meters", "cpu-model")


def runs_of(wattleak: CommandLine, identity: str) -> set[str]:
    listed = wattleak.document("list")["runs"]
    return {run["run_id"] for run in listed if run["experiment_id"] == identity and run["complete"]}


def test_a_search_killed_in_the_middle_ends_with_the_design_it_began_with_and_loses_no_run(
    wattleak: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    begun = tmp_path_factory.mktemp("begun")  # outside of where the runs work: they leave nothing for each other
    process = wattleak.start("tune", "-F", "LEVEL=1,2,3", *SEARCH, "--", "sh", "-c", PROGRAM.format(begun))
    assert process.stderr is not None
    found = re.search(r"experiment (\w+)", process.stderr.readline())
    assert found is not None
    identity = found[1]
    while len(list(begun.iterdir())) < 5:
        assert process.poll() is None
        time.sleep(0.05)
    made = runs_of(wattleak, identity)
    assert len(made) == 4
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    (begun / "go").touch()
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
    tries = {run["block"]: run["attempt"] for run in finished["runs"]}  # the last of each
    assert tries == {0: 1, 1: 2, 2: 1}  # what was whole is not run again, what was broken is, and whole
    assert "Use " in wattleak("report", identity, "--format", "text").stdout
