"""The networks in Keras on TensorFlow: training, and the ways to compress them that come with it.

int8 within Keras is `Model.quantize("int8")`, which knows dense layers, not convolutions, and scales their inputs at
each inference; all layers in int8 take LiteRT (`litert`). On CPUs: LiteRT has no other kernels here, and a comparison
must not be one of devices.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what it finds on this machine, line by line

import keras
import numpy as np
import tensorflow as tf

from wattleak.workloads.compressing.networks import KERNEL
from wattleak.workloads.compressing.pruning import pruned
from wattleak.workloads.compressing.ready import Ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wattleak.workloads.compressing.networks import Network, Weights
    from wattleak.workloads.compressing.ready import Job

_BATCH, _RATE = 64, 1e-3  # of the training, by Adam: as in `torch_models`
_SCORED_AT_ONCE = 256


def build(network: Network, weights: Weights, kind: str = "float32") -> keras.Model:
    """The network with these weights; `kind` is that of weights and arithmetic."""
    layers = keras.layers
    shape = (network.height, network.width, network.channels)
    stack: list[keras.layers.Layer] = [keras.Input(shape, dtype="float32", name="image")]
    for convolution in network.convolutions:
        stack.append(
            layers.Conv2D(
                convolution.filters, KERNEL, padding="same", activation="relu", dtype=kind, name=convolution.name
            )
        )
        if convolution.pooled:
            stack.append(layers.MaxPooling2D(2, dtype=kind))
    stack.append(layers.Flatten(dtype=kind))
    for dense in network.dense:
        activation = None if dense is network.dense[-1] else "relu"
        stack.append(layers.Dense(dense.units, activation=activation, dtype=kind, name=dense.name))
    model = keras.Sequential(stack)
    for name in (one.name for one in network.layers):
        model.get_layer(name).set_weights([weights[f"{name}.kernel"], weights[f"{name}.bias"]])
    return model


def train(
    network: Network, weights: Weights, inputs: NDArray[np.float32], labels: NDArray[np.int64], epochs: int, job: Job
) -> dict[str, NDArray[np.float32]]:
    """Weights after so many epochs of Adam. The order of the images follows the job's seed."""
    on_cpu(job.threads)
    keras.utils.set_random_seed(job.seed % 2**32)
    model = build(network, weights)
    model.compile(
        optimizer=keras.optimizers.Adam(_RATE), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    order = np.random.default_rng(job.seed)
    for _ in range(epochs):
        rows = order.permutation(len(inputs))
        model.fit(inputs[rows], labels[rows], batch_size=_BATCH, shuffle=False, verbose=0)
    found = {}
    for name in (one.name for one in network.layers):
        found[f"{name}.kernel"], found[f"{name}.bias"] = model.get_layer(name).get_weights()
    return found


def scores(network: Network, weights: Weights, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the network with these weights answers."""
    found: NDArray[np.float32] = build(network, weights).predict(inputs, batch_size=_SCORED_AT_ONCE, verbose=0)
    return found


def compress(name: str, job: Job) -> Ready:
    """Make this variant, and its file."""
    on_cpu(job.threads)
    if name.startswith("litert-"):
        from wattleak.workloads.compressing.litert import convert  # noqa: PLC0415 - the others do without it

        return convert(name, build(job.network, job.trained.weights), job)
    network, weights = pruned(name, job, train)
    model = build(network, weights, name if name in {"bfloat16", "float16"} else "float32")
    if name == "int8-dynamic":
        with warnings.catch_warnings():  # one for each layer that stays as it is
            warnings.filterwarnings("ignore", message=r"Layer \w+ does not have a `quantize` method")
            model.quantize("int8")
    file = job.file.with_suffix(".keras")
    model.save(file)
    numbers = kept_numbers(model)
    return Ready(
        hold=tf.constant,
        answer=_answering(model),
        file=file,
        parameters=sum(array.size for array in numbers),
        nonzero=sum(int(np.count_nonzero(array)) for array in numbers),
        how=f"Keras {keras.__version__} on TensorFlow {tf.__version__}, CPU",
    )


def kept_numbers(model: keras.Model) -> list[NDArray[np.generic]]:
    """Every weight and bias; the scales of int8 are neither."""
    return [
        np.asarray(variable.numpy())
        for variable in model.weights
        if variable.path.rpartition("/")[2] in {"kernel", "bias"}
    ]


def on_cpu(threads: int) -> None:
    """Before anything else: TensorFlow fixes its threads and devices with the first thing it computes."""
    try:
        tf.config.set_visible_devices([], "GPU")
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads:
            raise


def _answering(model: keras.Model) -> Callable[[object, int, int], NDArray[np.float32]]:
    compiled = tf.function(lambda images: model(images, training=False))

    def answer(held: object, begin: int, end: int) -> NDArray[np.float32]:
        found = compiled(held[begin:end])  # type: ignore[index]
        return np.asarray(tf.cast(found, tf.float32))

    return answer
