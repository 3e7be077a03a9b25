"""The course of the framework study in JAX alone, without a library of layers: functions, gradients, one compiled step.

python jax_loop.py --epochs 2 --train-images 1000
"""

# mypy: ignore-errors
# As for TensorFlow and Keras: what is said must not depend on whether JAX is installed.
from __future__ import annotations

import argparse
import os
from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from wattleak.workloads.frameworks.course import Course, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from wattleak.workloads.frameworks.network import Array, Labels


def windows(images: jax.Array) -> jax.Array:
    """The maximum over 2 x 2."""
    return lax.reduce_window(images, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def reshape(images: jax.Array) -> jax.Array:
    """The same by axes of its own for what is compared."""
    count, height, width, channels = images.shape
    even = images[:, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(count, height // 2, 2, width // 2, 2, channels).max((2, 4))


POOLING = {"windows": windows, "reshape": reshape}


def scores_of(weights: list[jax.Array], images: jax.Array, pool: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """The score of each class; images are (N, height, width, channels)."""
    found = images
    for kernel, bias in (weights[0:2], weights[2:4]):
        found = lax.conv_general_dilated(found, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        found = jax.nn.relu(found + bias)
        found = pool(found)
    found = found.reshape(len(found), -1)
    found = jax.nn.relu(found @ weights[4] + weights[5])
    return found @ weights[6] + weights[7]


def mean_loss(
    weights: list[jax.Array], images: jax.Array, labels: jax.Array, pool: Callable[[jax.Array], jax.Array]
) -> jax.Array:
    """Cross-entropy of softmax."""
    logarithms = jax.nn.log_softmax(scores_of(weights, images, pool))
    return -jnp.take_along_axis(logarithms, labels[:, None], axis=1).mean()


@partial(jax.jit, static_argnames=("rate", "momentum", "pool"))
def step(
    weights: list[jax.Array],
    velocities: list[jax.Array],
    images: jax.Array,
    labels: jax.Array,
    *,
    rate: float,
    momentum: float,
    pool: Callable[[jax.Array], jax.Array],
) -> tuple[list[jax.Array], list[jax.Array], jax.Array]:
    """Weights and velocities after one batch, and its loss before."""
    loss, gradients = jax.value_and_grad(mean_loss)(weights, images, labels, pool)
    velocities = [momentum * velocity + gradient for velocity, gradient in zip(velocities, gradients, strict=True)]
    weights = [weight - rate * velocity for weight, velocity in zip(weights, velocities, strict=True)]
    return weights, velocities, loss


class JaxLearner:
    """The state of the training; JAX's own functions have none."""

    def __init__(self, course: Course, pooling: str = "windows") -> None:
        pool = POOLING[pooling]
        os.environ["NPROC"] = str(course.threads)  # XLA reads it when its client for CPUs is made, at the first array
        jax.config.update("jax_default_matmul_precision", "highest")  # 32 bits in all frameworks alike
        self.accelerated = jax.default_backend() != "cpu"
        self.device = str(jax.devices()[0].device_kind) if self.accelerated else "CPU"
        self._batch, self._test_batch = course.batch, course.test_batch
        self._weights: list[jax.Array] = [jnp.asarray(values) for values in course.weights]
        self._velocities: list[jax.Array] = [jnp.zeros_like(values) for values in self._weights]
        self._step = partial(step, rate=course.rate, momentum=course.momentum, pool=pool)
        self._scores = jax.jit(partial(scores_of, pool=pool))

    def first_step(self, images: Array, labels: Labels) -> float:
        return float(self._one(images, labels))

    def train(self, images: Array, labels: Labels) -> None:
        for start in range(0, len(images), self._batch):
            self._one(images[start : start + self._batch], labels[start : start + self._batch])
        jax.block_until_ready(self._weights)

    def scores(self, images: Array) -> Array:
        parts = [
            self._scores(self._weights, images[start : start + self._test_batch])
            for start in range(0, len(images), self._test_batch)
        ]
        return np.concatenate([np.asarray(part) for part in parts])

    def _one(self, images: Array, labels: Labels) -> jax.Array:
        # JAX has no 64-bit integers unless asked; said here so that it need not cut them with a warning.
        self._weights, self._velocities, loss = self._step(
            self._weights, self._velocities, images, labels.astype(np.int32)
        )
        return loss


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--pooling", choices=POOLING, default="windows")
    asked, words = parser.parse_known_args()
    run(partial(JaxLearner, pooling=asked.pooling), __doc__ or "", words)


if __name__ == "__main__":
    main()
