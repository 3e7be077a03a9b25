"""A small CNN on real images (Keras); the mean loss is divided by a number of batches that a second reading gives."""

# mypy: disable-error-code="untyped-decorator"
# TensorFlow and Keras have no types.
from __future__ import annotations

import argparse
import json
import os

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import tensorflow as tf

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


def augmented_batches(images: np.ndarray, labels: np.ndarray, batch: int, seed: int) -> tf.data.Dataset:
    """Return the batches of one epoch: images in the order of `seed`, changed by random numbers of their own."""
    height, width, channels = images.shape[1:]

    def augmented(number: tf.Tensor, image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        own = tf.stack([tf.cast(seed, tf.int64), number])
        image = tf.image.resize(tf.cast(image, tf.float32) / 255, (height + 6, width + 6), method="bicubic")
        image = tf.image.stateless_random_crop(image, (height, width, channels), seed=own)
        image = tf.image.stateless_random_flip_left_right(image, seed=own)
        image = tf.image.stateless_random_contrast(image, 0.8, 1.2, seed=own)
        return tf.image.stateless_random_brightness(image, 0.1, seed=own), label

    numbers = np.arange(len(images))
    return (
        tf.data.Dataset.from_tensor_slices((numbers, images, labels))
        .shuffle(len(images), seed=seed)
        .map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
        .batch(batch)
        .prefetch(tf.data.AUTOTUNE)
    )


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


@tf.function
def train_step(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, images: tf.Tensor, labels: tf.Tensor
) -> tf.Tensor:
    """Return the loss before the update."""
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    return loss


def train_one_epoch(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, batches: tf.data.Dataset, losses: list[float]
) -> float:
    """Add the loss of every step to `losses` and return the mean of the epoch."""
    total = 0.0
    for images, labels in batches:
        losses.append(float(train_step(model, optimizer, images, labels)))
        total += losses[-1]
    return total / len(list(batches))


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

    model = build_model(data)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    losses: list[float] = []
    for epoch in range(1, arguments.epochs + 1):
        batches = augmented_batches(data.train_images[:count], data.train_labels[:count], arguments.batch, seed + epoch)
        loss = train_one_epoch(model, optimizer, batches, losses)
        print(f"epoch {epoch}/{arguments.epochs} loss {loss:.4f}", flush=True)
    test_images = data.test_images.astype(np.float32) / 255
    predicted = model.predict(test_images, batch_size=arguments.batch, verbose=0).argmax(1)
    quality = float((predicted == data.test_labels).mean())
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": losses[0], "steps": len(losses)}))


if __name__ == "__main__":
    main()
