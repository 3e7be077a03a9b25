"""`study models`: its plan, and what it refuses. That it runs to the end is shown by `python -m benchmarks models`."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("models", "--framework", "keras"), "--framework belongs to the study of a smell"),
        (("PAR001", "--weights", "none"), "--weights belongs to study models"),
        (("models", "--only", "resnet18"), "--only names 1 of them"),
        (("models", "--only", "vgg16,resnet18"), "there is no 'vgg16' in this study"),
        (("models", "--full", "--steps", "5"), "--full trains to the end"),
    ],
)
@needs_torchvision
def test_what_does_not_fit_is_one_clear_error(wattleak: CommandLine, words: tuple[str, ...], message: str) -> None:
    done = wattleak("study", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) <= 6
