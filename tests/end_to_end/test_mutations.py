"""The tests of the statistics are worth something: each classic mistake, put into a copy of the source, fails them.

Every mutation is one edit of one file. The edit must still fit (a mutation that no longer changes anything is reported
as such), and the tests named with it must fail on the copy and pass on the original (the ordinary run shows that).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import wattleak

SOURCE = Path(wattleak.__file__).parent
TESTS = Path(__file__).parents[1] / "unit"

MUTATIONS = {
    "the order becomes sequential": (
        "experiment/design.py",
        "    if design.order is Order.SEQUENTIAL:\n",
        "    if True:\n",
        "experiment/test_pipeline.py experiment/test_run_table.py",
    ),
    "repeated attempts are counted as runs of their own": (
        "analysis/blocks.py",
        "            latest[number] = Block(number, attempt, by_variant)\n",
        "            latest[number * 1000 + attempt] = Block(number, attempt, by_variant)\n",
        "analysis/test_compare_experiment.py",
    ),
    "the test becomes one-sided": (
        "analysis/effect.py",
        "        return float(np.mean(np.abs(sums) >= observed))\n",
        "        return float(np.mean(sums >= observed) / 2)\n",
        "analysis/test_paired_effect.py",
    ),
    "the interval becomes one-sided": (
        "analysis/effect.py",
        "    tail = (1.0 - level) / 2.0\n",
        "    tail = 1.0 - level\n",
        "experiment/test_selftest.py analysis/test_paired_effect.py",
    ),
    "Holm is dropped": (
        "analysis/comparison.py",
        "        level = adjusted_level(design.level, len(undecided))\n",
        "        level = design.level\n",
        "experiment/test_early_stopping.py",
    ),
    "the looks share no error": (
        "analysis/sequential.py",
        "    levels = look_levels(stopping, level)\n    reached",
        "    levels = (level,) * len(stopping.looks)\n    reached",
        "analysis/test_looking_early.py experiment/test_early_stopping.py",
    ),
    "anybody may peek after every block": (
        "experiment/race.py",
        "        if reached <= self._looked:\n            return\n",
        "        if len(counting_blocks(experiment)) < 7:\n            return\n",
        "experiment/test_early_stopping.py",
    ),
    "a worse result does not matter": (
        "analysis/verdict.py",
        "    return Verdict.TRADE_OFF if",
        "    return verdict if",
        "analysis/test_verdict_and_grade.py",
    ),
    "the whim of a day confirms": (
        "analysis/verdict.py",
        " and _sure(means, level):",
        ":",
        "experiment/test_selftest.py analysis/test_verdict_and_grade.py",
    ),
    "a failed run counts": (
        "analysis/blocks.py",
        "    return run.failure is None and run.measurement.complete\n",
        "    return True\n",
        "analysis/test_compare_experiment.py",
    ),
}


@pytest.mark.parametrize("mistake", MUTATIONS)
def test_a_classic_mistake_is_caught(mistake: str, tmp_path: Path) -> None:
    name, before, after, tests = MUTATIONS[mistake]
    shutil.copytree(SOURCE, tmp_path / "wattleak", ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    path = tmp_path / "wattleak" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"the mutation no longer fits {name}: write it anew"
    path.write_text(text.replace(before, after), encoding="utf-8")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            *(str(TESTS / test) for test in tests.split()),
        ],
        env={**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, f"no test noticed that {mistake}:\n{done.stdout[-2000:]}"
