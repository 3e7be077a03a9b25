"""`python -m benchmarks models [words of study models]`: the study of image models at its default size, beside the published table.

Writes docs/results/models.md. Give --data pneumoniamnist (downloaded), or have it in $WATTLEAK_DATA_DIR.
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
from wattleak.workloads.image_models import MODELS

DEFAULT_BLOCKS = {"steps": 8, "training": 6}
STORE = Path(__file__).parent / ".cache" / "models"
TITLES = {model.name: model.title for model in MODELS}


def run(asked: list[str]) -> None:
    command = [sys.executable, "-m", "wattleak", "study", "models", "--json", "--store", str(STORE), *asked]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    document = json.loads(done.stdout)
    path = RESULTS / "models.md"
    path.write_text(page(document), encoding="utf-8")
    (STORE / "document.json").write_text(done.stdout, encoding="utf-8")
    print(path.read_text(encoding="utf-8"))


def page(document: dict[str, Any]) -> str:
    parts = {part["part"]: part for part in document["parts"]}
    took_s = sum(run["duration_s"] for part in document["parts"] for run in (*part["runs"], *part["warmup_runs"]))
    facts = document["parts"][0]["environment"]
    accelerator = next((facts[key] for key in ("gpus", "gpu") if facts.get(key)), "none")
    lines = [
        "# Six image models: what they cost here, and the published table",
        "",
        "`wattleak study models`: what a training step of each model costs on small images (a short plan, quality not measured), and",
        "a real fine-tuning of the two smallest. `--full` fine-tunes all six, takes hours, and was not run.",
        "",
        *reduced(document),
        f"Machine: {facts['cpu']}, {facts['cpus_allowed']} CPUs allowed, hypervisor {facts['hypervisor']}, {facts['system']};",
        f"accelerator: {accelerator}. Python {platform.python_version()}, PyTorch {version('torch')}, torchvision {version('torchvision')}.",
        f"{datetime.now(UTC):%Y-%m-%d}, {took_s / 60:.0f} minutes of runs. {shared(document)}",
        f"Data: {document['data']}.",
        f"{document['weights'][0].upper()}{document['weights'][1:]}.",
        "",
        "Repeat: `.venv/bin/python -m benchmarks models --data pneumoniamnist`.",
        "",
    ]
    if "steps" in parts:
        lines += ["## What a step costs", "", words_of(parts["steps"]), "", *steps_table(parts["steps"]), ""]
        lines += [*ratios(parts["steps"], document["published"]), ""]
    lines += ["## A real fine-tuning", "", words_of(parts["training"]), "", *training_table(parts["training"]), ""]
    pareto = parts["training"]["pareto"]
    if "recommendation" in pareto:
        lines += [f"> {pareto['recommendation']}", ""]
        lines += ["| | standing |", "|---|---|"]
        lines += [f"| {TITLES[one['name']]} | {standing(one)} |" for one in pareto["candidates"]]
        lines += [""]
    lines += published(document["published"])
    return "\n".join(lines) + "\n"


def reduced(document: dict[str, Any]) -> list[str]:
    """What to say of a run that was made smaller than the default, and what the default would take."""
    made = {part["part"]: part["design"]["blocks"] for part in document["parts"]}
    if made.get("steps", DEFAULT_BLOCKS["steps"]) >= DEFAULT_BLOCKS["steps"]:
        return []
    took = {
        part["part"]: sum(run["cpu_s"] for run in last_attempts(part)) / part["design"]["blocks"]
        for part in document["parts"]
    }
    return [
        f"**Smaller than the default**: {made['steps']} blocks of the short plan and {made['training']} of the training, where the default makes",
        f"{DEFAULT_BLOCKS['steps']} (and one to warm up) and {DEFAULT_BLOCKS['training']}, and fewer training images (the command below; of an option that stands there",
        "twice the last one counts). So few runs give no verdict, and nothing here is more than observed. One block took",
        f"{took['steps']:.0f} and {took['training']:.0f} CPU-seconds with one thread. That the default stays within 15 minutes on two idle CPUs follows from",
        "these figures and was not seen.",
        "",
    ]


def last_attempts(part: dict[str, Any]) -> list[dict[str, Any]]:
    """Runs of a block that was begun again count once."""
    latest = {(run["variant"], run["block"]): run for run in sorted(part["runs"], key=lambda run: run["attempt"])}
    return list(latest.values())


def shared(document: dict[str, Any]) -> str:
    """What to say where others worked on the machine at the same time: threads that spin use a CPU that is theirs."""
    busy = [row["cpu_utilisation"]["time_weighted"] for part in document["parts"] for row in part["models"]]
    known = [share for share in busy if share is not None]
    if not known or max(known) > 0.4:
        return ""
    return (
        f"Other work ran on it all the time: these programs, with one thread each, got {share(min(known))} to {share(max(known))} of\n"
        "its CPUs, so wall times say nothing and are several times those of a quiet machine; CPU time is what can be compared."
    )


def words_of(part: dict[str, Any]) -> str:
    command = part["design"]["variants"][0]["command"]
    words = " ".join(command[command.index("--model") + 2 :])
    steps = part["design"].get("short_plan", {}).get("steps")
    short = f", each ended after {steps} steps" if steps else ""
    return f"{part['design']['blocks']} runs of each model in randomised blocks{short}; `{words}`."


def steps_table(part: dict[str, Any]) -> list[str]:
    head = [
        "| model | parameters | training FLOPs an image | CPU time an image | time an image | energy an image | FLOPs a CPU-second | CPU use | peak memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    return head + [
        f"| {row['title']} | {row['parameters'] / 1e6:.2f} M | {row['training_flops'] / 1e9:.2f} G | "
        f"{units.duration(row['cpu_per_sample_s'])} | {units.duration(row['duration_per_sample_s'])} | {joules(row['energy_per_sample_j'])} | "
        f"{row['training_flops'] / row['cpu_per_sample_s'] / 1e9:.1f} G | {share(row['cpu_utilisation']['time_weighted'])} | {units.memory(row['peak_memory_b'])} |"
        for row in part["models"]
    ]


def training_table(part: dict[str, Any]) -> list[str]:
    lines = [
        "| model | accuracy | AUC | runtime | energy | energy an epoch | energy an image | CO2e | CPU use, mean (by time) | achieved FLOP/s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in part["models"]:
        use = row["cpu_utilisation"]
        carbon = row["carbon_g"]
        shown = (
            "not measured"
            if carbon is None
            else f"{units.carbon(carbon['value'])} [{units.carbon(carbon['low'])}, {units.carbon(carbon['high'])}]"
        )
        lines.append(
            f"| {row['title']} | {row['quality']['accuracy']:.3f} | {row['quality'].get('auc', float('nan')):.3f} | {units.duration(row['duration_s'])} | "
            f"{joules(row['energy_j'])} | {joules(row['energy_per_epoch_j'])} | {joules(row['energy_per_sample_j'])} | {shown} | "
            f"{share(use['mean'])} ({share(use['time_weighted'])}) | {row['achieved_flops_s'] / 1e9:.1f} G |"
        )
    return lines


def joules(energy: dict[str, Any] | None) -> str:
    if energy is None:
        return "not measured"
    return f"{units.energy(energy['value'])} [{units.energy(energy['low'])}, {units.energy(energy['high'])}] {energy['origin']}"


def share(value: float | None) -> str:
    return "not measured" if value is None else f"{100 * value:.0f} %"


def standing(one: dict[str, Any]) -> str:
    return f"{one['standing']}{' by ' + ', '.join(one['dominated_by']) if one['dominated_by'] else ''}"


def ratios(part: dict[str, Any], quoted: list[dict[str, Any]]) -> list[str]:
    """Cost against ResNet-18: here by CPU time of an image, published by energy of the whole training."""
    ours = {row["name"]: row["cpu_per_sample_s"] for row in part["models"]}
    flops = {row["name"]: row["training_flops"] for row in part["models"]}
    theirs = {row["name"]: row["energy_j"] for row in quoted}
    head = [
        "| against ResNet-18 | CPU time an image, here | published energy | FLOPs at this size |",
        "|---|---|---|---|",
    ]
    return head + [
        f"| {TITLES[name]} | x {cpu_s / ours['resnet18']:.2f} | x {theirs[name] / theirs['resnet18']:.2f} | "
        f"x {flops[name] / flops['resnet18']:.2f} |"
        for name, cpu_s in ours.items()
    ]


def published(quoted: list[dict[str, Any]]) -> list[str]:
    watts = [row["energy_j"] / row["duration_s"] for row in quoted]
    low, high = min(watts), max(watts)
    lines = [
        "## The published table (quoted)",
        "",
        "Fine-tuned on PneumoniaMNIST on one NVIDIA T4, one run each.",
        "",
        "| model | accuracy | AUC | mean GPU use | runtime | energy |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {TITLES[row['name']]} | {row['accuracy']:.3f} | {row['auc']:.3f} | {share(row['gpu_utilisation'])} | "
        f"{units.duration(row['duration_s'])} | {units.energy(row['energy_j'])} |"
        for row in quoted
    ]
    return [
        *lines,
        "",
        "What `wattleak compare --from` says of these six rows: by their means ResNet-18, DenseNet-121 and DenseNet-201 are on the",
        "front of energy and AUC, and DenseNet-169, ResNet-50 and Inception-v3 are dominated; with one run each no interval shows it.",
        "ResNet-18 is 0.9 points of AUC behind the best and costs 14.8 % of it. By accuracy the front is ResNet-18 and Inception-v3.",
        "",
        "## What differs",
        "",
        "- **Device.** Published: a T4, joules of the GPU. Here: CPUs of a virtual machine without energy counters; what decides is",
        "  CPU time, and the joules are modelled from it (right within about a factor of two). The ratio of two models is another on",
        "  a CPU than on a GPU: many small layers, as in the DenseNets, keep neither busy, each in its own way.",
        "- **Quality.** Published after a full fine-tuning from ImageNet weights. Here two models, a part of the images, two epochs,",
        "  from random values where the weights line above says so: the accuracies are not comparable with the published ones.",
        "- **Size.** The images here have the sizes in the commands above. Which size the published models saw is not said; they were made",
        "  for 224 pixels, Inception-v3 for 299.",
        f"- **The published joules are runtimes.** Energy over runtime is {low:.2f} to {high:.2f} W for all six, which is one figure within the",
        "  rounding of the table (4,120 J a minute), at a GPU use of 82 % as at 98 %. Six measured energies would not agree so: they are",
        "  the runtime times a constant power, just under the 70 W limit of a T4. The published energy says no more than the runtime does.",
        "- **The published runtimes** do not follow the arithmetic: ResNet-50 takes 4.2 times as long as ResNet-18 with 2.3 times its FLOPs,",
        "  Inception-v3 less than half as long as ResNet-50 with 1.4 times its FLOPs. Batch sizes and precision are not published.",
        "- **Runs.** Published: one of each. Whether 0.970 and 0.972 differ cannot be said from one run each.",
    ]
