"""NumPy's own files: a raw array that is mapped into memory, and a packed one that is unpacked whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from wattleak.workloads.data_pipeline.enlarged import Samples
    from wattleak.workloads.data_pipeline.formats import Arrays, Shape, Take


class _Npy:
    def write(self, folder: Path, samples: Samples) -> None:
        np.save(folder / "images.npy", samples.images)
        np.save(folder / "labels.npy", samples.labels)

    def open(self, folder: Path, _shape: Shape) -> Take:
        images = np.load(folder / "images.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy")

        def take(rows: NDArray[np.int64]) -> Arrays:
            if np.all(np.diff(rows) == 1):  # one stretch: copied as one
                stretch = slice(int(rows[0]), int(rows[-1]) + 1)
                return np.array(images[stretch]), labels[stretch]
            return np.asarray(images[rows]), labels[rows]

        return take


@dataclass(frozen=True, slots=True)
class _Unpacked:
    """An array of an npz file is unpacked whole, whatever is asked of it."""

    path: Path
    batch: int

    def __iter__(self) -> Iterator[Arrays]:
        with np.load(self.path) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        for start in range(0, len(images), self.batch):
            yield images[start : start + self.batch], labels[start : start + self.batch]


class _Npz:
    def write(self, folder: Path, samples: Samples) -> None:
        np.savez_compressed(folder / "samples.npz", images=samples.images, labels=samples.labels)

    def stream(self, folder: Path, _shape: Shape, batch: int) -> _Unpacked:
        return _Unpacked(folder / "samples.npz", batch)


NPY, NPZ = _Npy(), _Npz()
