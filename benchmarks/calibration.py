"""The whole experiment with real processes: does it cry wolf, and does it find what is there?

20 A/A experiments (the same program against itself) and 10 A/B experiments (10 % more work), 12 blocks each; then 10 more
A/B experiments with as many blocks as wattleak itself asks for on this machine, from the noise that the first ones
showed. The short programs last a third of a second, so that the noise of a virtual machine gets every chance to look
like an effect; the long ones last about a second, which is still short for a training.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections import Counter

from scipy.stats import binom

from benchmarks import page
from wattleak.analysis.feasibility import blocks_for

BLOCKS = 12
LEVEL, POWER = 0.95, 0.95  # with a power of 0.95 nine or ten of ten are found nine times in ten
WORK = "s = 0\nfor i in range({}): s += i * i"
SHORT, LONG = 3_000_000, 10_000_000  # turns of the loop
EFFECT = 0.1


def experiment(reference: int, candidate: int, blocks: int, seed: int) -> dict[str, object]:
    def command(count: int) -> str:
        return f"{sys.executable} -S -c '{WORK.format(count)}'"

    words = ["compare", command(reference), command(candidate)]
    words += ["--blocks", str(blocks), "--seed", str(seed), "--json", "-q"]
    done = subprocess.run([sys.executable, "-m", "wattleak", *words], capture_output=True, text=True, check=True)
    document: dict[str, object] = json.loads(done.stdout)
    return document


def several(work: int, truth: float, blocks: int, times: int) -> list[dict[str, object]]:
    return [experiment(work, round(work * (1 + truth)), blocks, 1000 + number) for number in range(times)]


def row(label: str, documents: list[dict[str, object]], truth: float) -> list[str]:
    changes = [document["metrics"]["cpu_s"] for document in documents]  # type: ignore[index]
    held = sum(change["low"] <= truth <= change["high"] for change in changes)
    shown = ", ".join(f"{count} {name}" for name, count in verdicts(documents).most_common())
    return [label, str(len(documents)), shown, f"{held} of {len(documents)}"]


def verdicts(documents: list[dict[str, object]]) -> Counter[str]:
    return Counter(str(document["verdict"]) for document in documents)


def spread(document: dict[str, object]) -> float:
    """Standard deviation of the log ratios of an experiment's blocks."""
    blocks: dict[int, dict[str, float]] = {}
    for run in document["runs"]:  # type: ignore[attr-defined]
        if run["block"] >= 0 and not run["failure"]:
            blocks.setdefault(run["block"], {})[run["variant"]] = run["cpu_s"]
    first, second = (variant["name"] for variant in document["design"]["variants"])  # type: ignore[index]
    pairs = [pair for pair in blocks.values() if len(pair) == 2]
    return statistics.stdev(math.log(pair[second] / pair[first]) for pair in pairs)


def run() -> None:
    os.chdir(tempfile.mkdtemp())
    alike = several(SHORT, 0.0, BLOCKS, 20)
    different = several(LONG, EFFECT, BLOCKS, 10)
    noise = statistics.median(spread(document) for document in (*alike, *different))
    promised = max(blocks_for(noise, EFFECT, LEVEL, POWER), BLOCKS)
    enough = several(SHORT, EFFECT, promised, 10)
    wrong = verdicts(alike)["saving"] + verdicts(alike)["costs_more"]
    found, found_promised = (verdicts(documents)["costs_more"] for documents in (different, enough))
    most = int(binom.ppf(0.99, 20, 0.05))
    page.write(
        "calibration",
        "Verdicts of real experiments",
        "Real processes on this machine, primary metric cpu_s. 'Held the truth': the 95 % interval contains the true "
        "change (0 for A/A; for A/B the work is 10 % more, start-up of Python is not, so the true change of the process "
        f"is a little less than 10 %). The third row has as many blocks as a machine of this noise needs for a power of "
        f"{POWER:.0%} (log ratios within a block: standard deviation {noise:.1%}, median of the experiments above).",
        ["experiments", "how many", "verdicts", "held the truth"],
        [
            row(f"A/A, programs of 0.3 s, {BLOCKS} blocks", alike, 0.0),
            row(f"A/B, 10 % more work, programs of 1 s, {BLOCKS} blocks", different, EFFECT),
            row(f"A/B, 10 % more work, programs of 0.3 s, {promised} blocks", enough, EFFECT),
        ],
        f"False verdicts: **{wrong} of 20** (99 % band of 5 %: at most {most}). Difference found: **{found} of 10** with "
        f"{BLOCKS} blocks, **{found_promised} of 10** with {promised} (asked: 9).",
    )
