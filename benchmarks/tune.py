"""`wattleak tune` on curves whose optimum is known, and on a real one whose optimum everybody should know.

python -m benchmarks tune             100 searches of each curve and noise, scripted; then real processes, 2 CPUs
python -m benchmarks tune scripted    the first part only
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.page import RESULTS
from wattleak.environment.fingerprint import fingerprint
from wattleak.experiment.noise_models import MODELS, NoiseModel
from wattleak.experiment.search_trial import search

SEED = 20_261_121
TIMES = 100
CURVES = {
    "threads: U, the best 12 % ahead": {
        "1": 1.0, "2": 0.62, "3": 0.50, "4": 0.56, "6": 0.80, "8": 1.30, "16": 2.60, "32": 9.00,
    },
    "batch: falls and levels off, the best 6 % ahead": {
        "8": 1.0, "16": 0.64, "32": 0.45, "64": 0.36, "128": 0.318, "256": 0.30, "512": 0.34,
    },
    "two factors: 16 settings, the best 30 % ahead": {
        f"{a}x{b}": round(0.5 * (1 + 0.10 * abs(a - 2) + 0.25 * (a - 2) ** 2) * (1 + 0.10 * abs(b - 1) + 0.2 * (b - 1) ** 2), 4)
        for a in range(4)
        for b in range(4)
    },
}  # fmt: skip
NOISES = [model for model in MODELS if model.sessions == 1]
HGB = """
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

import wattleak

rng = np.random.default_rng(0)
x = rng.normal(size=(1_000, 5))
y = (x[:, :5].sum(axis=1) + rng.normal(size=1_000) > 0).astype(int)
while True:  # a step is one training; start-up (imports, the first training) stands apart
    HistGradientBoostingClassifier(max_iter=3, early_stopping=False, random_state=0).fit(x, y)
    wattleak.step(samples=len(x))
"""


def one(curve: str, model: str, number: int) -> tuple[bool, bool, int, int, float]:
    """Found? Still among the best? Runs made and in the grid, and the energy of the search over that of the grid."""
    (noise,) = (item for item in NOISES if item.name == model)
    costs = CURVES[curve]
    found = search(costs, noise, (SEED, number, NOISES.index(noise), list(CURVES).index(curve)))
    spent = sum(costs[run.variant] for run in found.experiment.runs)
    grid = found.tuning.full_grid * statistics.fmean(costs.values())
    return found.is_right, found.kept_the_best, found.tuning.runs, found.tuning.full_grid, spent / grid


def lowest_mean(curve: dict[str, float], noise: NoiseModel, blocks: int, times: int = 1000) -> float:
    """How often a grid of so many blocks finds the best by its lowest mean alone, without saying how sure it is."""
    rng = np.random.default_rng([SEED, blocks, NOISES.index(noise)])
    names = list(curve)
    right = 0
    for _ in range(times):
        factor = noise.make(rng)
        logs = [
            statistics.fmean(np.log(curve[name] * factor(name != names[0], block / blocks)) for block in range(blocks))
            for name in names
        ]
        right += names[int(np.argmin(logs))] == min(curve, key=lambda name: curve[name])
    return right / times


def scripted() -> list[str]:
    rows = []
    with ProcessPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for curve, costs in CURVES.items():
            for noise in NOISES:
                done = list(pool.map(one, [curve] * TIMES, [noise.name] * TIMES, range(TIMES), chunksize=10))
                right, kept = sum(item[0] for item in done), sum(item[1] for item in done)
                runs, grid = statistics.fmean(item[2] for item in done), done[0][3]
                energy = statistics.fmean(item[4] for item in done)
                blocks = max(1, round(runs / len(costs)))
                plain = lowest_mean(costs, noise, blocks)
                rows.append(
                    f"| {curve} | {noise.title} | {right} | {kept} | {runs:.1f} of {grid} | {1 - runs / grid:.0%} | "
                    f"{1 - energy:.0%} | {plain:.1%} ({blocks} blocks) |"
                )
                print(rows[-1], flush=True)
    return rows


def real() -> dict[str, object]:
    """The thread count of a histogram gradient boosting: published as 45 times dearer with 32 threads on 2 CPUs."""
    folder = Path(tempfile.mkdtemp())
    (folder / "train.py").write_text(HGB)
    words = [
        "tune", "-F", "OMP_NUM_THREADS=32,8,4,2,1", "--steps", "12", "--interval", "0.05", "--blocks", "6", "--json", "-q",
        "--seed", "20261121", "--", sys.executable, "train.py",
    ]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "wattleak", *words], cwd=folder, capture_output=True, text=True, check=True
    )
    identity = json.loads(done.stdout)
    text = subprocess.run(
        [sys.executable, "-m", "wattleak", "report", str(identity["experiment_id"]), "--format", "text"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    identity["text"] = text.stdout
    return identity


def run(words: list[str] | None = None) -> None:
    """Write docs/results/tune.md."""
    rows = scripted()
    if words != ["scripted"]:
        text = str(real()["text"])
        write(rows, text, os.getloadavg()[0])


def write(rows: list[str], real_text: str, load: float) -> None:
    """The page, from the rows of the scripted searches and the report of the real one."""
    cells = [row.split(" | ") for row in rows]
    found = [int(cell[2]) for cell in cells]
    made = [cell[4].split(" of ") for cell in cells]
    fewer = [1 - float(runs) / float(grid) for runs, grid in made]
    facts = fingerprint()
    head = "| curve | noise | found of 100 | best not thrown out | runs | fewer runs | less energy | lowest mean of as many runs |"
    table = "\n".join([head, "|---|---|---|---|---|---|---|---|", *rows])
    text = f"""# The search of `tune`, on curves whose optimum is known

{TIMES} searches of each curve under each noise, through the real pipeline with scripted costs (`wattleak selftest` uses the
same one): 12 blocks at most, 6 fresh blocks of winner and reference, 1 warm-up block, level 95 %. *Runs*: all that were
made, warm-ups and fresh ones included, of those of the full grid (every setting in every block of the race). *Less energy*:
against the same grid; the dear settings leave first. *Best not thrown out*: the race promises 95. *Lowest mean of as many
runs*: a plain grid that makes the same number of runs and takes the lowest mean. On these curves it names the best setting
as often; it does not say how sure that is, nor what is saved.

{table}

The optimum is found in at least {min(found)} of 100 searches in every row. At least 40 % fewer runs: {sum(part >= 0.4 for part in fewer)} of
{len(fewer)} rows; the fewest are {min(fewer):.0%}, where settings are noisy for how close they are.

## Real processes: threads of a histogram gradient boosting on 2 CPUs

scikit-learn's `HistGradientBoostingClassifier`, 1,000 rows, 3 iterations a training, `OMP_NUM_THREADS` 32, 8, 4, 2, 1,
12 trainings (`--steps 12`) after the first in each process. 32 threads had been seen to be 45 times dearer in CPU time on
2 CPUs. Load average of this machine at the end: {load:.1f}. On a busy one wall times are long, threads that wait for each
other are dearer than on an idle one, and intervals are wide; the order of the runs is random in each block.

```
{real_text.rstrip()}
```

Machine: {facts["cpu"]}, {facts["cpus_allowed"]} CPUs allowed, hypervisor {facts["hypervisor"]}, {facts["system"]},
Python {platform.python_version()}. Date: {datetime.now(UTC):%Y-%m-%d}. Repeat: `.venv/bin/python -m benchmarks tune`.
"""
    (RESULTS / "tune.md").write_text(text, encoding="utf-8")
