"""A search in parallel jobs around trees that bring threads of their own, through a real `wattleak measure`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from test_pairs_seen_at_run_time import evidence, measured

if TYPE_CHECKING:
    from tests.conftest import CommandLine

SEARCH = """\
import sys
import joblib
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.model_selection import GridSearchCV

rows = np.random.default_rng(0).normal(size=(2000, 20))
trees = HistGradientBoostingRegressor(max_iter=int(sys.argv[2]), early_stopping=False)
search = GridSearchCV(trees, {"learning_rate": [0.1]}, n_jobs=2, cv=2, refit=False)
with joblib.parallel_config(sys.argv[1]):
    search.fit(rows, rows[:, 0])
print("searched")
"""


@pytest.mark.sklearn
def test_jobs_of_joblib_around_pools_of_openmp(wattleak: CommandLine) -> None:
    """joblib cuts the pools of its processes down to their share, but leaves what OMP_NUM_THREADS says."""
    program = wattleak.folder / "search.py"
    program.write_text(SEARCH)
    threads = 8 * len(os.sched_getaffinity(0))

    nested = measured(wattleak, str(program), "loky", "35", OMP_NUM_THREADS=str(threads))
    plain = measured(wattleak, str(program), "multiprocessing", "20", OMP_NUM_THREADS="1")

    found = evidence(nested, "PAR001")
    assert found
    assert {(item["path"], item["line"]) for item in found} == {(str(program), 11)}
    said = f"joblib was asked for 2 jobs (loky), and OpenMP in each of them has {threads} threads"
    assert all(said in item["message"] for item in found)
    assert evidence(plain, "PAR001") == []
    names = [phase["name"] for phase in plain["observed"]["phases"]]
    assert names == ["start-up", "training", "after the training"]  # the search is one fit: all of the training
