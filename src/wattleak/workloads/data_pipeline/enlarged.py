"""Samples of a size that shows something, made of small images by a seeded augmentation.

Every sample is an image of the data set, drawn at random, mirrored or not, turned by up to 10 degrees, moved by up to
5 % of its side, made 0.8 to 1.2 times as bright, and scaled to the size that is asked for (linear interpolation).
Nothing is drawn as noise: enlarged images are smooth, and pack better than photographs do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wattleak.workloads.data import ImageData

VERSION = 1  # of what is drawn: another one makes other samples
SEED = 0
LEAST, MOST = 16, 9_000  # samples; of a folder of files, an experiment watches 10,000 (environment.inputs)
_TURN_DEGREES, _MOVE, _DIM, _BRIGHT = 10.0, 0.05, 0.8, 1.2


@dataclass(frozen=True, slots=True)
class Samples:
    """What is stored. Images are uint8 of shape (N, height, width, channels), labels int64 of shape (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)


def samples_for(data: ImageData, side: int, raw_b: int) -> int:
    """How many samples of `side` pixels fill about so many bytes."""
    sample_b = side * side * int(data.train_images.shape[3])
    return min(MOST, max(LEAST, raw_b // sample_b))


def enlarge(data: ImageData, side: int, count: int) -> Samples:
    """So many samples of the training images, the same ones each time."""
    random = np.random.default_rng(SEED)
    height, width, channels = data.train_images.shape[1:]
    chosen = random.integers(len(data.train_images), size=count)
    images = np.empty((count, side, side, channels), np.uint8)
    for place, source in enumerate(chosen):
        turn, move_y, move_x = np.deg2rad(random.uniform(-_TURN_DEGREES, _TURN_DEGREES)), *random.uniform(-1, 1, 2)
        mirrored, brightness = random.random() < 0.5, random.uniform(_DIM, _BRIGHT)
        scale = np.array((height / side, width / side))
        matrix = scale[:, None] * np.array(((np.cos(turn), -np.sin(turn)), (np.sin(turn), np.cos(turn))))
        centre = (np.array((height, width)) - 1) / 2 + _MOVE * np.array((move_y * height, move_x * width))
        offset = centre - matrix @ np.full(2, (side - 1) / 2)
        image = data.train_images[source][:, ::-1] if mirrored else data.train_images[source]
        for channel in range(channels):
            shown = ndimage.affine_transform(
                image[..., channel].astype(np.float32), matrix, offset, (side, side), order=1, mode="nearest"
            )
            images[place, ..., channel] = np.rint(np.clip(brightness * shown, 0, 255))
    return Samples(images, data.train_labels[chosen])
