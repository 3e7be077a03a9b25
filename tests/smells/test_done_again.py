"""Where the thresholds lie for work that was done again, and what jobs around a crowd of threads add to its story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_outside_probes import process, seconds
from test_probes_on_scripted_signals import judged

from wattleak.signals import Fact, Process, Signals
from wattleak.smells.registry import find_room

if TYPE_CHECKING:
    from wattleak.model import Evidence


def programs(**more: Any) -> dict[str, Any]:
    fact = {"k": "programs", "name": "step", "file": "/t.py", "line": 5, "function": "f", "times": 20, "s": 8.0}
    return {**fact, "trace_s": 1.0, "again": 0, "unlike": 0, "first_s": 10.0, "last_s": 26.0, "now_s": 30.0, **more}


def fitted(**more: Any) -> dict[str, Any]:
    fact = {"k": "fitted", "name": "Ridge", "file": "/t.py", "line": 5, "function": "f", "fits": 6, "looked_at": 6}
    return {**fact, "again_s": 1.5, "first": "/t.py:5", **more}


@pytest.mark.parametrize(("again", "seen"), [(1, False), (2, True)])
def test_a_third_fit_alike_is_one_too_many(again: int, seen: bool) -> None:
    assert [item.cost_s for item in judged("MOD001", fitted(again=again))] == [1.5] * seen


def test_a_first_fit_in_another_line_is_named() -> None:
    here, elsewhere = judged("MOD001", fitted(again=4), fitted(again=4, line=9, key="b"))

    assert "the first in" not in here.message
    assert "the first in /t.py:5" in elsewhere.message


def test_fits_that_were_not_looked_at_are_told_apart() -> None:
    (item,) = judged("MOD001", fitted(again=4, looked_at=5))

    assert "fitted 6 times here, 4 of the 5 that were looked at with equal parameters" in item.message


def test_of_several_estimators_in_one_line_the_dearest_is_told() -> None:
    (item,) = judged("MOD001", fitted(again=4), fitted(again=9, again_s=0.1, name="LabelBinarizer", key="b"))

    assert item.message.startswith("Ridge was fitted 6 times")


def test_a_program_compiled_again() -> None:
    (item,) = judged("MOD001", programs(again=4, again_s=2.5))

    assert (item.path, item.line, item.value, item.cost_s) == ("/t.py", 5, 4, 2.5)
    assert "compiled 20 times here, 4 of them to the very program" in item.message


@pytest.mark.parametrize(
    ("more", "seen"),
    [
        pytest.param({}, True, id="9 s of 16 s, and 4 s ago"),
        pytest.param({"s": 6.5}, False, id="less than half of the time"),
        pytest.param({"now_s": 43.0}, False, id="a warm-up: the time since is longer"),
        pytest.param({"unlike": 8}, False, id="few lengths"),
        pytest.param({"last_s": 10.0}, False, id="no time at all"),
    ],
)
def test_programs_without_end(more: dict[str, Any], seen: bool) -> None:
    assert [item.cost_s for item in judged("MOD001", programs(**{"unlike": 12, **more}))] == [9.0] * seen


def crowded(backend: str, *workers: Process) -> Evidence:
    """Four processes of two threads each on two CPUs, under a line that asked joblib for four jobs."""
    asker = Process("9.jsonl", 9)
    values = {"file": "/t.py", "line": 12, "function": "f", "number": 4, "asked": -1, "backend": backend}
    inside = [Fact("jobs", asker, 1.0, "j", values)]
    inside += [
        Fact("pools", worker, 1.0, "openmp", {"kind": "openmp", "threads": 8, "job": True}) for worker in workers
    ]
    records = seconds(4, *(process(pid, workers=2, runnable=2.0, run_s=0.5) for pid in range(10, 14)))
    outside = Process("outside", None)
    facts = [Fact(record.pop("k"), outside, record.pop("t"), None, record) for record in records]
    probe = find_room("PAR001").probe
    assert probe is not None
    (item,) = probe(Signals((asker, *workers, outside), (*inside, *facts)))
    return item


def test_pools_in_jobs_have_the_line_of_the_jobs() -> None:
    item = crowded("loky", *(Process(f"{pid}.jsonl", pid, started_by=9) for pid in range(10, 14)))

    assert (item.path, item.line) == ("/t.py", 12)
    assert "joblib was asked for 4 jobs (loky), and OpenMP in each of them has 8 threads" in item.message


def test_jobs_of_somebody_else_are_left_out() -> None:
    item = crowded("loky", *(Process(f"{pid}.jsonl", pid, started_by=5) for pid in range(10, 14)))

    assert item.path is None
    assert "joblib" not in item.message


def test_jobs_that_are_threads_are_of_their_own_process_alone() -> None:
    item = crowded("threading", *(Process(f"{pid}.jsonl", pid, started_by=9) for pid in range(10, 14)))

    assert item.path is None  # process 9 had them, and is not in the crowd
