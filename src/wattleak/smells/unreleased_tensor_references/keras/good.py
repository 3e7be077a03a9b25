"""A small CNN on real images; what the convolutions make of a batch is released with the step."""

# mypy: ignore-errors
# TensorFlow and Keras come without types.
from __future__ import annotations

import argparse
import json
import os
from statistics import fmean

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from wattleak.errors import WattleakError
from wattleak.workloads.data import load


def build_features(images):
    """Return four convolutions."""
    return keras.Sequential(
        [
            keras.Input(images.train_images.shape[1:]),
            *(layers.Conv2D(16, 3, padding="same", activation="relu"),),
            *(layers.Conv2D(16, 3, padding="same", activation="relu"), layers.MaxPooling2D()),
            *(layers.Conv2D(32, 3, padding="same", activation="relu"),),
            *(layers.Conv2D(32, 3, padding="same", activation="relu"), layers.MaxPooling2D()),
            layers.Flatten(),
        ]
    )


def train_one_epoch(features, classifier, optimizer, loss_function, images, labels, order, batch):
    """Return the loss of each step, before its update."""
    variables = features.trainable_variables + classifier.trainable_variables
    losses = []
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        with tf.GradientTape() as tape:
            activations = features(images[rows], training=True)
            loss = loss_function(labels[rows], classifier(activations, training=True))
        optimizer.apply(tape.gradient(loss, variables), variables)
        losses.append(loss)
    return [float(loss) for loss in losses]


def accuracy(features, classifier, images, labels, batch):
    """Return the share of images whose class is predicted."""
    right = 0
    for start in range(0, len(images), batch):
        logits = classifier(features(images[start : start + batch], training=False), training=False)
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

    features = build_features(data)
    classifier = keras.Sequential([keras.Input(features.output_shape[1:]), layers.Dense(data.classes)])
    optimizer = keras.optimizers.Adam(1e-3)
    loss_function = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    random = np.random.default_rng(seed)
    losses = []
    for epoch in range(1, arguments.epochs + 1):
        of_epoch = train_one_epoch(
            *(features, classifier, optimizer, loss_function, train_images, train_labels),
            *(random.permutation(count), arguments.batch),
        )
        print(f"epoch {epoch}/{arguments.epochs} loss {fmean(of_epoch):.4f}", flush=True)
        losses += of_epoch
    quality = accuracy(features, classifier, test_images, data.test_labels, arguments.batch)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": losses[0], "steps": len(losses)}))


if __name__ == "__main__":
    main()
