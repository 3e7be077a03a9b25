"""`python -m benchmarks combined [words of study combined]`: measures that save energy, together, at the default size.

Writes docs/results/combined.md from a real run, whose document stays in benchmarks/.cache/combined/.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.page import RESULTS
from wattleak.reports import units

STORE = Path(__file__).parent / ".cache" / "combined"


def run(asked: list[str]) -> None:
    command = [sys.executable, "-m", "wattleak", "study", "combined", "--json", "--store", str(STORE), *asked]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    document = json.loads(done.stdout)
    path = RESULTS / "combined.md"
    path.write_text(page(document, " ".join(asked)), encoding="utf-8")
    (STORE / "document.json").write_text(done.stdout, encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def page(document: dict[str, Any], asked: str) -> str:
    (part,) = document["parts"]
    facts, design = part["environment"], part["design"]
    took_s = sum(run["duration_s"] for run in (*part["runs"], *part["warmup_runs"]))
    busy = sum(run["cpu_s"] for run in part["runs"]) / sum(run["duration_s"] for run in part["runs"])
    threads = os.environ.get("OMP_NUM_THREADS")
    own = f"OMP_NUM_THREADS={threads}" if threads else ""
    repeat = " ".join(filter(None, (own, ".venv/bin/python -m benchmarks combined", asked)))
    lines = [
        "# Measures together: what each saves, and what they do to each other",
        "",
        f"`wattleak study combined{' ' + asked if asked else ''}`: {len(design['variants'])} combinations, {part['effects']['blocks']} randomised blocks, {len(part['runs'])} runs in fresh processes.",
        f"What is run: `{program(design)}`.",
        "",
        f"Machine: {facts['cpu']}, {facts['cpus_allowed']} CPUs allowed, hypervisor {facts['hypervisor']}, {facts['system']}.",
        f"Python {platform.python_version()}, PyTorch {version('torch')}. {datetime.now(UTC):%Y-%m-%d}, {took_s / 60:.0f} minutes of runs, which got {busy:.2f} CPUs on average.",
        f"Data: {document['data']}.",
        f"Repeat: `{repeat}`.",
        *reduced(asked, part),
        "",
        "## Main effects",
        "",
        *effects(part["effects"]["main"], "verdict"),
        "",
    ]
    if part["effects"]["interactions"]:
        lines += ["## Interactions", "", *effects(part["effects"]["interactions"], "interaction"), ""]
    if part["effects"]["not_told"]:
        lines += [f"Not to be told from these combinations: {', '.join(part['effects']['not_told'])}.", ""]
    return "\n".join([*lines, "## Conclusions", "", *conclusions(part["conclusions"]), ""])


def reduced(asked: str, part: dict[str, Any]) -> list[str]:
    """What to say of a run that was made smaller than the default, and what the default would take."""
    if not asked:
        return []
    epochs = [sum(span["cpu_s"] for span in run["spans"] if span["name"] == "epoch") for run in part["runs"]]
    whole = [run["cpu_s"] for run in part["runs"]]
    each = sum(epochs) / len(epochs) / part["runs"][0]["quality"]["samples"]
    rest = (sum(whole) - sum(epochs)) / len(whole)
    return [
        "",
        "**Not the default**, which is batch, threads and model (8 combinations, 9 blocks and one to warm up: 80 runs) on 4,000 images",
        f"and 2 epochs. A run here took {sum(whole) / len(whole):.1f} CPU-seconds, {rest:.1f} of them start-up and evaluation. With the {1000 * each:.2f} CPU-ms that an image",
        f"took here, the default would take {80 * (rest + 8000 * each) / 60:.0f} CPU-minutes; it was not run to its end on this machine on this day.",
    ]


def program(design: dict[str, Any]) -> str:
    command = design["variants"][0]["command"]
    place = next(place for place, word in enumerate(command) if word.endswith(".py"))
    return " ".join([Path(command[place]).name, *command[place + 1 :]])


def effects(rows: list[dict[str, Any]], said: str) -> list[str]:
    head = [f"| | CPU time | wall time | {'quality | ' if said == 'verdict' else ''}{said} |"]
    head.append("|" + "---|" * (head[0].count("|") - 1))
    for row in rows:
        name = " x ".join(f"{step['factor']} {step['from']} → {step['to']}" for step in row["steps"])
        cells = [change(row["metrics"][metric]) for metric in ("cpu_s", "duration_s")]
        if said == "verdict":
            cells.append(quality(row["quality"]))
        if row["aliases"]:
            name += f" (= {' = '.join(row['aliases'])})"
        head.append(f"| {' | '.join([name, *cells, row[said].replace('_', ' ')])} |")
    return head


def conclusions(found: dict[str, Any]) -> list[str]:
    if found["why_no_saving"]:
        return [f"No saving in joules: {found['why_no_saving']}."]
    lines = [
        f"| | improvement | quality | energy a run | energy, {found['per']} | CO2e, {found['per']} | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in found["measures"]:
        joules, fleet = row["saving_j"], row["fleet"]
        cells = [
            row["name"] if row["what"] == "main effect" else f"{row['what']}: {row['name']}",
            change(row),
            quality(row["quality"]),
            "not known" if joules is None else amount(joules, "J", "low_j", "high_j"),
            "not known" if fleet is None else amount(fleet["energy_kwh"], "Wh", factor=1000),
            "not known" if fleet is None else amount(fleet["carbon_kg"], "g", factor=1000),
            f"{row['verdict'].replace('_', ' ')} [{row['grade']}]",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def change(row: dict[str, Any]) -> str:
    return " ".join(units.change_with_interval(row["change"], row["low"], row["high"])).strip()


def quality(row: dict[str, Any]) -> str:
    if row["difference"] is None:
        return str(row["state"])
    return f"{row['state']} {' '.join(units.difference(row['difference'], row['low'], row['high']))}".strip()


def amount(row: dict[str, Any], unit: str, low: str = "low", high: str = "high", factor: float = 1.0) -> str:
    ends = (row["value"] * factor, row[low] * factor, row[high] * factor)
    return f"{' '.join(units.interval_in_unit(*ends, unit))} {row['origin']}"
