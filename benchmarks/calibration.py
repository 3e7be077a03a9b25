"""The whole experiment with real processes: does it cry wolf, and does it find what is there?

20 A/A experiments (the same program against itself) and 10 A/B experiments (10 % more work), 12 blocks each. The A/A
programs last a third of a second, so that the noise of a virtual machine gets every chance to look like an effect; the
A/B programs last about a second, which is still short for a training.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter

from scipy.stats import binom

from benchmarks import page

BLOCKS = 12
WORK = "s = 0\nfor i in range({}): s += i * i"
SHORT, LONG = 3_000_000, 10_000_000  # turns of the loop
EXPERIMENTS = (("A/A, programs of 0.3 s", SHORT, 0.0, 20), ("A/B, 10 % more work, programs of 1 s", LONG, 0.1, 10))


def experiment(reference: int, candidate: int, seed: int) -> dict[str, object]:
    def command(count: int) -> str:
        return f"{sys.executable} -S -c '{WORK.format(count)}'"

    words = [
        "compare",
        command(reference),
        command(candidate),
        "--blocks",
        str(BLOCKS),
        "--seed",
        str(seed),
        "--json",
        "-q",
    ]
    done = subprocess.run([sys.executable, "-m", "wattleak", *words], capture_output=True, text=True, check=True)
    document: dict[str, object] = json.loads(done.stdout)
    return document


def run() -> None:
    os.chdir(tempfile.mkdtemp())
    rows = []
    summaries = []
    for label, work, truth, times in EXPERIMENTS:
        documents = [experiment(work, round(work * (1 + truth)), 1000 + number) for number in range(times)]
        verdicts = Counter(str(document["verdict"]) for document in documents)
        changes = [document["metrics"]["cpu_s"] for document in documents]  # type: ignore[index]
        held = sum(change["low"] <= truth <= change["high"] for change in changes)
        rows.append(
            [
                label,
                str(times),
                ", ".join(f"{count} {name}" for name, count in verdicts.most_common()),
                f"{held} of {times}",
            ]
        )
        summaries.append(verdicts)
    wrong = summaries[0]["saving"] + summaries[0]["costs_more"]
    found = summaries[1]["costs_more"]
    most = int(binom.ppf(0.99, 20, 0.05))
    page.write(
        "calibration",
        "Verdicts of real experiments",
        f"Real processes on this machine, {BLOCKS} blocks each, primary metric cpu_s. 'Held the truth': the 95 % interval "
        "contains the true change (0 for A/A; for A/B the work is 10 % more, start-up of Python is not, so the true "
        "change of the process is a little less than 10 %).",
        ["experiments", "how many", "verdicts", "held the truth"],
        rows,
        f"False verdicts: **{wrong} of 20** (99 % band of 5 %: at most {most}). Difference found: **{found} of 10** (asked: 9).",
    )
