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
        f"{datetime.now(UTC):%Y-%m-%d}, {took_s / 60:.1f} minutes of {len(runs)} runs. {busy(runs, took_s)}",
        f"Data: {document['data']}.",
        f"{document['samples'][0].upper()}{document['samples'][1:]}.",
        *(f"{line[0].upper()}{line[1:]}." for line in document["left_out"]),
        *(
            ["**Smaller than the default**, which has 16 MiB of pixels and one more block to warm up."]
            if "--raw-mb" in asked
            else []
        ),
        "",
        f"Repeat: `.venv/bin/python -m benchmarks data{' ' if asked else ''}{' '.join(asked)}`.",
        "",
    ]
    with SqliteStore(STORE) as store:
        experiments = [store.experiment(part["experiment_id"]) for part in parts]
    for part, experiment in zip(parts, experiments, strict=True):
        lines += [f"## {TITLES[part['part']]}", "", *section(experiment)]
    said = dict.fromkeys(note for experiment in experiments for note in notes(data_costs(experiment)))
    lines += ["## How to read it", "", *(f"- {note[0].upper()}{note[1:]}." for note in said)]
    return "\n".join(lines) + "\n"


def busy(runs: Sequence[dict[str, Any]], took_s: float) -> str:
    """What to say where these programs, most of which use one CPU, got much less: wall times are then not theirs."""
    got = sum(run["cpu_s"] for run in runs) / took_s
    if got > 0.8:
        return ""
    return (
        f"Other work ran on the machine\nall the time: these programs got {got:.1f} of a CPU, so wall times and samples per second "
        "are of this busy machine; CPU time\nis what can be compared."
    )


def section(experiment: Experiment) -> list[str]:
    costs = data_costs(experiment)
    lines = [f"{experiment.plan.design.blocks} runs of each.", "", *markdown(cost_table(costs)), ""]
    lines += ["Bytes read:", "", *markdown(io_table(costs)), ""]
    tables = effect_tables(effects_of(experiment))
    lines += ["What a level changes, per sample, dropping of pages left out:", ""] if tables else []
    for table in tables:
        lines += [*markdown(table), ""]
    return [*lines, "Verdicts:", "", *markdown(verdicts(experiment)), ""]


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
