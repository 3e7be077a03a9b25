"""`wattleak tune --gpu-clocks` against the stand-in driver: locked for each run, and unlocked whatever happens."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest
from stand_in_gpu import NEEDS_DRIVER, SHORT, compile_driver, journals, left_by_the_dead, until, with_gpu

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

STATE = "count 1\ngpu0.highest 1980\ngpu0.limit 700000\n"
# A run that is not under the lock (and the limit) that it was told of fails, and with it the search.
PROGRAM = """
import os, sys
state = os.environ["FAKE_NVML"]
asked = os.environ["WATTLEAK_GPU_CLOCKS_MHZ"]
low, _, high = asked.partition("-")
expected = "" if asked == "unlocked" else f"{low} {high or low}"
watts = os.environ.get("WATTLEAK_POWER_LIMIT_W", "")
held = not watts or open(state + ".gpu0.limit").read().strip() == watts + "000"
sys.exit(open(state + ".gpu0.lock").read().strip() != expected or not held)
"""
HOLD = '[ "$WATTLEAK_GPU_CLOCKS_MHZ" != 1200 ] || sleep 120'  # the search goes on until the test has seen enough

pytestmark = NEEDS_DRIVER


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_driver(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def gpu(wattleak: CommandLine, library: Path) -> CommandLine:
    return with_gpu(wattleak, library, STATE, PROGRAM)


def lock(gpu: CommandLine) -> str | None:
    """What the clocks are locked to; empty: unlocked; None: nobody has touched them."""
    path = gpu.folder / "state.gpu0.lock"
    return path.read_text().strip() if path.exists() else None


def test_each_run_is_under_its_lock_and_its_limit_and_in_the_end_both_are_as_before(gpu: CommandLine) -> None:
    grid = ("--gpu-clocks", "1200-1410", "--power-limit", "500")
    document = gpu.document("tune", *grid, *SHORT, "--", sys.executable, "-S", "program.py")
    settings = [tuple(item["levels"].values()) for item in document["curve"]]
    assert settings == [("700", "unlocked"), ("700", "1200-1410"), ("500", "unlocked"), ("500", "1200-1410")]
    assert document["reference"] == "power_limit=700 gpu_clocks=unlocked"
    assert len(document["runs"]) == 12
    assert document["failed_runs"] == []
    assert lock(gpu) == ""
    assert (gpu.folder / "state.gpu0.limit").read_text() == "700000\n"
    assert journals(gpu) == []


def test_a_killed_search_leaves_the_clocks_as_they_were(gpu: CommandLine) -> None:
    process = gpu.start("tune", "--gpu-clocks", "1200", *SHORT, "--", "sh", "-c", HOLD)
    until(lambda: lock(gpu) == "1200 1200")
    (journal,) = journals(gpu)
    assert json.loads(journal.read_text())["clocks_before"] == "unlocked"
    process.kill()  # nothing of it can clean up
    until(lambda: lock(gpu) == "" and journals(gpu) == [])


def test_when_the_guard_is_killed_too_the_next_start_puts_back_what_the_user_had_locked(gpu: CommandLine) -> None:
    (gpu.folder / "state.gpu0.lock").write_text("1200 1200\n")
    left_by_the_dead(gpu, before_w=None, clocks_before="1500-1800")
    done = gpu("doctor", "--quick")
    assert "the clocks of NVIDIA Stand-in 0 are locked to 1500-1800 MHz again" in done.stderr
    assert lock(gpu) == "1500 1800"
    assert journals(gpu) == []


def test_what_the_user_had_locked_is_the_reference_and_is_put_back(gpu: CommandLine) -> None:
    words = ("--gpu-clocks", "1200", "--clocks-were", "1500", *SHORT, "--", sys.executable, "-S", "program.py")
    document = gpu.document("tune", *words)
    assert document["reference"] == "gpu_clocks=1500"
    assert lock(gpu) == "1500 1500"


def test_a_run_whose_clock_was_above_its_lock_does_not_count(gpu: CommandLine) -> None:
    unlocking = f"""
import os
if os.environ["WATTLEAK_GPU_CLOCKS_MHZ"] == "1200":  # somebody unlocks it, and the driver's samples show that
    open({str(gpu.folder / "state")!r}, "a").write("gpu0.clocks 2000:1980,3000:1965,4000:1200\\n")
"""
    (gpu.folder / "program.py").write_text(unlocking)
    done = gpu("tune", "--gpu-clocks", "1200", *SHORT, "--", sys.executable, "-S", "program.py")
    assert "the GPU's clock was 1965 MHz while the run asked for 1200 MHz: somebody unlocked it" in done.stderr
    assert lock(gpu) == ""


def test_the_answer_says_how_to_lock_the_clocks_by_hand(gpu: CommandLine) -> None:
    slow = "import os, time; time.sleep(0.6 * (os.environ['WATTLEAK_GPU_CLOCKS_MHZ'] == 'unlocked'))"
    done = gpu("tune", "--gpu-clocks", "1410", *SHORT, "--", sys.executable, "-S", "-c", slow)
    assert "Use gpu_clocks=1410" in done.stdout
    assert "Set: sudo nvidia-smi -i GPU-stand-in-0 -lgc 1410,1410" in done.stdout
    assert "Type: WATTLEAK_" not in done.stdout  # that would set nothing


@pytest.mark.parametrize(
    ("state", "words", "said"),
    [
        (STATE + "set 4\n", ("--gpu-clocks", "1200"), "takes root"),
        (STATE + "set 3\n", ("--gpu-clocks", "1200"), "Volta"),
        (STATE, ("--gpu-clocks", "1201"), "1200 is the nearest"),
        (STATE, ("--clocks-were", "1200", "--power-limit", "300"), "--clocks-were belongs to --gpu-clocks"),
        ("count 2\ngpu0.highest 1980\ngpu1.highest 1980\n", ("--gpu-clocks", "1200"), "--gpu INDEX"),
        ("count 1\n", ("--gpu-clocks", "1200"), "no GPU here has a list of clocks"),
        ("init 9\n", ("--gpu-clocks", "1200"), "there is no NVIDIA GPU here"),
    ],
)
def test_what_cannot_be_locked_is_said_before_anything_is_changed(
    gpu: CommandLine, state: str, words: tuple[str, ...], said: str
) -> None:
    (gpu.folder / "state").write_text(state)
    done = gpu("tune", *words, *SHORT, "--", "true")
    assert done.returncode == 2
    assert said in done.stderr
    assert lock(gpu) is None
    assert journals(gpu) == []
