"""`python -m benchmarks data [words of study data]`: the study at its default size. Writes docs/results/data.md."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.page import RESULTS
from wattleak.analysis.comparison import compare
from wattleak.analysis.data_costs import data_costs
from wattleak.cli.study_data import effects_of
from wattleak.reports import units, words
from wattleak.reports.data_study import cost_table, effect_tables, io_table, label, notes
from wattleak.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Experiment

STORE = Path(__file__).parent / ".cache" / "data"
PACKAGES = ("numpy", "pillow", "pyarrow", "tensorflow-cpu", "tensorflow", "torch")
TITLES = {
    "formats": "Formats, in the order in which they are stored, from memory",
    "page-cache": "With and without the page cache",
    "access": "Order of access to a raw array",
    "workers": "Loader workers, beside a training",
}


def run(asked: list[str]) -> None:
    command = [sys.executable, "-m", "wattleak", "study", "data", "--json", "--store", str(STORE), *asked]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    (STORE / "document.json").write_text(done.stdout, encoding="utf-8")
    document = json.loads(done.stdout)
    path = RESULTS / "data.md"
    path.write_text(page(document, asked), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def page(document: dict[str, Any], asked: Sequence[str]) -> str:
    parts = document["parts"]
    facts = parts[0]["environment"]
    runs = [run for part in parts for run in (*part["runs"], *part["warmup_runs"])]
    took_s = sum(run["duration_s"] for run in runs)
    lines = [
        "# What it costs to deliver samples",
        "",
        "`wattleak study data`: the same samples stored in several formats and delivered in batches of 64, epoch after epoch, in fresh",
        "processes and randomised blocks.",
        "",
        f"Machine: {facts['cpu']}, {facts['cpus_allowed']} CPUs allowed, hypervisor {facts['hypervisor']}, {facts['system']}.",
        f"Python {platform.python_version()}, {', '.join(installed())}.",
        f"{datetime.now(UTC):%Y-%m-%d}, {took_s / 60:.1f} minutes of {len(runs)} runs.",
        f"Data: {document['data']}.",
        f"{document['samples'][0].upper()}{document['samples'][1:]}.",
        *(f"{line[0].upper()}{line[1:]}." for line in document["left_out"]),
        "",
        f"Repeat: `.venv/bin/python -m benchmarks data{' ' if asked else ''}{' '.join(asked)}`.",
        "",
    ]
    with SqliteStore(STORE) as store:
        for part in parts:
            experiment = store.experiment(part["experiment_id"])
            lines += [f"## {TITLES[part['part']]}", "", *section(experiment)]
    return "\n".join(lines) + "\n"


def section(experiment: Experiment) -> list[str]:
    costs = data_costs(experiment)
    lines = [f"{experiment.plan.design.blocks} runs of each.", ""]
    for table in (cost_table(costs), io_table(costs)):
        lines += [*markdown(table), ""]
    for table in effect_tables(effects_of(experiment)):
        lines += ["What a level changes, per sample, dropping of pages left out:", "", *markdown(table), ""]
    lines += ["Verdicts:", "", *markdown(verdicts(experiment)), ""]
    return [*lines, *(f"- {line[0].upper()}{line[1:]}." for line in notes(costs)), ""]


def verdicts(experiment: Experiment) -> list[tuple[str, ...]]:
    levels = {variant.name: variant.levels for variant in experiment.plan.design.variants}
    comparison = compare(experiment)
    reference = comparison.pairs[0].reference
    rows: list[tuple[str, ...]] = [
        (
            f"against {label(reference, levels[reference])}",
            words.title(comparison.pairs[0].primary_metric),
            "verdict",
            "samples",
        )
    ]
    for pair in comparison.pairs:
        metric = pair.metrics.get(pair.primary_metric)
        change = "-"
        if metric is not None and metric.change is not None:
            change = " ".join(units.change_with_interval(metric.change, metric.low, metric.high)).strip()
        state = pair.quality.state.value.replace("_", " ")
        rows.append((label(pair.candidate, levels[pair.candidate]), change, words.headline(pair), state))
    return rows


def markdown(table: Sequence[Sequence[str]]) -> list[str]:
    head, *rows = table
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def installed() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found
