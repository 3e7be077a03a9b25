"""`study combined` and factors of `compare`: effects against what the runs say, the conclusion matrix, the plan."""

from __future__ import annotations

import json
import math
from itertools import product
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

CENTRE = 1e-9  # relative


def costs(document: dict[str, Any], metric: str = "cpu_s") -> dict[tuple[str, ...], dict[int, float]]:
    """Of each combination of levels, by block."""
    levels = {one["name"]: tuple(one["levels"].values()) for one in document["design"]["variants"]}
    found: dict[tuple[str, ...], dict[int, float]] = {key: {} for key in levels.values()}
    for run in document["runs"]:
        found[levels[run["variant"]]][run["block"]] = run[metric]
    return found


def centre(values: list[float]) -> float:
    """Hodges and Lehmann's: the median of all means of two."""
    return median((a + b) / 2 for place, a in enumerate(values) for b in values[place:])


def effect(document: dict[str, Any], *factors: str) -> float:
    for one in (*document["effects"]["main"], *document["effects"]["interactions"]):
        if tuple(step["factor"] for step in one["steps"]) == factors:
            change: float = one["metrics"]["cpu_s"]["change"]
            return change
    raise AssertionError(factors)


def test_factors_of_a_command_end_with_effects_that_are_those_of_the_runs(
    wattleak: CommandLine, tmp_path: Path
) -> None:
    program = tmp_path / "work.py"
    program.write_text(
        "import sys, time\n"
        "a, b = sys.argv[1:]\n"
        "end = time.process_time() + 0.02 * int(a) * int(b)\n"
        "while time.process_time() < end: pass\n"
        "print('WATTLEAK {\"accuracy\": 0.9}')\n"
    )
    words = ("--blocks", "2", "--warmups", "0", "-F", "a=2,1", "-F", "b=2,1")
    document = wattleak.document("compare", *words, "--", "python3", str(program), "{a}", "{b}")
    y = {key: {block: math.log(value) for block, value in cells.items()} for key, cells in costs(document).items()}
    a = [(y["1", "2"][i] - y["2", "2"][i] + y["1", "1"][i] - y["2", "1"][i]) / 2 for i in range(2)]
    both = [y["1", "1"][i] - y["2", "1"][i] - y["1", "2"][i] + y["2", "2"][i] for i in range(2)]
    assert effect(document, "a") == pytest.approx(math.expm1(centre(a)), rel=CENTRE)
    assert effect(document, "a", "b") == pytest.approx(math.expm1(centre(both)), rel=CENTRE)
    assert document["effects"]["not_told"] == []
    assert document["effects"]["main"][0]["quality"]["state"] == "identical"
    stored = wattleak.document("report", document["experiment_id"])
    assert stored["effects"] == document["effects"]


def test_half_of_a_table_is_planned_and_says_what_it_cannot_tell(wattleak: CommandLine) -> None:
    words = ("--fraction", "half", "--blocks", "9", "-F", "a=0,1", "-F", "b=0,1", "-F", "c=0,1", "-F", "d=0,1")
    document = wattleak.document("compare", "--dry-run", *words, "--", "true", "{a}{b}{c}{d}")
    planned = {tuple(one["levels"].values()) for one in document["design"]["variants"]}
    assert planned == {key for key in product("01", repeat=4) if key.count("1") % 2 == 0}
    refused = wattleak("compare", "--fraction", "half", "-F", "a=0,1", "-F", "b=0,1", "--", "true", "{a}{b}")
    assert refused.returncode == 2
    assert "three factors or more" in refused.stderr


@pytest.mark.torch
def test_the_plan_is_a_full_table_that_reaches_its_level(wattleak: CommandLine) -> None:
    done = wattleak("study", "combined", "--only", "batch,pipeline,model", "--dry-run", "--json", "--", "--epochs", "1")
    assert done.returncode == 0, done.stderr
    design = json.loads(done.stdout)["design"]
    assert len(design["variants"]) == 8
    assert design["blocks"] == 9
    assert design["variants"][0]["levels"] == {"batch": "32", "pipeline": "loader", "model": "large"}
    assert design["quality"] == {"metric": "accuracy", "direction": "max", "margin": 0.01}
    command = " ".join(design["variants"][-1]["command"])
    assert command.endswith("--batch 128 --pipeline cached --model small --epochs 1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("combined", "--steps", "5"), "a run that is ended early has none"),
        (("combined", "--runs-per-day", "many"), "--runs-per-day: 'many'"),
        (("combined", "--only", "batch,model", "--", "--batch", "64"), "--batch after -- would make all variants one"),
        (("combined", "--only", "batch,model", "--fraction", "half"), "three factors or more"),
        (("models", "--fraction", "half"), "--fraction belongs to study combined"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(wattleak: CommandLine, words: tuple[str, ...], message: str) -> None:
    done = wattleak("study", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 5


@pytest.mark.torch
def test_a_tiny_study_ends_with_effects_conclusions_and_a_page(wattleak: CommandLine) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    tiny = ("--", "--train-images", "64", "--test-images", "40", "--epochs", "1")
    asked = (
        "study",
        "combined",
        "--only",
        "pipeline,model",
        "--blocks",
        "1",
        "--warmups",
        "0",
        "--runs-per-day",
        "100",
    )
    done = wattleak(*asked, "--json", *tiny)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["kind"] == "study_combined"
    (part,) = document["parts"]
    assert len(part["runs"]) == 4
    y = {key: math.log(cells[0]) for key, cells in costs(part).items()}
    by_hand = (y["cached", "large"] - y["loader", "large"] + y["cached", "small"] - y["loader", "small"]) / 2
    assert effect(part, "pipeline") == pytest.approx(math.expm1(by_hand), rel=CENTRE)
    for run in part["runs"]:
        (kept,) = wattleak.folder.glob(f".wattleak/**/{run['run_id']}*/**/predictions.npz")
        with np.load(kept) as predictions:
            right = metrics.accuracy_score(predictions["labels"], predictions["scores"].argmax(1))
        assert run["quality"]["accuracy"] == pytest.approx(right)
    quality = {key: cells[0] for key, cells in costs_of_quality(part).items()}
    assert quality["loader", "large"] == quality["cached", "large"]  # the same images in the same order
    assert [line["what"] for line in part["conclusions"]["measures"]] == ["main effect", "main effect", "all together"]
    identity = part["experiment_id"]
    page = (wattleak.folder / ".wattleak" / "reports" / f"{identity}.html").read_text(encoding="utf-8")
    assert 'id="conclusions"' in page
    assert 'id="effects"' in page
    again = wattleak(*asked, "--resume", document["study_id"], *tiny)
    assert again.returncode == 0, again.stderr
    assert "Conclusions" in again.stdout
    assert "all together: pipeline loader -> cached, model large -> small" in again.stdout.replace("→", "->")
    assert len(list(wattleak.folder.glob(".wattleak/**/predictions.npz"))) == 4  # nothing was run again


def costs_of_quality(document: dict[str, Any]) -> dict[tuple[str, ...], dict[int, float]]:
    flat = {**document, "runs": [{**run, "accuracy": run["quality"]["accuracy"]} for run in document["runs"]]}
    return costs(flat, "accuracy")
