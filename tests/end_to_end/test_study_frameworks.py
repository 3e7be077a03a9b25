"""`study frameworks`: its plan, what it refuses, and one real run, held against NumPy, SciPy and scikit-learn."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import log_softmax

from wattleak.workloads.data import load
from wattleak.workloads.frameworks.network import first_weights, in_whole_batches, order_of_epoch, scaled

if TYPE_CHECKING:
    from tests.conftest import CommandLine

THERE = [name for name in ("torch", "jax", "tensorflow") if find_spec(name) is not None]
needs_two = pytest.mark.skipif(len(THERE) < 2, reason="needs two of PyTorch, JAX and TensorFlow")


@needs_two
def test_the_plan_has_the_same_words_for_all(wattleak: CommandLine) -> None:
    plan = wattleak.document(
        "study", "frameworks", "--dry-run", "--only", ",".join(THERE[:2]), "--data", "fashion-mnist"
    )
    design = plan["design"]
    assert [variant["name"] for variant in design["variants"]] == THERE[:2]
    assert design["quality"] == {"metric": "accuracy", "direction": "max", "margin": 0.01}
    assert "short_plan" not in design
    programs = {variant["command"][1].rsplit("/", 1)[1] for variant in design["variants"]}
    assert programs == {f"{name}_loop.py" for name in THERE[:2]}
    assert {tuple(variant["command"][2:]) for variant in design["variants"]} == {("--data", "fashion-mnist")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("frameworks", "--target", "85"), "--target '85' is no accuracy"),
        (("frameworks", "--only", "torch"), "--only names 1 of them"),
        (("frameworks", "--", "--backend", "jax"), "--backend after -- would make all variants one"),
        (("frameworks", "--steps", "5"), "compares whole trainings"),
        (("models", "--target", "0.8"), "--target belongs to study frameworks"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(wattleak: CommandLine, words: tuple[str, ...], message: str) -> None:
    done = wattleak("study", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 6


@needs_two
@pytest.mark.torch
def test_a_real_course_in_two_frameworks(wattleak: CommandLine) -> None:
    """16 steps of 32 images each; what every program reports is what NumPy computes from the same weights."""
    course = ("--train-images", "128", "--test-images", "90", "--test-batch", "50", "--batch", "32", "--epochs", "4")
    words = ("--only", ",".join(THERE[:2]), "--blocks", "1", "--warmups", "0")
    done = wattleak("study", "frameworks", "--json", *words, "--", *course, "--inference-passes", "2")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["kind"] == "study_frameworks"
    assert set(document["versions"]) == set(THERE[:2])
    (part,) = document["parts"]
    assert len(part["runs"]) == 2
    assert part["began_alike"]["alike"] is True
    for run in part["runs"]:
        assert run["quality"]["first_loss"] == pytest.approx(first_loss(run["seed"]), rel=1e-5)
        assert run["quality"]["inferences"] == 200  # two passes over 90 images in whole batches of 50
        assert [span["name"] for span in run["spans"]].count("epoch") == 4
    predictions = [np.load(path) for path in sorted(wattleak.folder.rglob("predictions.npz"))]
    assert len(predictions) == 2
    reported = sorted(run["quality"]["accuracy"] for run in part["runs"])
    assert reported == sorted(float(np.mean(one["scores"].argmax(1) == one["labels"])) for one in predictions)
    assert np.abs(predictions[0]["scores"] - predictions[1]["scores"]).max() < 1e-3  # the same rule, step by step
    first, second = part["frameworks"]
    assert [first["name"], second["name"]] == THERE[:2]
    for one in (first, second):
        assert one["start_up"]["cpu_s"] > one["per_inference"]["cpu_s"] > 0
        assert one["training"]["energy_j"]["origin"] == "modelled"
    assert [point["epoch"] for point in part["curve"]["torch"]] == [1, 2, 3, 4]
    assert part["last_point"]["torch"]["why_none"] == "one run has no interval"
    page = next(wattleak.folder.rglob("reports/*.html")).read_text(encoding="utf-8")
    assert "What a further point of accuracy costs" in page


def first_loss(seed: int) -> float:
    """The loss of the first batch by NumPy alone: the network written as sums over shifted images."""
    data = load()
    rows = order_of_epoch(seed, 1, 128)[:32]
    found, labels = scaled(data.train_images[rows]), data.train_labels[rows]
    weights = first_weights(seed, 28, 28, 1, 10)
    for kernel, bias in (weights[0:2], weights[2:4]):
        side = found.shape[1]
        padded = np.pad(found, ((0, 0), (1, 1), (1, 1), (0, 0)))
        convolved = sum(
            padded[:, row : row + side, column : column + side] @ kernel[row, column]
            for row in range(3)
            for column in range(3)
        )
        lit = np.maximum(convolved + bias, 0)
        found = np.max([lit[:, row::2, column::2] for row in (0, 1) for column in (0, 1)], axis=0)
    hidden = np.maximum(found.reshape(len(found), -1) @ weights[4] + weights[5], 0)
    return float(-log_softmax(hidden @ weights[6] + weights[7], axis=1)[np.arange(32), labels].mean())


def test_test_images_come_in_whole_batches() -> None:
    images = np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1)
    assert in_whole_batches(images, 4).ravel().tolist() == [0, 1, 2, 3, 4, 0, 1, 2]
    assert len(in_whole_batches(images, 5)) == 5
