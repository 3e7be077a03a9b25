"""`python -m benchmarks inference [words of study inference]`: the study at its default size. Writes docs/results/inference.md.

A training of the same kind is measured first (study MOD001's good program, one epoch), so that there is a break-even.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wattleak
from benchmarks.page import RESULTS
from wattleak.reports import units

STORE = Path(__file__).parent / ".cache" / "inference"
TRAINING = Path(wattleak.__file__).parent / "smells" / "improper_model_reuse" / "torch" / "good.py"
REQUESTS = 1_000_000
BLOCKS = 8


def run(asked: list[str]) -> None:
    training = document_of("measure", "--no-probes", "--", sys.executable, str(TRAINING))
    words = ("--training", training["run_id"], "--requests", str(REQUESTS))
    document = document_of("study", "inference", *words, *asked)
    (STORE / "document.json").write_text(json.dumps(document), encoding="utf-8")
    path = RESULTS / "inference.md"
    path.write_text(page(document, training, asked), encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def document_of(verb: str, *words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "wattleak", verb, "--json", "--store", str(STORE), *words]
    STORE.mkdir(parents=True, exist_ok=True)
    # Not in the checkout: an experiment stops when a file there is changed that a run reads.
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=STORE)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def page(document: dict[str, Any], training: dict[str, Any], asked: list[str]) -> str:
    (part,) = document["parts"]
    facts, rows = part["environment"], part["settings"]
    took_s = sum(one["duration_s"] for one in (*part["runs"], *part["warmup_runs"]))
    blocks = part["design"]["blocks"]
    smaller = (
        "" if blocks >= BLOCKS else f" **Smaller than the default**, which makes {BLOCKS}: so few runs give no verdict."
    )
    accelerator = next((facts[key] for key in ("gpus", "gpu") if facts.get(key)), "none")
    even = {one["name"]: one for one in part["break_even"]["settings"]}
    lines = [
        "# What answering requests costs",
        "",
        f"`wattleak study inference{''.join(f' {word}' for word in asked)}`: a small CNN in PyTorch answers requests for one image each, back to back in batches, and",
        "as they come (Poisson arrivals) at two rates. Fresh processes, randomised blocks, warm-up apart.",
        "",
        f"Machine: {facts['cpu']}, {facts['cpus_allowed']} CPUs allowed, hypervisor {facts['hypervisor']}, {facts['system']};",
        f"accelerator: {accelerator}. Python {platform.python_version()}, PyTorch {version('torch')}.",
        f"{datetime.now(UTC):%Y-%m-%d}, {blocks} blocks, {took_s / 60:.0f} minutes of runs.{smaller}{busy(part)}",
        f"{document['data'][0].upper()}{document['data'][1:]}.",
        "",
        "Repeat: `.venv/bin/python -m benchmarks inference`.",
        "",
        "| setting | CPU time of 1,000 requests | energy of 1,000 requests | of it waiting | the machine at rest in that time | warm-up |",
        "|---|---|---|---|---|---|",
        *map(cost_row, rows),
        "",
        "| setting | p50 | p95 | p99 | rests on | answered a second | busy |",
        "|---|---|---|---|---|---|---|",
        *map(time_row, rows),
        "",
        "Ranges: 95 %, of the runs for CPU time and latency, of the reading for energy. Back to back the latency is that of a batch; at a",
        "rate it runs from the moment for which the request was scheduled.",
        "",
        "## Verdicts",
        "",
        "| against batch-1, CPU time a request | change | verdict |",
        "|---|---|---|",
        *map(verdict_row, part["comparisons"]),
        "",
        "## Break-even",
        "",
        f"The training: `{TRAINING.relative_to(Path(wattleak.__file__).parents[2])}` (1,000 images, four epochs), {units.duration(training['cpu_s'])} of CPU time. Its network is the",
        "one that answers. After so many requests inference has cost as much:",
        "",
        f"| setting | requests | share of inference after {REQUESTS:,} |",
        "|---|---|---|",
        *(even_row(row, even[row["name"]]) for row in rows),
        "",
        "Both energies are modelled from CPU time here, so CPU-seconds are set against each other: the model's factor of two is the same",
        "on both sides.",
    ]
    return "\n".join(lines) + "\n"


def busy(part: dict[str, Any]) -> str:
    """What to say where others worked on the machine: back to back, one thread has nothing to wait for but a CPU."""
    at_once = {one["name"] for one in part["settings"] if one["rate_per_s"] is None}
    told = [run["quality"] for run in part["runs"] if run["variant"] in at_once and run["quality"]]
    got = sum(one["working_cpu_s"] for one in told) / sum(one["working_s"] for one in told)
    if got > 0.9:
        return ""
    return f" Other work ran on the machine: back to back\na program got {got:.0%} of a CPU. Latencies are those of a busy machine; CPU time suffers less."


def cost_row(row: dict[str, Any]) -> str:
    warm = row["warm_up"]
    cpu = {name: None if end is None else 1000 * end for name, end in row["cpu_per_request_s"].items()}
    return (
        f"| {row['name']} | {ranged(cpu, 's')} | {joules(row['energy_per_request_j'])} | {waiting(row)} | "
        f"{joules(row['rest_energy_per_request_j'])} | {units.duration(warm['duration_s'])}, first answer {units.duration(warm['first_answer_s'])} |"
    )


def time_row(row: dict[str, Any]) -> str:
    cells = [ranged(row["latency_s"].get(name), "s") for name in ("p50", "p95", "p99")]
    busy = "-" if row["load"] is None else f"{100 * row['load']:.1f} %"
    return f"| {row['name']} | {' | '.join(cells)} | {row['runs']} x {row['latencies_per_run']} | {units.number(row['throughput_per_s'])} | {busy} |"


def verdict_row(pair: dict[str, Any]) -> str:
    metric = pair["metrics"][pair["primary_metric"]]
    change = " ".join(units.change_with_interval(metric["change"], metric["low"], metric["high"]))
    return f"| {pair['candidate']} | {change} | {pair['verdict'].replace('_', ' ')} |"


def even_row(row: dict[str, Any], found: dict[str, Any]) -> str:
    after, share = found["after_requests"], found["total"]["share"]
    return f"| {row['name']} | {many(after['value'])} [{many(after['low'])}, {many(after['high'])}] | {100 * share['value']:.0f} % |"


def ranged(value: dict[str, float | None] | None, unit: str) -> str:
    if value is None:
        return "not given"
    if value["low"] is None or value["high"] is None:
        return units.quantity(value["value"] or 0.0, unit)
    return " ".join(units.interval_in_unit(value["value"] or 0.0, value["low"], value["high"], unit))


def joules(energy: dict[str, Any] | None) -> str:
    if energy is None:
        return "not measured"
    ends = (1000 * energy[name] for name in ("value", "low_j", "high_j"))
    return f"{' '.join(units.interval_in_unit(*ends, 'J'))} {energy['origin']}"


def waiting(row: dict[str, Any]) -> str:
    return f"{100 * row['waiting_cpu_per_request_s'] / row['cpu_per_request_s']['value']:.1f} %"


def many(value: float | None) -> str:
    return "not known" if value is None else f"{float(f'{value:.3g}'):,.0f}"
