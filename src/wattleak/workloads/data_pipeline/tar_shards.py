"""Shards as the webdataset package has them: tar files in which KEY.png and KEY.cls follow each other.

Written and read by the standard library's tarfile, as that package itself reads them.
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wattleak.workloads.data_pipeline.pictures import decoded, encoded
from wattleak.workloads.data_pipeline.shards import shards_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from wattleak.workloads.data_pipeline.enlarged import Samples
    from wattleak.workloads.data_pipeline.formats import Arrays, Shape


@dataclass(frozen=True, slots=True)
class _Batches:
    folder: Path
    shape: Shape
    batch: int

    def __iter__(self) -> Iterator[Arrays]:
        images: list[NDArray[np.uint8]] = []
        labels: list[int] = []
        for image, label in self._samples():
            images.append(image)
            labels.append(label)
            if len(labels) == self.batch:
                yield np.stack(images), np.array(labels, np.int64)
                images, labels = [], []
        if labels:
            yield np.stack(images), np.array(labels, np.int64)

    def _samples(self) -> Iterator[tuple[NDArray[np.uint8], int]]:
        for path in sorted(self.folder.glob("*.tar")):
            with tarfile.open(path, "r|") as shard:  # read through once, as from a network
                for member in shard:
                    content = shard.extractfile(member)
                    assert content is not None  # every member is a file
                    if member.name.endswith(".png"):
                        image = decoded(io.BytesIO(content.read()), self.shape)
                    else:
                        yield image, int(content.read())


class _WebDataset:
    def write(self, folder: Path, samples: Samples) -> None:
        for number, rows in enumerate(shards_of(len(samples))):
            with tarfile.open(folder / f"shard-{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as shard:
                for row in rows:
                    label = str(int(samples.labels[row])).encode()
                    for suffix, content in (("png", encoded(samples.images[row])), ("cls", label)):
                        member = tarfile.TarInfo(f"{row:06d}.{suffix}")
                        member.size = len(content)
                        shard.addfile(member, io.BytesIO(content))

    def stream(self, folder: Path, shape: Shape, batch: int) -> _Batches:
        return _Batches(folder, shape, batch)


WEBDATASET = _WebDataset()
