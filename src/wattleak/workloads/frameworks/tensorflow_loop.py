"""The course of the framework study in TensorFlow without Keras: a GradientTape, compiled to a graph by tf.function.

python tensorflow_loop.py --epochs 2 --train-images 1000
"""

# mypy: ignore-errors
# TensorFlow comes without types.
from __future__ import annotations

import os
from typing import TYPE_CHECKING

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from wattleak.workloads.frameworks.course import Course, run

if TYPE_CHECKING:
    from wattleak.workloads.frameworks.network import Array, Labels


class TensorFlowLearner:
    """Weights and velocities are variables, which the compiled step changes in place."""

    def __init__(self, course: Course) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(course.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tf.config.experimental.enable_tensor_float_32_execution(False)  # 32 bits in all frameworks alike
        devices = tf.config.list_physical_devices("GPU")
        self.accelerated = bool(devices)
        self.device = tf.config.experimental.get_device_details(devices[0])["device_name"] if devices else "CPU"
        self._batch, self._test_batch = course.batch, course.test_batch
        self._rate, self._momentum = course.rate, course.momentum
        self._weights = [tf.Variable(values) for values in course.weights]
        self._velocities = [tf.Variable(tf.zeros_like(values)) for values in self._weights]

    def first_step(self, images: Array, labels: Labels) -> float:
        return float(self._step(tf.constant(images), tf.constant(labels)))

    def train(self, images: Array, labels: Labels) -> None:
        for start in range(0, len(images), self._batch):
            some = slice(start, start + self._batch)
            self._step(tf.constant(images[some]), tf.constant(labels[some]))
        self._weights[-1].numpy()  # waits for the last step

    def scores(self, images: Array) -> Array:
        parts = [
            self._scores(tf.constant(images[start : start + self._test_batch]))
            for start in range(0, len(images), self._test_batch)
        ]
        return np.concatenate([part.numpy() for part in parts])

    @tf.function
    def _step(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=self._forward(images))
            loss = tf.reduce_mean(each)
        gradients = tape.gradient(loss, self._weights)
        for weight, velocity, gradient in zip(self._weights, self._velocities, gradients, strict=True):
            velocity.assign(self._momentum * velocity + gradient)
            weight.assign_sub(self._rate * velocity)
        return loss

    @tf.function
    def _scores(self, images: tf.Tensor) -> tf.Tensor:
        return self._forward(images)

    def _forward(self, images: tf.Tensor) -> tf.Tensor:
        found = images
        for kernel, bias in (self._weights[0:2], self._weights[2:4]):
            found = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(found, kernel, 1, "SAME"), bias))
            found = tf.nn.max_pool2d(found, 2, 2, "VALID")
        found = tf.reshape(found, (tf.shape(found)[0], -1))
        found = tf.nn.relu(found @ self._weights[4] + self._weights[5])
        return found @ self._weights[6] + self._weights[7]


if __name__ == "__main__":
    run(TensorFlowLearner, __doc__)
