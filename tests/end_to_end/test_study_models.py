"""`study models`: its plan, a small run, and what it refuses. A large run: `python -m benchmarks models`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine

needs_torchvision = pytest.mark.skipif(
    find_spec("torchvision") is None, reason="needs torchvision: pip install 'wattleak[vision]'"
)


@pytest.mark.vision
@needs_torchvision
def test_the_plan_is_a_short_one_of_all_and_a_real_one_of_the_two_smallest(wattleak: CommandLine) -> None:
    done = wattleak("study", "models", "--dry-run", "--json", "--", "--batch", "4")
    assert done.returncode == 0, done.stderr
    steps, training = (json.loads(line)["design"] for line in done.stdout.splitlines())
    assert [variant["name"] for variant in steps["variants"]] == [
        "resnet18",
        "densenet121",
        "densenet169",
        "resnet50",
        "densenet201",
        "inception_v3",
    ]
    assert steps["short_plan"]["steps"] == 6
    assert steps["quality"] is None
    assert [variant["name"] for variant in training["variants"]] == ["resnet18", "densenet121"]
    assert training["quality"] == {"metric": "auc", "direction": "max", "margin": 0.005}
    assert "short_plan" not in training
    for variant in (*steps["variants"], *training["variants"]):
        command = " ".join(variant["command"])
        assert command.endswith("--batch 4")  # what follows -- comes last, and so counts
        assert "--data fashion-mnist --weights none" in command
    assert "the ImageNet weights of resnet18" in done.stderr
    assert "nothing is downloaded unasked" in done.stderr


@pytest.mark.vision
@needs_torchvision
def test_a_small_study_runs_to_its_end(wattleak: CommandLine) -> None:
    """Both parts, two models, one block, images of 32 pixels: table, verdicts, front, page, and every figure again."""
    metrics = pytest.importorskip("sklearn.metrics")
    names = ["resnet18", "densenet121"]
    tiny = ("--train-images", "48", "--test-images", "64", "--epochs", "1", "--batch", "8")
    asked = ("--only", ",".join(names), "--blocks", "1", "--warmups", "0", "--steps", "2")
    done = wattleak("study", "models", *asked, "--json", "--", *tiny)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["kind"] == "study_models"
    steps, training = document["parts"]
    for part in (steps, training):
        assert sorted((run["variant"], run["block"]) for run in part["runs"]) == sorted((name, 0) for name in names)
        assert all(run["failure"] is None for run in part["runs"])
        assert [row["name"] for row in part["models"]] == names
        assert [pair["candidate"] for pair in part["comparisons"]] == ["densenet121"]
        page = wattleak.folder / ".wattleak" / "reports" / f"{part['experiment_id']}.html"
        assert page.is_file()
        assert str(page.relative_to(wattleak.folder)) in done.stderr  # the last thing that a person reads
    assert "why_none" in steps["pareto"]  # no quality, no front
    assert steps["models"][0]["quality"] == {}
    assert all(row["cpu_per_sample_s"] > 0 for row in steps["models"])

    for row in training["models"]:
        runs = [run for run in training["runs"] if run["variant"] == row["name"]]
        for run in runs:
            (kept,) = wattleak.folder.glob(f".wattleak/**/{run['run_id']}*/**/predictions.npz")
            with np.load(kept) as predictions:
                labels, scores = predictions["labels"], predictions["scores"].astype(np.float64)
            assert len(labels) == 64
            right = metrics.accuracy_score(labels, scores.argmax(1))
            scores /= scores.sum(axis=1, keepdims=True)
            area = metrics.roc_auc_score(labels, scores, multi_class="ovr", average="macro")
            assert run["quality"]["accuracy"] == pytest.approx(right)
            assert run["quality"]["auc"] == pytest.approx(area, abs=1e-6)
        (run,) = runs
        assert row["runs"] == 1
        assert row["quality"]["auc"] == pytest.approx(run["quality"]["auc"])
        assert row["duration_s"] == pytest.approx(run["duration_s"])
    placed = {one["name"]: one for one in training["pareto"]["candidates"]}
    assert set(placed) == set(names)
    assert training["pareto"]["recommendation"]
    area = {run["variant"]: run["quality"]["auc"] for run in training["runs"]}
    assert {name: one["quality"]["value"] for name, one in placed.items()} == pytest.approx(area)

    again = wattleak("study", "models", *asked, "--resume", document["study_id"], "--", *tiny)  # nothing is run again
    assert again.returncode == 0, again.stderr
    for part in (steps, training):
        assert f"experiment {part['experiment_id']}" in again.stdout
    assert "Pareto front" in again.stdout
    assert "no Pareto front" in again.stdout  # of the short plan
    assert "ResNet-18" in again.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("models", "--framework", "keras"), "--framework belongs to the study of a smell"),
        (("PAR001", "--weights", "none"), "--weights belongs to study models"),
        (("models", "--only", "resnet18"), "--only names 1 of them"),
        (("models", "--only", "vgg16,resnet18"), "there is no 'vgg16' in this study"),
        (("models", "--", "--model", "resnet50"), "--model after -- would make all variants one"),
        (("models", "--full", "--steps", "5"), "--full trains to the end"),
    ],
)
@needs_torchvision
def test_what_does_not_fit_is_one_clear_error(wattleak: CommandLine, words: tuple[str, ...], message: str) -> None:
    done = wattleak("study", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 6
