"""A small CNN on real images; the loss is read from the device in every step."""

# mypy: ignore-errors
# TensorFlow and Keras come without types.
from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from wattleak.errors import WattleakError
from wattleak.workloads.data import load


def build_model(images):
    """Return four convolutions and a linear layer, as logits."""
    return keras.Sequential(
        [
            keras.Input(images.train_images.shape[1:]),
            *(layers.Conv2D(16, 3, padding="same", activation="relu"),),
            *(layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D()),
            *(layers.Conv2D(32, 3, padding="same", activation="relu"),),
            *(layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D()),
            *(layers.Flatten(), layers.Dense(images.classes)),
        ]
    )


@tf.function(reduce_retracing=True)
def train_step(model, optimizer, loss_function, images, labels):
    """Make one step of the optimizer and return the loss before it."""
    with tf.GradientTape() as tape:
        loss = loss_function(labels, model(images, training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply(gradients, model.trainable_variables)
    return loss


def train_one_epoch(model, optimizer, loss_function, images, labels, order, batch):
    """Return the mean loss over the epoch, the loss of its first step, and the number of its steps."""
    total = 0.0
    first = tf.zeros(())
    starts = range(0, len(order), batch)
    for step, start in enumerate(starts):
        rows = order[start : start + batch]
        loss = train_step(model, optimizer, loss_function, images[rows], labels[rows])
        if step == 0:
            first = loss
        total += loss.numpy() * len(rows)
    return total / len(order), float(first), len(starts)


def accuracy(model, images, labels, batch):
    """Return the share of images whose class is predicted."""
    right = 0
    for start in range(0, len(images), batch):
        logits = model(images[start : start + batch], training=False)
        right += int(np.sum(np.argmax(logits, axis=1) == labels[start : start + batch]))
    return right / len(images)


def main():
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

    train_images = data.train_images[:count].astype("float32") / 255
    train_labels = data.train_labels[:count]
    test_images = data.test_images.astype("float32") / 255

    device = "/GPU:0" if tf.config.list_physical_devices("GPU") else "/CPU:0"
    with tf.device(device):
        model = build_model(data)
        optimizer = keras.optimizers.Adam(1e-3)
        loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        random = np.random.default_rng(seed)
        first_losses, steps = [], 0
        for epoch in range(1, arguments.epochs + 1):
            order = random.permutation(count)
            loss, first, done = train_one_epoch(
                *(model, optimizer, loss_function, train_images, train_labels, order, arguments.batch)
            )
            first_losses.append(first)
            steps += done
            print(f"epoch {epoch}/{arguments.epochs} loss {loss:.4f}", flush=True)
        quality = accuracy(model, test_images, data.test_labels, arguments.batch)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": first_losses[0], "steps": steps}))


if __name__ == "__main__":
    main()
