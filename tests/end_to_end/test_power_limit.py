"""`wattleak tune --power-limit` against the stand-in driver: set for each run, and put back whatever happens."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from stand_in_gpu import NEEDS_DRIVER, SHORT, compile_driver, journals, left_by_the_dead, until, with_gpu

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

BEFORE = 700_000  # milliwatts
# A run that is not under the limit that it was told of fails, and with it the search.
PROGRAM = """
import os, sys
watts = float(os.environ["WATTLEAK_POWER_LIMIT_W"])
now = int(open(os.environ["FAKE_NVML"] + ".gpu0.limit").read())
sys.exit(now != round(watts * 1000))
"""
HOLD = '[ "$WATTLEAK_POWER_LIMIT_W" != 300 ] || sleep 120'  # the search goes on until the test has seen enough

pytestmark = NEEDS_DRIVER


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def gpu(wattleak: CommandLine, library: Path) -> CommandLine:
    return with_gpu(wattleak, library, f"count 1\ngpu0.limit {BEFORE}\n", PROGRAM)


def limit_mw(gpu: CommandLine) -> int:
    path = gpu.folder / "state.gpu0.limit"
    return int(path.read_text() or 0) if path.exists() else BEFORE


def test_each_run_is_under_its_limit_and_in_the_end_the_old_one_holds(gpu: CommandLine) -> None:
    document = gpu.document("tune", "--power-limit", "300,500", *SHORT, "--", sys.executable, "-S", "program.py")
    assert [item["levels"]["power_limit"] for item in document["curve"]] == ["300", "500", "700"]
    assert document["reference"] == "power_limit=700"  # what it is now
    assert len(document["runs"]) == 9
    assert document["failed_runs"] == []
    assert limit_mw(gpu) == BEFORE
    assert journals(gpu) == []


def test_a_killed_search_leaves_the_device_as_it_was(gpu: CommandLine) -> None:
    process = gpu.start("tune", "--power-limit", "300", *SHORT, "--", "sh", "-c", HOLD)
    until(lambda: limit_mw(gpu) == 300_000)
    (journal,) = journals(gpu)
    assert json.loads(journal.read_text())["before_w"] == 700.0
    process.kill()  # nothing of it can clean up
    until(lambda: limit_mw(gpu) == BEFORE and journals(gpu) == [])


def test_when_the_guard_is_killed_too_the_next_start_puts_it_back(gpu: CommandLine) -> None:
    (gpu.folder / "state.gpu0.limit").write_text("300000\n")
    left_by_the_dead(gpu, before_w=700.0)
    done = gpu("doctor", "--quick")
    assert "the power limit of NVIDIA Stand-in 0 is 700 W again; it was left at 300 W" in done.stderr
    assert limit_mw(gpu) == BEFORE
    assert journals(gpu) == []


def test_a_search_that_goes_on_is_not_disturbed_by_another_start(gpu: CommandLine) -> None:
    process = gpu.start("tune", "--power-limit", "300", *SHORT, "--", "sh", "-c", HOLD)
    until(lambda: limit_mw(gpu) == 300_000)
    assert "again" not in gpu("doctor", "--quick").stderr
    assert len(journals(gpu)) == 1
    refused = gpu("tune", "--power-limit", "400", *SHORT, "--", "sleep", "0.1")
    assert refused.returncode == 2
    assert "somebody else has changed the power limit" in refused.stderr
    process.kill()
    until(lambda: limit_mw(gpu) == BEFORE and journals(gpu) == [])


@pytest.mark.parametrize(
    ("state", "words", "said"),
    [
        (f"count 1\ngpu0.limit {BEFORE}\nset 4\n", ("300",), "takes root"),
        (f"count 1\ngpu0.limit {BEFORE}\n", ("50",), "from 100 to 700 W"),
        (f"count 2\ngpu0.limit {BEFORE}\ngpu1.limit {BEFORE}\n", ("300",), "--gpu INDEX"),
    ],
)
def test_what_cannot_be_limited_is_said_before_anything_is_changed(
    gpu: CommandLine, state: str, words: tuple[str, ...], said: str
) -> None:
    (gpu.folder / "state").write_text(state)
    done = gpu("tune", "--power-limit", *words, *SHORT, "--", "true")
    assert done.returncode == 2
    assert said in done.stderr
    assert not (gpu.folder / "state.gpu0.limit").exists()
    assert journals(gpu) == []
