"""Ways to compress a model, on layers so small that every number can be worked out by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing import get_context
from typing import TYPE_CHECKING

import numpy as np
import pytest

from wattleak.errors import OwnFailure, UsageError
from wattleak.workloads import compression
from wattleak.workloads.compressing import trained
from wattleak.workloads.compressing.arithmetic import native
from wattleak.workloads.compressing.asked import asked
from wattleak.workloads.compressing.networks import Convolution, Dense, Network, initial_weights
from wattleak.workloads.compressing.pruning import without_small_channels, without_small_weights
from wattleak.workloads.compressing.variants import CATALOGUE, find_compression, left_out

if TYPE_CHECKING:
    from pathlib import Path

needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="needs PyTorch")
needs_keras = pytest.mark.skipif(find_spec("tensorflow") is None, reason="needs TensorFlow and Keras")

TINY = Network("tiny", 4, 4, 1, (Convolution("conv", 2, True),), (Dense("hidden", 3), Dense("output", 2)))
ONE_LAYER = Network("one", 1, 2, 1, (), (Dense("output", 2),))
# Inputs by rows, outputs by columns; the second output is 2, the first 1 at most.
ONE_WEIGHTS = {
    "output.kernel": np.array([[1.0, 2.0], [-0.25, 0.5]], np.float32),
    "output.bias": np.array([0.0, 1.0], np.float32),
}


def images(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(size=(count, 4, 4, 1)).astype(np.float32)


def by_hand(weights: dict[str, np.ndarray], inputs: np.ndarray) -> np.ndarray:
    """The tiny network, one number after the other."""
    padded = np.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
    filtered = np.zeros((len(inputs), 4, 4, weights["conv.bias"].size))
    for row in range(4):
        for column in range(4):
            patch = padded[:, row : row + 3, column : column + 3, :]
            filtered[:, row, column] = np.tensordot(patch, weights["conv.kernel"], 3) + weights["conv.bias"]
    pooled = np.maximum(filtered, 0).reshape(len(inputs), 2, 2, 2, 2, -1).max(axis=(2, 4))
    hidden = np.maximum(pooled.reshape(len(inputs), -1) @ weights["hidden.kernel"] + weights["hidden.bias"], 0)
    return np.asarray(hidden @ weights["output.kernel"] + weights["output.bias"])


def with_biases(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        name: array if array.any() else rng.uniform(-1, 1, array.shape).astype(np.float32)
        for name, array in weights.items()
    }


# -- networks and pruning ---------------------------------------------------------------------------------------------


def test_shapes_and_multiplications_of_a_network() -> None:
    assert TINY.shapes() == {
        "conv.kernel": (3, 3, 1, 2),
        "conv.bias": (2,),
        "hidden.kernel": (2 * 2 * 2, 3),
        "hidden.bias": (3,),
        "output.kernel": (3, 2),
        "output.bias": (2,),
    }
    assert TINY.multiplications == 4 * 4 * 9 * 2 + 8 * 3 + 3 * 2


def test_the_smallest_weights_become_zero_over_all_layers_together_and_biases_stay() -> None:
    weights = {
        "a.kernel": np.array([[0.1, -5.0], [0.2, 0.3]], np.float32),
        "a.bias": np.array([0.01, 0.02], np.float32),
        "b.kernel": np.array([[4.0], [-0.4]], np.float32),
    }
    found = without_small_weights(weights, 0.5)
    assert found["a.kernel"].tolist() == [[0, -5], [0, 0]]
    assert np.array_equal(found["b.kernel"], weights["b.kernel"])
    assert found["a.bias"] is weights["a.bias"]
    assert without_small_weights(weights, 0.0) == weights


def test_a_channel_without_weights_is_the_one_that_goes_and_nothing_changes() -> None:
    weights = with_biases(initial_weights(TINY, 3))
    weights["conv.kernel"][..., 1] = 0
    weights["conv.bias"][1] = 0
    weights["hidden.kernel"][:, 0] = 0
    weights["hidden.bias"][0] = 0
    network, found = without_small_channels(TINY, weights, 0.4)  # 0.8 of 2 filters, 1.2 of 3 units: one of each
    assert (network.convolutions[0].filters, network.dense[0].units, network.dense[1].units) == (1, 2, 2)
    assert {name: array.shape for name, array in found.items()} == network.shapes()
    assert network.multiplications == 4 * 4 * 9 + 4 * 2 + 2 * 2
    inputs = images(5)
    assert by_hand(found, inputs) == pytest.approx(by_hand(weights, inputs), abs=1e-6)


def test_one_channel_of_each_layer_stays() -> None:
    network, _ = without_small_channels(TINY, initial_weights(TINY, 3), 0.99)
    assert (network.convolutions[0].filters, network.dense[0].units) == (1, 1)


# -- the model that is kept -------------------------------------------------------------------------------------------


def test_a_kept_model_comes_back_and_a_damaged_one_is_refused(tmp_path: Path) -> None:
    weights, scores = initial_weights(TINY, 1), np.ones((3, 2), np.float32)
    path = tmp_path / "new" / "model.npz"
    trained.write(path, weights, scores)
    found = trained.read(path, TINY)
    assert all(np.array_equal(found.weights[name], array) for name, array in weights.items())
    assert np.array_equal(found.scores, scores)
    with pytest.raises(OwnFailure, match="does not hold the network"):
        trained.read(path, ONE_LAYER)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(OwnFailure, match="cannot read the trained model"):
        trained.read(path, TINY)


@needs_torch
def test_the_model_is_another_one_when_anything_that_made_it_is_another(tmp_path: Path) -> None:
    first = asked([], folder=tmp_path)
    assert first.weights == asked(["--batch", "8", "--variant", "float16"], folder=tmp_path).weights
    for other in (["--epochs", "3"], ["--train-images", "100"], ["--network", "dense"]):
        assert asked(other, folder=tmp_path).weights != first.weights


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--variant", "int4"], "torch has no variant 'int4'"),
        (["--framework", "keras", "--variant", "int8-static"], "keras has no variant 'int8-static'"),
        (["--framework", "jax"], "has no programs for 'jax'"),
        (["--sparsity", "1"], "--sparsity is a share"),
        (["--batch", "0"], "--batch 0 is too few"),
        (["--inferences", "0"], "--inferences 0 is too few"),
        (["--network", "rnn"], "invalid choice: 'rnn'"),
        (["--data", "cifar"], "did you mean cifar10"),
    ],
)
def test_bad_words_are_one_clear_error(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        asked(words)
    assert message in f"{refused.value.message}; {refused.value.remedy}"


def test_the_catalogue_has_one_reference_for_each_framework_and_no_name_twice() -> None:
    for framework in ("torch", "keras"):
        names = [one.name for one in CATALOGUE if one.framework == framework]
        assert names[0] == "float32"
        assert len(names) == len(set(names))
    assert "for CPUs" in left_out(find_compression("torch", "int8-static"), accelerator=True)
    assert not left_out(find_compression("torch", "float16"), accelerator=True)


def test_whether_a_cpu_has_the_arithmetic(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_vnni avx512_bf16\n")
    known = {name: native(name, cpuinfo) for name in ("int8-static", "litert-int8-full", "bfloat16", "float16")}
    assert known == {"int8-static": True, "litert-int8-full": True, "bfloat16": True, "float16": False}
    assert native("float32", cpuinfo) is None
    assert native("litert-float16", cpuinfo) is None  # it computes in float32
    assert native("float16", tmp_path / "none") is None
    cpuinfo.write_text("processor\t: 0\nFeatures\t: fp asimd asimdhp asimddp bf16\n")  # Arm
    assert [native(name, cpuinfo) for name in ("int8-static", "bfloat16", "float16")] == [True, True, True]


# -- PyTorch ----------------------------------------------------------------------------------------------------------


@pytest.mark.torch
@needs_torch
def test_pytorch_answers_what_the_arrays_say_and_gives_them_back() -> None:
    from wattleak.workloads.compressing import torch_models

    weights = with_biases(initial_weights(TINY, 2))
    inputs = images(7)
    assert torch_models.scores(TINY, weights, inputs, "cpu") == pytest.approx(by_hand(weights, inputs), abs=1e-5)
    back = torch_models.weights_of(TINY, torch_models.build(TINY, weights))
    assert all(np.array_equal(back[name], array) for name, array in weights.items())


@pytest.mark.torch
@needs_torch
def test_int8_weights_of_pytorch_are_those_worked_out_by_hand() -> None:
    import torch

    from wattleak.workloads.compressing import torch_models

    dynamic = torch_models.dynamic_int8(torch_models.build(ONE_LAYER, ONE_WEIGHTS))
    # One scale for the layer, of the range -2..2 on 255 steps: 4 / 255. 2 would be 127.5, which does not fit.
    # 1 -> 63.75, -0.25 -> -15.9, 0.5 -> 31.9; a row for each output.
    assert [found.tolist() for found in torch_models.int8_weights(dynamic)] == [[[64, -16], [127, 32]]]
    static = torch_models.static_int8(torch_models.build(ONE_LAYER, ONE_WEIGHTS), torch.rand(64, 1, 1, 2))
    # One scale for each output, 2 / 255 and 4 / 255: 1 -> 127.5, cut to 127; -0.25 -> -31.9; the second as above.
    assert [found.tolist() for found in torch_models.int8_weights(static)] == [[[127, -32], [127, 32]]]


@pytest.mark.torch
@pytest.mark.sklearn
@needs_torch
@pytest.mark.skipif(find_spec("sklearn") is None, reason="needs scikit-learn")
def test_what_the_program_reports_is_what_its_files_say(tmp_path: Path) -> None:
    from sklearn.metrics import accuracy_score

    data = tmp_path / "stripes.npz"
    write_stripes(data)
    words = ["--data", str(data), "--weights", str(tmp_path / "model.npz"), "--keep", str(tmp_path / "kept")]
    words += ["--inferences", "200", "--requests", "100", "--epochs", "1", "--variant", "int8-dynamic"]
    done = subprocess.run(
        [sys.executable, compression.__file__, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    told = {}
    for line in done.stdout.splitlines():
        if line.startswith("WATTLEAK "):
            told |= json.loads(line.removeprefix("WATTLEAK "))
    with np.load(tmp_path / "kept" / "predictions.npz") as kept, np.load(data) as images_:
        assert told["accuracy"] == accuracy_score(images_["test_labels"], kept["scores"].argmax(axis=1))
        assert np.array_equal(kept["labels"], images_["test_labels"])
        with np.load(tmp_path / "model.npz") as model:
            before = accuracy_score(images_["test_labels"], model["scores"].argmax(axis=1))
        assert told["gained"] - told["lost"] == round((told["accuracy"] - before) * 100)
    assert told["size_b"] == os.path.getsize(tmp_path / "kept" / "model.pt")  # noqa: PTH202 - the oracle asked for
    assert told["parameters"] == 16 * 9 + 16 + 32 * 16 * 9 + 32 + 64 * 32 * 9 + 64 + 4 * 64 * 128 + 128 + 128 * 3 + 3
    assert told["inferences"] == 224  # 100 images are 4 batches of 32, 28 of them again; 7 batches are 224
    assert told["latency_p50_s"] <= told["latency_p99_s"]


def write_stripes(path: Path) -> None:
    """Three classes of 8 x 8 pixels: a bright stripe at one of three places."""
    rng = np.random.default_rng(0)
    kept = {}
    for name, count in (("train", 256), ("test", 100)):
        labels = rng.integers(0, 3, count)
        pixels = rng.integers(0, 90, (count, 8, 8, 1))
        for label in range(3):
            pixels[labels == label, :, 2 * label : 2 * label + 3] += 60
        kept |= {f"{name}_images": pixels.astype(np.uint8), f"{name}_labels": labels}
    np.savez(path, **kept)


# -- Keras and LiteRT -------------------------------------------------------------------------------------------------


@pytest.mark.keras
@needs_keras
def test_keras_and_litert_answer_what_the_arrays_say(tmp_path: Path) -> None:
    """In a process of its own: TensorFlow fixes its threads with what it computes first, maybe in another test."""
    with ProcessPoolExecutor(1, get_context("spawn")) as apart:
        apart.submit(keras_and_litert_answer_what_the_arrays_say, tmp_path).result()


def keras_and_litert_answer_what_the_arrays_say(folder: Path) -> None:
    from wattleak.workloads.compressing import keras_models
    from wattleak.workloads.compressing.litert import convert, kept_numbers
    from wattleak.workloads.compressing.ready import Job

    weights = with_biases(initial_weights(TINY, 2))
    inputs = images(32)
    expected = by_hand(weights, inputs)
    job = Job(
        network=TINY,
        trained=trained.Trained(weights, np.empty((0, 2), np.float32), ""),
        training_inputs=inputs,
        training_labels=np.zeros(32, np.int64),
        calibration=32,
        sparsity=0.5,
        channels_out=0.5,
        tuning_epochs=0,
        seed=1,
        threads=1,
        device="cpu",
        file=folder / "model",
    )
    parameters = sum(array.size for array in weights.values())
    spread = float(np.ptp(expected))
    for name, near in {
        "float32": 1e-6,
        "float16": 0.01,
        "int8-dynamic": 0.05,
        "litert-float32": 1e-6,
        "litert-int8-full": 0.1,
    }.items():
        ready = keras_models.compress(name, job)
        held = ready.hold(inputs)
        answered = np.concatenate([ready.answer(held, 0, 20), ready.answer(held, 20, 32)])
        assert answered == pytest.approx(expected, abs=near * spread), name
        assert (ready.parameters, ready.file.stat().st_size > 0) == (parameters, True), name
    one = replace(job, network=ONE_LAYER, training_inputs=inputs.reshape(-1, 1, 2, 1))
    made = convert("litert-int8-full", keras_models.build(ONE_LAYER, ONE_WEIGHTS), one)
    # One scale for each output, 1 / 127 and 2 / 127: 1 -> 127, -0.25 -> -31.75, 2 -> 127, 0.5 -> 31.75.
    kernels = [found.tolist() for found in kept_numbers(made.file) if found.dtype == np.int8]
    assert kernels == [[[127, -32], [127, 32]]]
