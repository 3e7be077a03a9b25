"""A small CNN on real images, built again for every epoch, from the checkpoint that the last one left."""

# mypy: ignore-errors
# TensorFlow and Keras come without types.
from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


def build_model(images: ImageData) -> keras.Model:
    """Return four convolutions and a dense layer, ready to train; its optimizer has its variables already."""
    model = keras.Sequential(
        [
            keras.Input(images.train_images.shape[1:]),
            layers.Rescaling(1 / 255),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(images.classes),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    return model


class Losses(keras.callbacks.Callback):
    """The loss of every step, as Keras gives it: the mean over the epoch so far."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_train_batch_end(self, _batch: int, logs: dict[str, Any] | None = None) -> None:
        self.seen.append(float((logs or {})["loss"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist) or an npz file")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--train-images", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    try:
        data = load(arguments.data, download=True)  # downloads only what --data names
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    count = min(arguments.train_images, len(data.train_images))
    print(f"data {data.describe()}; training on {count} images")

    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    tf.config.threading.set_intra_op_parallelism_threads(len(os.sched_getaffinity(0)))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    shuffling = np.random.default_rng(seed)  # of its own: building a model draws from the others

    losses = Losses()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "last.weights.h5"
        for epoch in range(1, arguments.epochs + 1):
            model = build_model(data)
            if checkpoint.exists():
                model.load_weights(checkpoint)
            rows = shuffling.permutation(count)
            images, labels = data.train_images[rows], data.train_labels[rows]
            model.fit(images, labels, batch_size=arguments.batch, shuffle=False, callbacks=[losses], verbose=0)
            model.save_weights(checkpoint)
            print(f"epoch {epoch}/{arguments.epochs} loss {losses.seen[-1]:.4f}", flush=True)
    _, quality = model.evaluate(data.test_images, data.test_labels, batch_size=arguments.batch, verbose=0)
    results = {"accuracy": quality, "first_loss": losses.seen[0], "steps": len(losses.seen)}
    print("WATTLEAK " + json.dumps(results))


if __name__ == "__main__":
    main()
