"""`python -m benchmarks compression [words of study compression]`: the study in both frameworks, 23 minutes.

Writes docs/results/compression.md. `--framework all` is added here; `--data jets` asks for the second network.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.page import RESULTS
from wattleak.analysis.comparison import compare
from wattleak.analysis.compression_costs import compression_costs
from wattleak.reports import units, words
from wattleak.reports.compression import cost_table, explained, latency_table, model_table
from wattleak.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from wattleak.model import Experiment
    from wattleak.reports.compression import Table

STORE = Path(__file__).parent / ".cache" / "compression"
TITLES = {"torch": "PyTorch", "keras": "Keras and LiteRT"}
WHOLE_CPU = 0.8  # of one CPU; a program that works alone gets more than that


def run(asked: list[str]) -> None:
    command = [sys.executable, "-m", "wattleak", "study", "compression", "--json", "--store", str(STORE)]
    framework = () if "--framework" in asked else ("--framework", "all")
    before, dashes, after = _parted(asked)
    done = subprocess.run(
        [*command, *framework, *before, *dashes, *after], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    document = json.loads(done.stdout)
    path = RESULTS / "compression.md"
    path.write_text(page(document, asked), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def _parted(asked: list[str]) -> tuple[list[str], list[str], list[str]]:
    """Words for the study, and those for its programs."""
    place = asked.index("--") if "--" in asked else len(asked)
    return asked[:place], asked[place : place + 1], asked[place + 1 :]


def page(document: dict[str, Any], asked: list[str]) -> str:
    parts = document["parts"]
    facts = parts[0]["environment"]
    took_s = sum(one["duration_s"] for part in parts for one in (*part["runs"], *part["warmup_runs"]))
    used = ("torch", "tensorflow-cpu", "tensorflow", "keras", "ai-edge-litert")
    versions = ", ".join(f"{name} {version(name)}" for name in used if _installed(name))
    lines = [
        "# One classifier, compressed",
        "",
        "`wattleak study compression`: one model is trained once, and every variant begins with its weights, in PyTorch and in Keras; fresh",
        "processes in randomised blocks.",
        "",
        f"Machine: {facts['cpu']}, {facts['cpus_allowed']} CPUs allowed, hypervisor {facts['hypervisor']}, {facts['system']}.",
        f"Python {platform.python_version()}, {versions}. {datetime.now(UTC):%Y-%m-%d}, {took_s / 60:.0f} minutes of runs.",
        "",
        f"Repeat: `.venv/bin/python -m benchmarks compression{' ' if asked else ''}{' '.join(asked)}`.",
        "",
    ]
    lines += [f"## {document['data'].partition(':')[0]}: {document['model'].partition(',')[0]}", ""]
    lines += [f"Data: {document['data']}.", "", f"Model: {document['model']}.", ""]
    with SqliteStore(STORE) as store:
        for part in parts:
            lines += section(part, store.experiment(part["experiment_id"]))
    return "\n".join(lines) + "\n"


def _installed(name: str) -> bool:
    return find_spec(name.replace("-cpu", "").replace("-", "_")) is not None and _known(name)


def _known(name: str) -> bool:
    try:
        version(name)
    except ImportError:  # PackageNotFoundError is one: tensorflow-cpu fills the folder of tensorflow
        return False
    return True


def section(part: dict[str, Any], experiment: Experiment) -> list[str]:
    comparison = compare(experiment)
    costs = compression_costs(experiment, comparison)
    rows: list[tuple[str, ...]] = []
    for pair in comparison.pairs:
        metric = pair.metrics.get(pair.primary_metric)
        change = "-"
        if metric is not None and metric.change is not None:
            change = " ".join(units.change_with_interval(metric.change, metric.low, metric.high)).strip()
        rows.append((pair.candidate, words.headline(pair), change, pair.quality.state.value.replace("_", " ")))
    busy = [cost.batched.cpu_s.value / cost.batched.duration_s.value for cost in costs if cost.batched]
    program = part["design"]["variants"][0]["command"]
    given = " ".join(program[program.index("--weights") + 2 :])
    verdicts = (("candidate", "verdict", words.title(part["primary_metric"]), "accuracy over the runs"), rows)
    return [
        f"### {TITLES[part['part']]}",
        "",
        f"{part['design']['blocks']} runs of each variant{f', programs with `{given}`' if given else ''}.",
        *([shared(min(busy), max(busy))] if min(busy) < WHOLE_CPU else []),
        "",
        *markdown(cost_table(costs)),
        *markdown(latency_table(costs)),
        *markdown(model_table(costs)),
        *markdown(verdicts),
        *(f"- {sentence}." for sentence in part["findings"]),
        *(f"- left out: {one['variant']}: {one['why']}." for one in part["left_out"]),
        *(f"- {sentence[0].upper()}{sentence[1:]}." for sentence in explained(costs)),
        "",
    ]


def shared(low: float, high: float) -> str:
    """What to say where others worked on the machine at the same time."""
    return (
        f"Other work ran on the machine: while it answered, a program got {100 * low:.0f} to {100 * high:.0f} % of one CPU. Latencies and wall times\n"
        "are longer than on a quiet machine, and say little; CPU time is what can be compared."
    )


def markdown(table: Table) -> list[str]:
    head, rows = table
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows), ""]
