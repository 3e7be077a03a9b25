"""`python -m benchmarks frameworks [words of study frameworks]`: the study at its default size. Writes docs/results/frameworks.md."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.page import RESULTS
from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.comparison import compare
from wattleak.analysis.feasibility import blocks_needed
from wattleak.analysis.frameworks import frameworks_of
from wattleak.reports import units, words
from wattleak.reports.frameworks import CURVE, explained, warnings
from wattleak.reports.frameworks_tables import (
    curve_table,
    inference_table,
    parts_table,
    price_table,
    target_line,
    target_table,
    training_table,
)
from wattleak.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from wattleak.analysis.frameworks import Frameworks
    from wattleak.model import Experiment
    from wattleak.reports.frameworks_tables import Table

BUSY = 0.7  # CPUs that a program of one thread gets on a machine of its own, at least
STORE = Path(__file__).parent / ".cache" / "frameworks"


def run(asked: list[str]) -> None:
    command = [sys.executable, "-m", "wattleak", "study", "frameworks", "--json", "--store", str(STORE), *asked]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    (STORE / "document.json").write_text(done.stdout, encoding="utf-8")
    document = json.loads(done.stdout)
    (part,) = document["parts"]
    with SqliteStore(STORE) as store:
        experiment = store.experiment(part["experiment_id"])
    path = RESULTS / "frameworks.md"
    path.write_text(page(document, experiment, asked), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def page(document: dict[str, Any], experiment: Experiment, asked: list[str]) -> str:
    (part,) = document["parts"]
    target = part["target"]["accuracy"] if part["target"]["stated"] else None
    found = frameworks_of(experiment, target)
    facts = part["environment"]
    took_s = sum(one["duration_s"] for one in (*part["runs"], *part["warmup_runs"]))
    accelerator = next((facts[key] for key in ("gpus", "gpu") if facts.get(key)), "none")
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    blocks = len(counting_blocks(experiment))
    lines = [
        "# One network in several frameworks",
        "",
        "`wattleak study frameworks`: the same small network (two convolutions, two dense layers), the same first weights, batches, order of",
        f"batches and learning rule in each framework; fresh processes in randomised blocks, {blocks} runs of each. The seed, and with it",
        "weights and order, is another in each block.",
        "",
        *reduced(part, blocks, len(found.costs)),
        f"Machine: {facts['cpu']}, {facts['cpus_allowed']} CPUs allowed, hypervisor {facts['hypervisor']}, {facts['system']}; accelerator: {accelerator}.",
        f"Python {platform.python_version()}, {versions}. {datetime.now(UTC):%Y-%m-%d}, {took_s / 60:.0f} minutes of runs.",
        f"Data: {document['data']}.",
        *([f"Left out, not installed: {', '.join(document['left_out'])}."] if document["left_out"] else []),
        "",
        f"Repeat: `.venv/bin/python -m benchmarks frameworks{' ' if asked else ''}{' '.join(asked)}`.",
        "",
        "## What each costs",
        "",
        *(f"**{line[0].upper()}{line[1:]}.**" for line in warnings(found)),
        *markdown(training_table(found)),
        *markdown(inference_table(found)),
        *markdown(parts_table(found)),
        *(f"- {line[0].upper()}{line[1:]}." for line in explained(found)),
        "",
        "## The verdicts, of whole runs",
        "",
        "Start-up, training, evaluation after each epoch and the inference phase together:",
        "",
        *markdown((("candidate", "verdict", words.title(part["primary_metric"]), "quality"), verdicts(experiment))),
        *price(found),
        "## What a step in JAX is made of",
        "",
        "Of the loops of their own JAX's is the dearest here, and Keras on JAX is like it. Most of it is one operation: the gradient of the maximum over",
        "windows (`reduce_window`, as libraries of layers for JAX write it). 32 gradient steps of 64 images, compiled, one thread, one measurement",
        "by hand (2026-11-21, the machine was busy): 1.64 CPU-seconds; with the same maximum written as a reshape and a maximum over two axes 0.56; without any",
        "maximum 0.54. In the forward pass they differ by nothing to speak of (0.21 and 0.23). `jax_loop.py --pooling reshape` is that program.",
        "",
        "One small network on one machine: which framework is cheapest depends on the network, the batch and the device. What carries over is",
        "how to look: start-up and compiling apart from training, and training apart from inference.",
    ]
    return "\n".join(lines) + "\n"


def reduced(part: dict[str, Any], blocks: int, candidates: int) -> list[str]:
    """What to say of fewer blocks than a verdict takes, and of a machine that others worked on."""
    default = blocks_needed(0.95, candidates - 1)
    lines = []
    if blocks < default:
        lines += [
            f"**Smaller than the default**: {blocks} whole blocks, where the default makes {default}. So few give no verdict,",
            "and nothing here is more than observed.",
            "",
        ]
    shares = sorted(one["cpu_s"] / one["duration_s"] for one in part["runs"] if one["duration_s"])
    if shares and median(shares) < BUSY:
        lines += [
            f"Other work ran on the machine all the time: the programs, with one thread each, got {100 * shares[0]:.0f} to {100 * shares[-1]:.0f} % of a CPU. Wall times say",
            "nothing and are several times those of a quiet machine; CPU time is what can be compared, and shared caches make it dearer, too.",
            "",
        ]
    return lines


def price(found: Frameworks) -> list[str]:
    return [
        "## What a further point of accuracy costs",
        "",
        f"{CURVE[0].upper()}{CURVE[1:]}; evaluations apart:",
        "",
        *markdown(curve_table(found)),
        "Is the last point exponentially dear?",
        "",
        *markdown(price_table(found)),
        "Accuracy is fitted as a function of cost, run by run: a straight line (constant price), its logarithm (exponential price), a power",
        "of the error. One law is said to be better only where the 95 % interval of the logarithm of the ratio of the sums of squares, over",
        "the runs, lies on one side of zero. The candidates train on the same batches from the same weights, so their curves are nearly one:",
        "equal answers are no more certain for being several.",
        "",
        *([f"T{target_line(found)[1:]}:", "", *markdown(target_table(found))] if found.target is not None else []),
    ]


def verdicts(experiment: Experiment) -> list[tuple[str, ...]]:
    rows = []
    for pair in compare(experiment).pairs:
        metric = pair.metrics.get(pair.primary_metric)
        change = "-"
        if metric is not None and metric.change is not None:
            change = " ".join(units.change_with_interval(metric.change, metric.low, metric.high)).strip()
        rows.append((pair.candidate, words.headline(pair), change, pair.quality.state.value.replace("_", " ")))
    return rows


def markdown(table: Table) -> list[str]:
    head, rows = table
    if not rows:
        return []
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows), ""]
