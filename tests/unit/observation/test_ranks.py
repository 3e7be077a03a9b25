"""Ranks of a distributed training: who they are, and that what they did alike is told once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from wattleak.model import Evidence
from wattleak.observation.ranks import note_of, rank_of_pid, ranks_of, told_once
from wattleak.signals import read_signals

if TYPE_CHECKING:
    from pathlib import Path

    from wattleak.signals import Signals

TORCHRUN = (
    {"k": "boot", "pid": 10, "starter": 9, "t": 1.0},  # torchrun itself
    {"k": "boot", "pid": 12, "starter": 10, "t": 3.0, "rank": 1, "world": 2},
    {"k": "boot", "pid": 11, "starter": 10, "t": 2.0, "rank": 0, "world": 2},
    {"k": "fork", "pid": 13, "parent": 11, "t": 4.0},  # a loader's worker, forked
    {"k": "boot", "pid": 14, "starter": 12, "t": 5.0, "rank": 1, "world": 2},  # one that was spawned: it inherits RANK
    {"k": "fork", "pid": 15, "parent": 14, "t": 6.0},
)


def signals(folder: Path, *births: dict[str, Any]) -> Signals:
    for birth in births:
        (folder / f"{birth['pid']}-a.jsonl").write_text(json.dumps(birth) + "\n")
    return read_signals(folder)


def evidence(pid: int, cost_s: float, line: int = 7) -> Evidence:
    return Evidence("MOD001", "/t.py", line, "models built", 3.0, "", 1.0, "built again", cost_s=cost_s, pid=pid)


def test_each_rank_is_the_first_process_with_its_number_and_owns_what_it_starts(tmp_path: Path) -> None:
    found = signals(tmp_path, *TORCHRUN)

    assert {rank: process.pid for rank, process in ranks_of(found).items()} == {0: 11, 1: 12}
    assert rank_of_pid(found, ranks_of(found)) == {11: 0, 13: 0, 12: 1, 14: 1, 15: 1}


def test_a_launcher_inside_a_launcher_numbers_the_smaller_world(tmp_path: Path) -> None:
    srun = [{"k": "boot", "pid": pid, "starter": 1, "t": 0.5, "rank": pid - 9, "world": 2} for pid in (9, 10)]
    ranks = [{"k": "boot", "pid": 20 + n, "starter": 9 + n // 2, "t": 1.0, "rank": n, "world": 4} for n in range(4)]

    assert [process.pid for process in ranks_of(signals(tmp_path, *srun, *ranks)).values()] == [20, 21, 22, 23]


def test_no_launcher_no_ranks(tmp_path: Path) -> None:
    found = signals(tmp_path, {"k": "boot", "pid": 10, "starter": 9, "t": 1.0})

    assert ranks_of(found) == {}
    assert list(note_of({}, None)) == []
    twice = [evidence(10, 1.0), evidence(11, 2.0)]
    assert told_once(twice, found) == twice


def test_what_ranks_show_alike_is_told_once_as_of_the_dearest(tmp_path: Path) -> None:
    found = signals(tmp_path, *TORCHRUN)

    alike, other = told_once([evidence(11, 1.0), evidence(12, 2.5), evidence(11, 9.0, line=8)], found)

    assert (alike.pid, alike.cost_s) == (12, 2.5)  # not 3.5: they worked at the same time
    assert alike.message == "built again (rank 1; seen in ranks 0, 1)"
    assert (other.line, other.message) == (8, "built again")


def test_the_note_says_whose_times_and_joules_they_are(tmp_path: Path) -> None:
    ranks = ranks_of(signals(tmp_path, *TORCHRUN))

    (note,) = note_of(ranks, ranks[1])

    assert note == (
        "ranks 0, 1 of 2 had an agent inside; what they did at the same time counts once: times of phases are those of "
        "rank 1, their joules those of all processes"
    )


@pytest.mark.parametrize("junk", [{"rank": "0"}, {"rank": True}, {"world": 1.5}, {"rank": None}])
def test_a_rank_that_is_no_number_is_none(tmp_path: Path, junk: dict[str, Any]) -> None:
    birth = {"k": "boot", "pid": 10, "starter": 9, "t": 1.0, "rank": 0, "world": 2, **junk}

    assert ranks_of(signals(tmp_path, birth)) == {}
