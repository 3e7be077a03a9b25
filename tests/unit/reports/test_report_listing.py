"""`wattleak list` for people."""

from __future__ import annotations

from wattleak.model import StoredExperiment, StoredRun
from wattleak.reports.listing import render_list
from wattleak.reports.style import Style

ALONE = StoredRun("7f3a91c2", None, "2026-11-21T09:00:00+00:00", True,
                  {"command": ["python", "train.py"], "exit_code": 3, "duration_s": 61.2, "cpu_s": 118.0})  # fmt: skip
KILLED = StoredRun("dead0001", None, "2026-11-21T09:05:00+00:00", False,
                   {"command": ["sleep", "9"], "exit_code": None, "duration_s": 4.0, "cpu_s": 0.01})  # fmt: skip
INSIDE = StoredRun("0000000a", "b91c20fe", "2026-11-21T10:00:00+00:00", True,
                   {"command": ["python", "bad.py"], "exit_code": 0, "duration_s": 28.0, "cpu_s": 52.0,
                    "variant": "bad", "block": 2})  # fmt: skip
DONE = StoredExperiment("b91c20fe", "unnecessary-parallelism", "2026-11-21T10:00:00+00:00", True, "costs_more", 18)
OPEN = StoredExperiment("c0ffee00", "", "2026-11-21T11:00:00+00:00", False, None, 4)


def test_experiments_and_runs_with_what_became_of_them():
    text = render_list([ALONE, KILLED, INSIDE], [DONE, OPEN], style=Style.plain())
    lines = text.splitlines()

    assert [line.split()[0] for line in lines if line and line[0] in "07bcd"] == [
        "b91c20fe", "c0ffee00", "7f3a91c2", "dead0001",
    ]  # fmt: skip
    assert "COSTS MORE" in next(line for line in lines if line.startswith("b91c20fe"))
    assert "INCOMPLETE" in next(line for line in lines if line.startswith("c0ffee00"))
    assert "exit 3" in next(line for line in lines if line.startswith("7f3a91c2"))
    assert "INCOMPLETE" in next(line for line in lines if line.startswith("dead0001"))
    assert "wattleak list --runs-of b91c20fe" in text


def test_the_runs_of_one_experiment_show_their_place():
    text = render_list([INSIDE], [DONE], style=Style.plain())

    assert "bad (block 3)" in text


def test_an_empty_store_says_what_to_type():
    assert "wattleak measure -- COMMAND" in render_list([], [], style=Style.plain())
