"""A small CNN on real images; fit is told batches of 64, which it ignores: the data set is cut into batches of 4."""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load

FIRST = 64  # training images whose loss is told before any update: the same in every batch size


def build_model(images: ImageData) -> keras.Model:
    """Return four convolutions and a dense layer."""
    return keras.Sequential(
        [
            keras.Input(images.train_images.shape[1:]),
            *(keras.layers.Conv2D(16, 3, padding="same", activation="relu") for _ in range(2)),
            keras.layers.MaxPooling2D(2),
            *(keras.layers.Conv2D(32, 3, padding="same", activation="relu") for _ in range(2)),
            keras.layers.MaxPooling2D(2),
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
    tf.config.threading.set_intra_op_parallelism_threads(len(os.sched_getaffinity(0)))
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()

    train_images, train_labels = data.train_images[:count].astype("float32") / 255, data.train_labels[:count]
    test_images, test_labels = data.test_images.astype("float32") / 255, data.test_labels

    model = build_model(data)
    cost = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    first_loss = float(cost(train_labels[:FIRST], model(train_images[:FIRST], training=True)))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=cost, metrics=["accuracy"])
    train = tf.data.Dataset.from_tensor_slices((train_images, train_labels)).shuffle(count, seed=seed)
    history = model.fit(train.batch(4), epochs=arguments.epochs, shuffle=False, verbose=0, batch_size=arguments.batch)
    for epoch, loss in enumerate(history.history["loss"], 1):
        print(f"epoch {epoch}/{arguments.epochs} loss {loss:.4f}", flush=True)
    predicted = model.predict(test_images, batch_size=256, verbose=0).argmax(axis=1)
    quality = float(np.mean(predicted == test_labels))
    steps = int(model.optimizer.iterations)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": first_loss, "steps": steps}))


if __name__ == "__main__":
    main()
