"""The course of the framework study in Keras 3, with `fit` and `predict`, on one of its backends.

    python keras_fit.py --backend jax --epochs 2 --train-images 1000

Everything that is not asked for is as Keras has it by default: also whether it compiles with XLA, and the layout of
images, which is channels last on every backend.
"""

# mypy: ignore-errors
# TensorFlow and Keras come without types.
from __future__ import annotations

import argparse
import os

from wattleak.workloads.frameworks.course import Course, run
from wattleak.workloads.frameworks.network import CHANNELS, HIDDEN, KERNEL, Array, Labels

BACKENDS = ("tensorflow", "torch", "jax")


class KerasLearner:
    """A compiled Keras model."""

    def __init__(self, course: Course) -> None:
        self.device, self.accelerated = _ready(os.environ["KERAS_BACKEND"], course.threads)
        import keras  # noqa: PLC0415 - reads its backend from the environment when it is imported

        layers = keras.layers
        first, second = CHANNELS
        self._batch, self._test_batch = course.batch, course.test_batch
        self._model = keras.Sequential(
            [
                keras.Input(course.data.train_images.shape[1:]),
                layers.Conv2D(first, KERNEL, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
                layers.Conv2D(second, KERNEL, padding="same", activation="relu"),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(HIDDEN, activation="relu"),
                layers.Dense(course.data.classes),
            ]
        )
        self._model.set_weights(course.weights)
        self._model.compile(
            optimizer=keras.optimizers.SGD(course.rate, momentum=course.momentum),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

    def first_step(self, images: Array, labels: Labels) -> float:
        return self._fit(images, labels)

    def train(self, images: Array, labels: Labels) -> None:
        self._fit(images, labels)

    def scores(self, images: Array) -> Array:
        return self._model.predict(images, batch_size=self._test_batch, verbose=0)

    def _fit(self, images: Array, labels: Labels) -> float:
        """Mean loss of the batches, which come in the order given."""
        history = self._model.fit(images, labels, batch_size=self._batch, shuffle=False, verbose=0)
        return float(history.history["loss"][0])


def _ready(backend: str, threads: int) -> tuple[str, bool]:
    """Set threads and precision of a backend before Keras uses it; return its device."""
    if backend == "torch":
        import torch  # noqa: PLC0415 - of three backends only the one that is asked for

        torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = False
        there = torch.cuda.is_available()
        return torch.cuda.get_device_name() if there else "CPU", there
    if backend == "jax":
        os.environ["NPROC"] = str(threads)  # XLA reads it when its client for CPUs is made, at the first array
        import jax  # noqa: PLC0415 - as above

        jax.config.update("jax_default_matmul_precision", "highest")
        there = jax.default_backend() != "cpu"
        return str(jax.devices()[0].device_kind) if there else "CPU", there
    import tensorflow as tf  # noqa: PLC0415 - as above

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    devices = tf.config.list_physical_devices("GPU")
    if devices:
        return tf.config.experimental.get_device_details(devices[0])["device_name"], True
    return "CPU", False


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0])
    asked, words = parser.parse_known_args()
    os.environ["KERAS_BACKEND"] = asked.backend
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    run(KerasLearner, __doc__, words)


if __name__ == "__main__":
    main()
