"""The six image models against what was published about them; weights from files; a real fine-tuning.

The oracle of parameters and operations is torchvision's documentation, typed in here a second time on purpose.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

if find_spec("torchvision") is None:  # importing it is what the module under test makes possible
    pytest.skip("needs torchvision: pip install 'wattleak[vision]'", allow_module_level=True)
import torch

from wattleak.errors import UsageError
from wattleak.workloads import fine_tuning
from wattleak.workloads.flops import count_operations
from wattleak.workloads.image_models import (
    MODELS,
    build,
    build_from_weights,
    find_model,
    vision_models,
)
from wattleak.workloads.image_weights import SERVER, checked, find_weights

pytestmark = pytest.mark.vision

# parameters, "GFLOPS" (multiply-accumulates) of one image at 224 pixels, Inception at 299
PUBLISHED = {
    "resnet18": (11.69e6, 1.81),
    "resnet50": (25.56e6, 4.09),
    "densenet121": (7.98e6, 2.83),
    "densenet169": (14.15e6, 3.36),
    "densenet201": (20.01e6, 4.29),
    "inception_v3": (27.16e6, 5.71),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_and_operations_are_the_published_ones_within_one_percent(name):
    model = find_model(name)
    counted = count_operations(model, model.side, 1000, auxiliary=True, training=False)
    parameters, gmacs = PUBLISHED[name]
    assert counted.parameters == pytest.approx(parameters, rel=0.01)
    assert counted.forward_flops == pytest.approx(2e9 * gmacs, rel=0.01)
    assert (model.parameters, model.gmacs) == (
        pytest.approx(parameters, rel=0.001),
        gmacs,
    )


def test_names_as_people_write_them():
    assert [find_model(name).name for name in ("ResNet-18", "DenseNet-201", "Inception-v3")] == [
        "resnet18",
        "densenet201",
        "inception_v3",
    ]
    with pytest.raises(UsageError, match="no model 'vgg16'"):
        find_model("vgg16")


def test_weights_of_a_file_are_in_the_model_but_for_its_output(tmp_path):
    """Written with the layer names of the published DenseNet files, which are older than today's."""
    model = find_model("densenet121")
    torch.manual_seed(1)
    state = build(model, 1000).state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", key): value for key, value in state.items()}
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "weights.pth")
    loaded = build_from_weights(model, tmp_path / "weights.pth", 2)
    found = loaded.state_dict()
    assert found["classifier.weight"].shape == (2, 1024)
    assert all(torch.equal(found[key], value) for key, value in state.items() if not key.startswith("classifier"))


def test_the_files_of_weights_are_those_that_torchvision_names():
    models = vision_models()
    for model in MODELS:
        assert models.get_model_weights(model.name)["IMAGENET1K_V1"].url == SERVER + model.weights


def test_a_file_is_only_used_when_its_hash_is_that_of_its_name(tmp_path):
    content = b"weights"
    right = tmp_path / f"model-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    right.write_bytes(content)
    assert checked(right) == right
    model = find_model("resnet18")
    name = model.weights
    environ = {"WATTLEAK_DATA_DIR": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    assert find_weights(model, environ=environ) is None  # and nothing was downloaded
    with pytest.raises(UsageError, match=f"has no {name}"):
        find_weights(model, str(tmp_path))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match="not the file that was published"):
        find_weights(model, environ=environ)
    assert find_weights(model, "none", environ=environ) is None


def test_a_real_fine_tuning_reports_what_scikit_learn_finds_in_its_predictions(
    tmp_path,
):
    metrics = pytest.importorskip("sklearn.metrics")
    words = [
        "--model",
        "resnet18",
        "--data",
        "jets",
        "--image-size",
        "32",
        "--train-images",
        "128",
    ]
    done = subprocess.run(
        [
            sys.executable,
            fine_tuning.__file__,
            *words,
            "--test-images",
            "200",
            "--weights",
            "none",
        ],
        env={
            **os.environ,
            "WATTLEAK_RUN_DIR": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path),
            "OMP_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "weights: none" in done.stdout
    reported = json.loads(done.stdout.rpartition("WATTLEAK ")[2])
    kept = np.load(tmp_path / "predictions.npz")
    assert len(kept["labels"]) == 200
    assert reported["samples"] == 128
    assert reported["accuracy"] == pytest.approx(metrics.accuracy_score(kept["labels"], kept["scores"].argmax(axis=1)))
    assert reported["auc"] == pytest.approx(metrics.roc_auc_score(kept["labels"], kept["scores"][:, 1]))


def test_an_image_that_is_too_small_is_refused(capsys):
    with pytest.raises(SystemExit):
        fine_tuning.task(["--model", "inception_v3", "--image-size", "32"])
    assert "75 pixels or more" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["resnet18", "densenet121", "inception_v3"])
def test_a_model_takes_images_of_the_least_size_it_is_said_to_take(name):
    model = find_model(name)
    assert count_operations(model, model.least, 2, training=False).forward_flops > 0


def test_training_is_three_times_the_forward_pass_but_for_the_first_layer():
    """Backward has a product with respect to the inputs and one with respect to the weights of every layer.

    The first layer has no inputs to learn: 7 x 7 x 3 products for each of 64 channels and 112 x 112 places.
    """
    model = find_model("resnet18")
    counted = count_operations(model, 224, 1000)
    assert counted.training_flops == 3 * counted.forward_flops - 2 * 7 * 7 * 3 * 64 * 112 * 112
