"""What each framework makes of a way to compress: something that answers, and the file it would be shipped as."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from wattleak.workloads.compressing.networks import Network
    from wattleak.workloads.compressing.trained import Trained

    Values = NDArray[np.float32]
    Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Job:
    """What a way to compress may draw on."""

    network: Network
    trained: Trained
    training_inputs: Values  # (N, height, width, channels), 0..1
    training_labels: Labels
    calibration: int  # so many of the training images tell static int8 its scales
    sparsity: float  # share of weights set to zero
    channels_out: float  # share of channels taken out
    tuning_epochs: int
    seed: int
    threads: int
    device: str  # "cpu", "cuda"
    file: Path  # where the compressed model goes; without its ending


@dataclass(frozen=True)
class Ready:
    """A compressed model.

    `hold` brings inputs (N, height, width, channels) into the form that `answer` takes a slice of along its first axis,
    once and outside of what is measured; casting to fewer bits is a part of `answer`. `answer` returns when the scores,
    (N, classes), are there.
    """

    hold: Callable[[Values], object]
    answer: Callable[[object, int, int], Values]
    file: Path
    parameters: int  # numbers that the network multiplies or adds: weights and biases
    nonzero: int  # of them
    how: str  # which library and kernels answered
