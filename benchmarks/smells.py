"""`python -m benchmarks smells ...` (`make study`): every smell in every framework, and what it cost, kept as evidence.

Runs `wattleak study all` with the words given here (names with commas, `--blocks 6`, `--resume ID`), writes `evidence.json` into the folder
of each smell, which findings and `wattleak explain` quote, and docs/results/smells.md. Nothing else writes those files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks import page
from wattleak.reports import units, words
from wattleak.smells.evidence import FILE, Change, evidence
from wattleak.smells.registry import all_smells, find_smell

STORE = Path(__file__).parent / ".cache" / "smells"
MEASURED = ("counter", "sampled")
KEPT = ("energy_j", "gpu_energy_j", "cpu_s", "duration_s", "peak_memory_b")
PACKAGES = {"torch": ("torch",), "keras": ("tensorflow-cpu", "tensorflow", "keras"), "sklearn": ("scikit-learn",)}


def run(asked: list[str]) -> None:
    names, more = (asked[0], asked[1:]) if asked and not asked[0].startswith("-") else ("all", asked)
    if names != "all" and "," not in names:
        names += ","  # a list of one: it is a league that is read here
    command = [sys.executable, "-m", "wattleak", "study", names, "--json", "--store", str(STORE), *more]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    document = json.loads(done.stdout)
    entries = [entry for entry in document["league"] if entry["experiment_id"] is not None]
    for entry in entries:
        keep(entry)
    write([entry for entry in document["league"] if entry["experiment_id"] is None])


def keep(entry: dict[str, Any]) -> None:
    """Put what was measured beside the smell's rule."""
    path = find_smell(entry["smell"]).folder / FILE
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept[entry["framework"]] = {
        "date": entry["created_at"][:10],
        "machine": f"{entry['environment'].get('cpu', 'unknown CPU')}, {entry['environment'].get('cpus_allowed', '?')} CPUs",
        "versions": versions(entry["framework"]),
        "data": "Fashion-MNIST subset",
        "runs": entry["metrics"][entry["primary_metric"]]["blocks"],
        "verdict": entry["verdict"],
        "changes": {name: ends(metric) for name, metric in entry["metrics"].items() if counts(name, metric)},
        "quality": entry["quality"]["state"],
    }
    path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def counts(name: str, metric: dict[str, Any]) -> bool:
    """Measured, and no function of another metric."""
    return (
        name in KEPT
        and metric["origin"] in MEASURED
        and not metric.get("derived_from")
        and metric["change"] is not None
    )


def ends(metric: dict[str, Any]) -> list[float | None]:
    return [None if metric[key] is None else round(metric[key], 4) for key in ("change", "low", "high")]


def versions(framework: str) -> dict[str, str]:
    found = {}
    for name in PACKAGES.get(framework, ()):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write(absent: list[dict[str, Any]]) -> None:
    """The page of everything that is kept, of this run and of earlier ones."""
    kept = [(smell, item) for smell in all_smells() for item in evidence(smell)]
    names = [name for name in KEPT if any(name in item.changes for _, item in kept)]
    rows = []
    for smell, item in kept:
        cells = [_shown(item.changes.get(name)) for name in names]
        verdict = item.verdict.replace("_", " ").upper()
        what = [f"{smell.name} ({smell.code})", item.framework, str(item.runs), verdict]
        rows.append([*what, *cells, item.quality.replace("_", " "), item.date])
    missing = "".join(
        f"Not run: {entry['smell']} ({entry['framework']}): {entry['absent_because']}.\n" for entry in absent
    )
    page.write(
        "smells",
        "What each smell costs",
        "`wattleak study`: the bad program of each smell against the good one, in fresh processes and random order, the "
        "same seeds, on the Fashion-MNIST images that come with wattleak. Changes with their 95 % intervals. EQUAL: the "
        "interval lies within ±2 %; NOT ENOUGH RUNS: neither a difference nor its absence was shown by so many runs on "
        "this machine. Other work on the machine widens the intervals; it favours neither program, for the two stand in each block in an order drawn by lot.",
        ["smell", "framework", "runs", "verdict", *(words.title(name) for name in names), "quality", "date"],
        rows,
        missing,
    )


def _shown(change: Change | None) -> str:
    if change is None:
        return ""
    return " ".join(units.change_with_interval(change.change, change.low, change.high)).strip()
