"""The network of the framework study, as arrays: its first weights, its batches, and the order they come in.

Two convolutions of 3 x 3 (16 and 32 channels, zeros around the edge), each with ReLU and the maximum over 2 x 2; a
layer of 64 with ReLU; a score for each class. Trained with plain stochastic gradient descent with momentum,

    velocity = momentum * velocity + gradient,  weight = weight - rate * velocity

which is the same in every framework as long as the rate stays. Everything random is drawn here, by NumPy's PCG64 from
one seed, so that no framework's own generator has a part in it. Standard library and NumPy only.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

CHANNELS = (16, 32)
KERNEL = 3
HIDDEN = 64
LEAST_SIDE = 4  # pixels: the two halvings leave one


def first_weights(seed: int, height: int, width: int, channels: int, classes: int) -> list[Array]:
    """Kernel and bias of each layer, first to last.

    Kernels of convolutions are (height, width, in, out), of dense layers (in, out), where `in` of the first dense layer
    runs over height, width, channels in this order: as TensorFlow and Keras keep them. Uniform within
    +/- sqrt(6 / (in + out)) (Glorot and Bengio 2010); biases are zero.
    """
    rng = np.random.default_rng([seed, 0])
    first, second = CHANNELS
    shapes = [
        (KERNEL, KERNEL, channels, first),
        (KERNEL, KERNEL, first, second),
        ((height // 4) * (width // 4) * second, HIDDEN),
        (HIDDEN, classes),
    ]
    weights = []
    for shape in shapes:
        field = int(np.prod(shape[:-2]))  # 1 for a dense layer
        reach = sqrt(6 / (field * (shape[-2] + shape[-1])))
        weights += [rng.uniform(-reach, reach, shape).astype(np.float32), np.zeros(shape[-1], np.float32)]
    return weights


def order_of_epoch(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """The order of the images in an epoch, from 1."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def scaled(pixels: NDArray[np.uint8]) -> Array:
    """Values from 0 to 1, (N, height, width, channels)."""
    return pixels.astype(np.float32) / np.float32(255)


def in_whole_batches(images: Array, batch: int) -> Array:
    """The images, the first ones again behind them until the last batch is full.

    Every batch then has one shape: a framework that compiles for a shape compiles once, as in training.
    """
    full = -(-len(images) // batch) * batch
    return images[np.arange(full) % len(images)]


def probabilities(scores: Array) -> Array:
    """Softmax over the classes, (N, classes)."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = raised / raised.sum(axis=1, keepdims=True)
    return shares
