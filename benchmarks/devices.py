"""The page of `wattleak study devices`: the same job on the CPU, with one thread and with all, and on what else is here.

    python -m benchmarks devices --data pneumoniamnist [options of the study] [-- words for the program]

The images are downloaded with a checksum, or come from $WATTLEAK_DATA_DIR.
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

from benchmarks.page import RESULTS
from wattleak.reports import units

DEFAULT_BLOCKS = 6
WHOLE_RUN = ("duration_s", "cpu_s", "attributed_energy_j", "gpu_energy_j")
STORE = Path(__file__).parent / ".cache" / "devices"


def run(asked: list[str]) -> None:
    command = [sys.executable, "-m", "wattleak", "study", "devices", "--json", "--store", str(STORE), *asked]
    STORE.mkdir(parents=True, exist_ok=True)  # the runs work there: in the checkout others may read and write
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=STORE)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    path = RESULTS / "devices.md"
    path.write_text(page(json.loads(done.stdout), asked), encoding="utf-8")
    (STORE / "document.json").write_text(done.stdout, encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def page(document: dict[str, Any], asked: list[str]) -> str:
    (part,) = document["parts"]
    facts = part["environment"]
    took_s = sum(run["duration_s"] for run in (*part["runs"], *part["warmup_runs"]))
    absent = [f"no {one['kind']}: {one['why']}" for one in document["absent"]]
    lines = [
        "# The same job on each device of a machine",
        "",
        f"`wattleak study devices {' '.join(asked)}`".replace(" `", "`"),
        "",
        *reduced(part),
        f"Machine: {facts['cpu']}, {facts['cpus_allowed']} CPUs allowed, hypervisor {facts['hypervisor']}, {facts['system']};",
        f"{'; '.join(absent) or 'every kind of accelerator is there'}.",
        f"Python {platform.python_version()}, PyTorch {version('torch')}. {datetime.now(UTC):%Y-%m-%d}, {took_s / 60:.1f} minutes of runs.{busy(part)}",
        f"Data: {document['data']}.",
        "",
        f"{part['design']['blocks']} runs of each device in randomised blocks, and {part['design']['warmups']} to warm up; `{document['job']}`.",
        f"What decides: {part['design']['metric']}.",
        "",
        *table(part),
        "",
        *verdicts(part),
    ]
    return "\n".join(lines) + "\n"


def reduced(part: dict[str, Any]) -> list[str]:
    """What to say of a run that was made smaller than the default."""
    if part["design"]["blocks"] >= DEFAULT_BLOCKS:
        return []
    return [
        f"**Smaller than the default**: {part['design']['blocks']} runs of each device where the default makes {DEFAULT_BLOCKS} (and one to warm up), and fewer images",
        "(the command above; of an option that stands twice the last one counts). So few runs give no verdict, and nothing here is",
        "more than observed. That the default stays within 15 minutes on two idle CPUs was not seen.",
        "",
    ]


def busy(part: dict[str, Any]) -> str:
    """What to say where others worked on the machine at the same time."""
    use = {row["name"]: row["cpu_use"] for row in part["devices"] if row["cpu_use"] is not None}
    every = part["devices"][0]["name"]
    if use.get(every, 1.0) > 0.7:
        return ""
    return f"\nOther work ran on the machine: {every} got {share(use[every])} of its CPUs. Wall times are longer than on a quiet one, CPU time less so."


def table(part: dict[str, Any]) -> list[str]:
    lines = [
        "| device | | samples/s | energy a sample | CO2e of 1,000 samples | accuracy | AUC | CPU use | from |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in part["devices"]:
        speed = "not measured" if row["samples_per_s"] is None else units.number(row["samples_per_s"])
        lines.append(
            f"| {row['name']} | {row['title']} | {speed} | {ranged(row['energy_per_sample_j'], 'J', 1)} | "
            f"{ranged(row['carbon_per_sample_g'], 'g', 1000)} | {figure(row['accuracy'])} | {figure(row['auc'])} | "
            f"{share(row['cpu_use'])} | {row['source']} |"
        )
    return lines


def verdicts(part: dict[str, Any]) -> list[str]:
    """Each candidate against all threads of the CPU: by what decides, in bold, and by whole runs."""
    lines = ["| against | candidate | metric | change | 95 % interval | origin |", "|---|---|---|---|---|---|"]
    for pair in part["comparisons"]:
        for name, metric in pair["metrics"].items():
            if name in {pair["primary_metric"], *WHOLE_RUN} and metric["change"] is not None:
                change, interval = units.change_with_interval(metric["change"], metric["low"], metric["high"])
                mark = "**" if name == pair["primary_metric"] else ""
                lines.append(
                    f"| {pair['reference']} | {pair['candidate']} | {mark}{name}{mark} | {change} | {interval} | {metric['origin']} |"
                )
        lines += [
            "",
            f"{pair['candidate']}: {pair['verdict'].replace('_', ' ').upper()} [{pair['grade']}], quality {pair['quality']['state']}.",
            "",
        ]
    return lines


def ranged(estimate: dict[str, Any] | None, unit: str, times: float) -> str:
    if estimate is None:
        return "not measured"
    value = units.quantity(estimate["value"] * times, unit)
    if estimate["low"] is None:
        return f"{value} {estimate['origin']}"
    low, high = (units.quantity(estimate[end] * times, unit) for end in ("low", "high"))
    return f"{value} [{low}, {high}] {estimate['origin']}"


def figure(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"


def share(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.0f} %"
