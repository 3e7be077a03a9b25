"""A file for each image, packed by itself: PNG, which gives back every pixel, and JPEG, which does not."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from wattleak.workloads.data_pipeline.enlarged import Samples
    from wattleak.workloads.data_pipeline.formats import Arrays, Shape, Take

_QUALITY = 90  # of JPEG; PNG takes no notice of it


def encoded(image: NDArray[np.uint8], kind: str = "PNG") -> bytes:
    """The content of the file of one image."""
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(buffer, kind, quality=_QUALITY)
    return buffer.getvalue()


def decoded(file: Path | io.BytesIO, shape: Shape) -> NDArray[np.uint8]:
    """The pixels of one image."""
    with Image.open(file) as image:
        return np.asarray(image).reshape(shape)


@dataclass(frozen=True, slots=True)
class _Files:
    kind: str
    suffix: str

    def write(self, folder: Path, samples: Samples) -> None:
        for row, image in enumerate(samples.images):
            (folder / f"{row:06d}{self.suffix}").write_bytes(encoded(image, self.kind))
        np.save(folder / "labels.npy", samples.labels)

    def open(self, folder: Path, shape: Shape) -> Take:
        labels = np.load(folder / "labels.npy")

        def take(rows: NDArray[np.int64]) -> Arrays:
            images = np.empty((len(rows), *shape), np.uint8)
            for place, row in enumerate(rows):
                images[place] = decoded(folder / f"{row:06d}{self.suffix}", shape)
            return images, labels[rows]

        return take


PNG, JPEG = _Files("PNG", ".png"), _Files("JPEG", ".jpg")
