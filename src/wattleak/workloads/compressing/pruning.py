"""Pruning by magnitude, one shot, on NumPy arrays: single weights set to zero, or whole channels taken out.

Weights that are set to zero stay where they are: a dense array with zeros has the size and the multiplications of one
without. Only a layer with fewer channels is smaller.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from wattleak.workloads.compressing.networks import OUTPUT

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from wattleak.workloads.compressing.networks import Network, Weights
    from wattleak.workloads.compressing.ready import Job


def without_small_weights(weights: Weights, share: float) -> dict[str, NDArray[np.float32]]:
    """Set the smallest `share` of the kernel weights to zero, over all layers together; biases stay.

    The criterion of Han et al. 2015, arXiv:1506.02626, without their training between the steps.
    """
    sizes = np.concatenate([np.abs(array).ravel() for name, array in weights.items() if name.endswith(".kernel")])
    count = round(share * len(sizes))
    if not count:
        return dict(weights)
    limit = np.partition(sizes, count - 1)[count - 1]
    return {
        name: np.where(np.abs(array) > limit, array, np.float32(0)) if name.endswith(".kernel") else array
        for name, array in weights.items()
    }


def without_small_channels(
    network: Network, weights: Weights, share: float
) -> tuple[Network, dict[str, NDArray[np.float32]]]:
    """Take out `share` of the filters and units of every layer but the last; at least one of each stays.

    Those whose weights have the smallest sum of magnitudes go, and with them what the next layer did with their
    results: Li et al. 2017, arXiv:1608.08710.
    """
    found = dict(weights)
    widths = {}
    height, width, _ = network.flat
    for layer, after in pairwise(network.layers):
        kernel = found[f"{layer.name}.kernel"]
        sums = np.abs(kernel).reshape(-1, kernel.shape[-1]).sum(axis=0, dtype=np.float64)
        kept = max(1, len(sums) - round(share * len(sums)))
        stay = np.sort(np.argsort(-sums, kind="stable")[:kept])
        found[f"{layer.name}.kernel"] = kernel[..., stay]
        found[f"{layer.name}.bias"] = found[f"{layer.name}.bias"][stay]
        following = found[f"{after.name}.kernel"]
        if layer in network.convolutions and after in network.dense:  # channels last: each pixel has one of each
            pixels = following.reshape(height * width, len(sums), following.shape[-1])
            found[f"{after.name}.kernel"] = pixels[:, stay].reshape(-1, following.shape[-1])
        else:
            found[f"{after.name}.kernel"] = following[..., stay, :]
        widths[layer.name] = kept
    assert OUTPUT not in widths
    contiguous = {name: np.ascontiguousarray(array) for name, array in found.items()}
    return network.with_widths(widths), contiguous


def pruned(name: str, job: Job, train: Callable[..., dict[str, NDArray[np.float32]]]) -> tuple[Network, Weights]:
    """Network and weights of a variant before it is built: pruned where its name says so, else as trained."""
    network, weights = job.network, job.trained.weights
    if name == "pruned-weights":
        weights = without_small_weights(weights, job.sparsity)
    elif name.startswith("pruned-channels"):
        network, weights = without_small_channels(network, weights, job.channels_out)
    if name == "pruned-channels-tuned":
        weights = train(network, weights, job.training_inputs, job.training_labels, job.tuning_epochs, job)
    return network, weights
