"""The course that all frameworks train: what it reads, draws and refuses; and Keras against NumPy, step by step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from wattleak.workloads import frameworks
from wattleak.workloads.frameworks.course import read_course
from wattleak.workloads.frameworks.network import first_weights, order_of_epoch, probabilities


def test_the_seed_makes_weights_and_order_and_nothing_else_does():
    first, again, other = (
        first_weights(1, 28, 28, 1, 10),
        first_weights(1, 28, 28, 1, 10),
        first_weights(2, 28, 28, 1, 10),
    )
    assert all((one == same).all() for one, same in zip(first, again, strict=True))
    assert not (first[0] == other[0]).all()
    assert [one.shape for one in first] == [
        (3, 3, 1, 16),
        (16,),
        (3, 3, 16, 32),
        (32,),
        (1568, 64),
        (64,),
        (64, 10),
        (10,),
    ]
    assert all(one.dtype == np.float32 for one in first)
    assert np.abs(first[0]).max() <= np.sqrt(6 / (9 * 17))  # Glorot: in 9 x 1, out 9 x 16
    assert np.abs(first[4]).max() == pytest.approx(np.sqrt(6 / (1568 + 64)), rel=1e-3)
    assert sorted(order_of_epoch(1, 2, 10)) == list(range(10))
    assert (order_of_epoch(1, 2, 10) != order_of_epoch(1, 3, 10)).any()


def test_jets_have_another_shape_and_two_classes():
    shapes = [one.shape for one in first_weights(0, 32, 32, 1, 2)]
    assert (shapes[4], shapes[6]) == ((2048, 64), (64, 2))


def test_probabilities_of_large_scores():
    assert probabilities(np.array([[1000.0, 1000.0], [0.0, np.log(3)]], np.float32)).tolist() == [
        [0.5, 0.5],
        pytest.approx([0.25, 0.75]),
    ]


def test_images_are_cut_to_whole_batches(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("WATTLEAK_SEED", "7")
    course = read_course("", ["--train-images", "150", "--batch", "64", "--test-images", "30"])
    assert (course.count, course.tested, course.threads, course.seed) == (128, 30, 3, 7)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--train-images", "100", "--batch", "64"), "two batches of 64 are the least"),
        (("--epochs", "0"), "--epochs is 1 or more"),
        (("--momentum", "1"), "--momentum from 0 to below 1"),
        (("--data", "nothing-of-that-name"), "nothing-of-that-name"),
    ],
)
def test_what_does_not_fit_ends_with_2(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        read_course("", words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.keras
@pytest.mark.skipif(find_spec("keras") is None or find_spec("tensorflow") is None, reason="needs Keras on TensorFlow")
def test_keras_takes_the_steps_that_numpy_takes(tmp_path):
    """On images of one pixel's worth of light: with all kernels alike for all frameworks, the biases alone learn."""
    labels = np.arange(64) % 2
    path = tmp_path / "dark.npz"
    dark = np.zeros((64, 4, 4, 1), np.uint8)
    np.savez(path, train_images=dark, train_labels=labels, test_images=dark[:4], test_labels=labels[:4])
    program = Path(frameworks.__file__).with_name("keras_fit.py")
    words = ("--data", str(path), "--train-images", "64", "--batch", "32", "--epochs", "2", "--test-batch", "4")
    env = {**os.environ, "OMP_NUM_THREADS": "1", "WATTLEAK_RUN_DIR": str(tmp_path), "WATTLEAK_SEED": "5"}
    done = subprocess.run(
        [sys.executable, str(program), *words, "--inference-passes", "1"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout.rpartition("WATTLEAK ")[2])
    assert reported["first_loss"] == pytest.approx(np.log(2), rel=1e-6)  # dark images score 0 for both classes
    # Only the last bias has a gradient: the mean over the batch of probability minus truth. Plain momentum, by hand.
    bias, velocity = np.zeros(2), np.zeros(2)
    for epoch in (1, 2):
        for batch in order_of_epoch(5, epoch, 64).reshape(2, 32):
            share = np.exp(bias) / np.exp(bias).sum()
            velocity = 0.9 * velocity + share - np.bincount(labels[batch], minlength=2) / 32
            bias = bias - 0.05 * velocity
    scores = np.load(tmp_path / "predictions.npz")["scores"]
    assert scores[0] == pytest.approx(np.exp(bias) / np.exp(bias).sum(), rel=1e-5)
