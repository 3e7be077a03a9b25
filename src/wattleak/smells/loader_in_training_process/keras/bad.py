"""A small CNN on real images (Keras), which its own process reads and augments before each step."""

# mypy: disable-error-code="misc, no-any-return"
# TensorFlow and Keras have no types.
from __future__ import annotations

import argparse
import json
import math
import os

import numpy as np
from scipy import ndimage

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


class AugmentedBatches(keras.utils.PyDataset):
    """Batches of images, each turned, moved and mirrored by random numbers of its own: the same in whatever worker."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, batch: int, seed: int, **workers: int) -> None:
        super().__init__(**workers)
        self.images, self.labels, self.batch, self.seed = images, labels, batch, seed
        self.epoch = 0
        self.order = np.random.default_rng((seed, self.epoch)).permutation(len(images))

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch)

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order[number * self.batch : (number + 1) * self.batch]
        return np.stack([self.augmented(row) for row in rows]).astype(np.float32) / 255, self.labels[rows]

    def augmented(self, row: int) -> np.ndarray:
        """Return one image, changed."""
        random = np.random.default_rng((self.seed, self.epoch, row))
        image = ndimage.rotate(self.images[row], random.uniform(-15, 15), reshape=False, mode="nearest")
        image = ndimage.shift(image, (*random.uniform(-2, 2, size=2), 0), mode="nearest")
        return image[:, ::-1] if random.random() < 0.5 else image

    def on_epoch_end(self) -> None:
        self.epoch += 1
        self.order = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.images))


class FirstLoss(keras.callbacks.Callback):
    """Keeps the loss of the first training step."""

    value: float | None = None

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:  # noqa: ARG002 - Keras gives both
        if self.value is None:
            self.value = float(logs["loss"])


def build_model(images: ImageData) -> keras.Model:
    """Return four convolutions and a linear layer."""
    return keras.Sequential(
        [
            keras.layers.Input(images.train_images.shape[1:]),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(16, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.Conv2D(32, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
            keras.layers.Flatten(),
            keras.layers.Dense(images.classes),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist) or an npz file")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--train-images", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    try:
        data = load(arguments.data, download=True)  # downloads only what --data names
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    count = min(arguments.train_images, len(data.train_images))
    print(f"data {data.describe()}; training on {count} images")

    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(len(os.sched_getaffinity(0)))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)

    batches = AugmentedBatches(
        data.train_images[:count],
        data.train_labels[:count],
        arguments.batch,
        seed,
    )
    model = build_model(data)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss, metrics=["accuracy"])
    first = FirstLoss()
    model.fit(batches, epochs=arguments.epochs, shuffle=False, verbose=2, callbacks=[first])
    test_images = data.test_images.astype(np.float32) / 255
    _, quality = model.evaluate(test_images, data.test_labels, batch_size=arguments.batch, verbose=0)
    steps = int(model.optimizer.iterations)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": first.value, "steps": steps}))


if __name__ == "__main__":
    main()
