"""One count per node: boards between real processes, real locks, and a meter whose readings say who took them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from wattleak.recorder.node import NodeMeter, board_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Counter:
    """A counter of the hardware, and how often it was asked."""

    name = "counter"
    common = True

    def __init__(self) -> None:
        self.joules = 0.0
        self.asked = 0

    def read(self) -> dict[str, float]:
        self.asked += 1
        return {"cpu0": self.joules}


def recorder(board: Path, run: str, meter: Counter | None = None) -> tuple[NodeMeter, Counter]:
    meter = meter or Counter()
    return NodeMeter(meter, str(board), run), meter  # type: ignore[arg-type]  # only what is asked for here


@pytest.fixture
def leader_process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another recorder of this node, in a process of its own: it leads as run `first` and has read 5 J at 100 s."""
    program = f"""
        import sys
        sys.path.insert(0, {str(next(path for path in sys.path if path.endswith("src")))!r})
        from wattleak.recorder.node import NodeMeter
        class Counter:
            name, common = "counter", True
            def read(self): return {{"cpu0": 5.0}}
        meter = NodeMeter(Counter(), {str(tmp_path / "board")!r}, "first")
        meter.elect(100.0)
        meter.read(100.0, exact=True, within_s=1.0)
        print("leads", flush=True)
        sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", textwrap.dedent(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "leads\n"
    yield process
    process.kill()
    process.communicate()


def test_alone_it_leads_and_has_nothing_to_say(tmp_path: Path) -> None:
    node, meter = recorder(tmp_path / "board", "only")

    assert node.elect(1.0) is None
    assert node.read(1.0, exact=False, within_s=1.0) == (1.0, {"cpu0": 0.0})
    assert meter.asked == 1


def test_who_follows_says_whose_run_counts_and_reads_the_board_while_it_is_fresh(
    tmp_path: Path, leader_process: subprocess.Popen[str]
) -> None:
    node, meter = recorder(tmp_path / "board", "second")
    meter.joules = 7.0

    assert node.elect(100.5) == {"k": "count", "t": 100.5, "m": "counter", "by": "first"}
    assert node.elect(100.6) is None  # said once
    assert node.read(100.6, exact=False, within_s=1.0) == (100.0, {"cpu0": 5.0})
    assert meter.asked == 0
    assert node.read(100.7, exact=False, within_s=1.0) == (100.7, {"cpu0": 7.0})  # nothing newer on the board
    assert node.read(105.0, exact=False, within_s=1.0) == (105.0, {"cpu0": 7.0})  # stale
    assert node.read(105.1, exact=True, within_s=10.0) == (105.1, {"cpu0": 7.0})  # an edge


def test_a_killed_leader_is_followed_up_from_its_last_reading(
    tmp_path: Path, leader_process: subprocess.Popen[str]
) -> None:
    node, _ = recorder(tmp_path / "board", "second")
    node.elect(99.5)
    os.kill(leader_process.pid, signal.SIGKILL)
    leader_process.wait()

    assert node.elect(101.0) == {"k": "count", "t": 100.0, "m": "counter", "by": None}
    third, _ = recorder(tmp_path / "board", "third")
    assert third.elect(102.0) == {"k": "count", "t": 102.0, "m": "counter", "by": "second"}


def test_a_board_of_a_run_that_has_ended_is_no_leader(tmp_path: Path, leader_process: subprocess.Popen[str]) -> None:
    leader_process.kill()
    leader_process.wait()
    node, _ = recorder(tmp_path / "board", "later")

    assert node.elect(500.0) is None


def test_a_torn_board_is_stale_and_never_believed(tmp_path: Path, leader_process: subprocess.Popen[str]) -> None:
    board = tmp_path / "board"
    whole = board.read_bytes()
    node, meter = recorder(board, "second")
    node.elect(100.1)
    for place in range(len(whole)):
        torn = bytearray(whole)
        torn[place] ^= 0x15
        board.write_bytes(torn)
        moment, readings = node.read(100.2, exact=False, within_s=1.0)
        assert (moment, readings) == (100.2, {"cpu0": 0.0})
    assert meter.asked == len(whole)


def test_readings_that_start_with_their_process_are_never_mixed(
    tmp_path: Path, leader_process: subprocess.Popen[str]
) -> None:
    meter = Counter()
    meter.common = False
    node, _ = recorder(tmp_path / "board", "second", meter)

    assert node.elect(100.5) is not None  # it is counted once all the same
    assert node.read(100.6, exact=False, within_s=1.0) == (100.6, {"cpu0": 0.0})


def test_boards_are_one_for_the_same_counters_and_apart_for_others() -> None:
    gpus = {"folder": "/venv1", "devices": [{"uuid": "GPU-1"}]}
    paths = [
        board_path("/run", "nvml", gpus, "boot"),
        board_path("/run", "nvml", {**gpus, "folder": "/venv2"}, "boot"),
        board_path("/run", "nvml", {**gpus, "devices": [{"uuid": "GPU-2"}]}, "boot"),
        board_path("/run", "nvml", gpus, "next boot"),
        board_path("/run", "rapl", gpus, "boot"),
    ]

    assert paths[0] == paths[1]
    assert all(a != b for a, b in pairwise(paths[1:]))
