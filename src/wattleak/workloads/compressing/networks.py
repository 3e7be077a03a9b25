"""The networks that are compressed, and their weights as NumPy arrays: the same for PyTorch, Keras and LiteRT.

Weights are kept the way Keras writes them: kernels of convolutions (height, width, in, out), of dense layers (in, out),
and the first dense layer reads its image row by row, channels last. `torch_models` turns them round.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from wattleak.workloads.data import ImageData

    Weights = Mapping[str, NDArray[np.float32]]

KERNEL = 3  # pixels a side of every convolution, padded so that the image keeps its size
OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Convolution:
    """A convolution and its ReLU, and a 2 x 2 maximum after it or none."""

    name: str
    filters: int
    pooled: bool


@dataclass(frozen=True, slots=True)
class Dense:
    """A fully connected layer; all but the last end in a ReLU."""

    name: str
    units: int


@dataclass(frozen=True, slots=True)
class Network:
    """Convolutions, then dense layers; the last of them gives a score for each class."""

    name: str
    height: int
    width: int
    channels: int
    convolutions: tuple[Convolution, ...]
    dense: tuple[Dense, ...]

    @property
    def layers(self) -> tuple[Convolution | Dense, ...]:
        """All layers that have weights, first to last."""
        return (*self.convolutions, *self.dense)

    @property
    def flat(self) -> tuple[int, int, int]:
        """Height, width and channels of what the first dense layer reads."""
        height, width, channels = self.height, self.width, self.channels
        for layer in self.convolutions:
            channels = layer.filters
            if layer.pooled:
                height, width = height // 2, width // 2
        return height, width, channels

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of weights, in the order of the layers."""
        found: dict[str, tuple[int, ...]] = {}
        channels = self.channels
        for layer in self.convolutions:
            found[f"{layer.name}.kernel"] = (KERNEL, KERNEL, channels, layer.filters)
            found[f"{layer.name}.bias"] = (layer.filters,)
            channels = layer.filters
        height, width, channels = self.flat
        inputs = height * width * channels
        for dense in self.dense:
            found[f"{dense.name}.kernel"] = (inputs, dense.units)
            found[f"{dense.name}.bias"] = (dense.units,)
            inputs = dense.units
        return found

    @property
    def multiplications(self) -> int:
        """Multiplications of weights in one inference, zeros included."""
        height, width, total = self.height, self.width, 0
        shapes = self.shapes()
        for layer in self.convolutions:
            total += height * width * int(np.prod(shapes[f"{layer.name}.kernel"]))
            if layer.pooled:
                height, width = height // 2, width // 2
        return total + sum(int(np.prod(shapes[f"{dense.name}.kernel"])) for dense in self.dense)

    def with_widths(self, widths: Mapping[str, int]) -> Network:
        """The same with other numbers of filters and units in the layers that are named."""
        return replace(
            self,
            convolutions=tuple(replace(one, filters=widths.get(one.name, one.filters)) for one in self.convolutions),
            dense=tuple(replace(one, units=widths.get(one.name, one.units)) for one in self.dense),
        )


NAMES = ("cnn", "dense")
"""cnn: three convolutions hold the work, one dense layer holds the weights. dense: both are in the dense layers."""


def usual_network(data_name: str) -> str:
    """Jets are mostly empty pixels: a dense network does; images get convolutions."""
    return "dense" if data_name == "jets" else "cnn"


def network_for(name: str, data: ImageData) -> Network:
    """The network of this name for these images.

    Raises:
        UsageError: there is none, or the images are too small for it.
    """
    height, width, channels = data.train_images.shape[1:]
    if name == "dense":
        dense = (Dense("hidden1", 512), Dense("hidden2", 256), Dense(OUTPUT, data.classes))
        return Network(name, height, width, channels, (), dense)
    if name != "cnn":
        raise UsageError(f"there is no network {name!r} in this study", f"--network {' or '.join(NAMES)}")
    if min(height, width) < 4:
        raise UsageError(f"images of {height}x{width} pixels are too small for the cnn", "--network dense")
    convolutions = (Convolution("conv1", 16, False), Convolution("conv2", 32, True), Convolution("conv3", 64, True))
    return Network(name, height, width, channels, convolutions, (Dense("hidden", 128), Dense(OUTPUT, data.classes)))


def initial_weights(network: Network, seed: int) -> dict[str, NDArray[np.float32]]:
    """Random kernels, zero biases.

    Uniform within sqrt(6 / inputs of a unit), for layers with a ReLU: He et al. 2015, arXiv:1502.01852.
    """
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in network.shapes().items():
        reach = float(np.sqrt(6 / np.prod(shape[:-1])))
        kernel = name.endswith(".kernel")
        found[name] = (rng.uniform(-reach, reach, shape) if kernel else np.zeros(shape)).astype(np.float32)
    return found
