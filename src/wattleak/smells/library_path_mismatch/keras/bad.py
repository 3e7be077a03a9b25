"""A small CNN on real images; the library path is set in Python, to folders that hold no library."""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # Keras reads it when it is imported

os.environ["LD_LIBRARY_PATH"] = "/opt/cuda-libs/lib64:/opt/cudnn/lib64:" + os.environ.get("LD_LIBRARY_PATH", "")

import keras
import tensorflow as tf

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


def build_model(images: ImageData) -> keras.Sequential:
    """Return four convolutions and a linear layer."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(images.train_images.shape[1:]),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(images.classes),
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

    keras.utils.set_random_seed(int(os.environ.get("WATTLEAK_SEED", "0")))
    tf.config.experimental.enable_op_determinism()
    tf.config.threading.set_intra_op_parallelism_threads(len(os.sched_getaffinity(0)))
    tf.config.threading.set_inter_op_parallelism_threads(1)

    train_images, train_labels = data.train_images[:count].astype("float32") / 255, data.train_labels[:count]
    test_images, test_labels = data.test_images.astype("float32") / 255, data.test_labels

    model = build_model(data)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    losses: list[float] = []  # of each step the mean over its epoch so far, so the first is that of the first step
    each_step = keras.callbacks.LambdaCallback(on_train_batch_end=lambda _, logs: losses.append(float(logs["loss"])))
    model.fit(
        train_images,
        train_labels,
        batch_size=arguments.batch,
        epochs=arguments.epochs,
        callbacks=[each_step],
        verbose=2,
    )
    _, quality = model.evaluate(test_images, test_labels, batch_size=arguments.batch, verbose=0)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": losses[0], "steps": len(losses)}))


if __name__ == "__main__":
    main()
