"""What every program of `wattleak study frameworks` does, whatever it trains with: the same course of training.

    first step | the rest of epoch 1 | evaluation | epoch 2 | evaluation | ... | inference

Each is a span of the recording. The first step stands apart because frameworks compile in it; what comes before it is
start-up (imports, data, weights), which ends with the first mark. A program brings a `Learner`; data, batches, order,
first weights and scores are the same for all and made here.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

import wattleak
from wattleak.analysis.framework_courses import EPOCH, EVALUATION, FIRST_STEP, INFERENCE
from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load
from wattleak.workloads.frameworks.network import (
    LEAST_SIDE,
    Array,
    Labels,
    first_weights,
    in_whole_batches,
    order_of_epoch,
    probabilities,
    scaled,
)
from wattleak.workloads.scores import accuracy, auc
from wattleak.workloads.spans import span
from wattleak.workloads.threads import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Learner(Protocol):
    """One network in one framework. Each call returns when its work is done, not when it is queued."""

    device: str  # in words
    accelerated: bool  # it works on something other than a CPU

    def first_step(self, images: Array, labels: Labels) -> float:
        """Train on one batch; return the loss before it."""
        ...

    def train(self, images: Array, labels: Labels) -> None:
        """Train on whole batches, in this order."""
        ...

    def scores(self, images: Array) -> Array:
        """The score of each class, (N, classes), for whole test batches."""
        ...


@dataclass(frozen=True)
class Course:
    """What is asked, checked."""

    data: ImageData
    seed: int
    threads: int
    count: int  # training images, whole batches
    tested: int
    epochs: int
    batch: int
    test_batch: int
    rate: float
    momentum: float
    passes: int  # over the test images, in the inference phase
    weights: list[Array]


def run(prepare: Callable[[Course], Learner], description: str, words: Sequence[str] | None = None) -> None:
    """Train and test; print what wattleak reads. `prepare` makes the learner with the course's first weights."""
    course = read_course(description, words)
    data, batch = course.data, course.batch
    learner = prepare(course)
    print(f"data {data.describe()}; training on {course.count}, testing on {course.tested} images")
    print(f"device: {learner.device}; {course.threads} threads", flush=True)
    images, labels = scaled(data.train_images[: course.count]), data.train_labels[: course.count]
    true = data.test_labels[: course.tested]
    tests = in_whole_batches(scaled(data.test_images[: course.tested]), course.test_batch)

    reported: dict[str, float] = {}
    scores = np.empty((0, data.classes), np.float32)
    wattleak.step("epoch")  # start-up ends
    for epoch in range(1, course.epochs + 1):
        rows = order_of_epoch(course.seed, epoch, course.count)
        drawn, wanted = images[rows], labels[rows]
        if epoch == 1:
            with span(FIRST_STEP):
                reported["first_loss"] = learner.first_step(drawn[:batch], wanted[:batch])
            drawn, wanted = drawn[batch:], wanted[batch:]
        with span(EPOCH):
            learner.train(drawn, wanted)
        with span(EVALUATION):
            scores = learner.scores(tests)[: course.tested]
        wattleak.step("epoch", samples=course.count)
        reported[f"accuracy_after_{epoch}"] = accuracy(true, scores)
        print(f"epoch {epoch}/{course.epochs} accuracy {reported[f'accuracy_after_{epoch}']:.4f}", flush=True)
    with span(INFERENCE):
        for _ in range(course.passes):
            learner.scores(tests)
    reported |= {
        "accuracy": accuracy(true, scores),
        "epochs": course.epochs,
        "samples": course.epochs * course.count - batch,  # of the spans of epochs: the first step stands apart
        "inferences": course.passes * len(tests),
        "accelerated": int(learner.accelerated),
    }
    _report(true, probabilities(scores), reported)


def _report(labels: Labels, shares: Array, reported: dict[str, float]) -> None:
    try:
        reported["auc"] = auc(labels, shares)
    except ValueError as error:
        print(f"no AUC: {error}")
    own = os.environ.get("WATTLEAK_RUN_DIR")
    if own:
        np.savez_compressed(Path(own) / "predictions.npz", labels=labels, scores=shares)
    print("WATTLEAK " + json.dumps(reported))


def read_course(description: str, words: Sequence[str] | None = None) -> Course:
    """Read the command line; exit with 2 and one line when it does not fit."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist, jets) or an npz file")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--train-images", type=int, default=2048, help="cut to whole batches (default: 2048)")
    parser.add_argument("--test-images", type=int, help="so many of them (default: all)")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--test-batch", type=int, default=250, help="images scored at once (default: 250)")
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--inference-passes", type=int, default=5, help="over the test images (default: 5)")
    parser.add_argument("--threads", type=int, help="(default: $OMP_NUM_THREADS, else the CPUs that are allowed)")
    asked = parser.parse_args(words)
    try:
        data = load(asked.data, download=True)  # downloads only what --data names
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    height, width, channels = data.train_images.shape[1:]
    if min(height, width) < LEAST_SIDE:
        parser.error(f"the network takes images of {LEAST_SIDE} pixels or more, and {data.name} has {height} x {width}")
    for name in ("epochs", "batch", "test_batch", "inference_passes", "threads", "train_images", "test_images"):
        if getattr(asked, name) is not None and getattr(asked, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is 1 or more")
    if not asked.learning_rate > 0 or not 0 <= asked.momentum < 1:
        parser.error("--learning-rate is above 0, --momentum from 0 to below 1")
    count = min(asked.train_images, len(data.train_images)) // asked.batch * asked.batch
    if count < 2 * asked.batch:
        parser.error(f"two batches of {asked.batch} are the least: --train-images {2 * asked.batch} or more")
    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    return Course(
        data=data,
        seed=seed,
        threads=asked.threads or threads(),
        count=count,
        tested=min(asked.test_images or len(data.test_images), len(data.test_images)),
        epochs=asked.epochs,
        batch=asked.batch,
        test_batch=asked.test_batch,
        rate=asked.learning_rate,
        momentum=asked.momentum,
        passes=asked.inference_passes,
        weights=first_weights(seed, height, width, channels, data.classes),
    )
