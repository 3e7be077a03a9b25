"""Parquet: a column of images as they are, a column of labels, packed by Snappy, which is what Parquet does unasked."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from wattleak.workloads.data_pipeline.enlarged import Samples
    from wattleak.workloads.data_pipeline.formats import Arrays, Shape

_ROW_GROUP = 512  # samples; the unit that is read


@dataclass(frozen=True, slots=True)
class _Columns:
    path: Path
    shape: Shape
    batch: int

    def __iter__(self) -> Iterator[Arrays]:
        size = prod(self.shape)
        with parquet.ParquetFile(self.path) as file:
            for some in file.iter_batches(batch_size=self.batch):
                images = _values(some.column("image"), size, np.dtype(np.uint8))
                labels = _values(some.column("label"), 1, np.dtype(np.int64))
                yield images.reshape(len(some), *self.shape), labels


def _values(column: pa.Array, each: int, kind: np.dtype[Any]) -> NDArray[Any]:
    """The values of a column where they lie, `each` of them a row. Arrow's own to_numpy imports pandas for it."""
    start = column.offset * each
    return np.frombuffer(column.buffers()[1], kind)[start : start + len(column) * each]


class _Parquet:
    def write(self, folder: Path, samples: Samples) -> None:
        flat = np.ascontiguousarray(samples.images).reshape(len(samples), -1)
        images = pa.FixedSizeBinaryArray.from_buffers(pa.binary(flat.shape[1]), len(flat), [None, pa.py_buffer(flat)])
        table = pa.table({"image": images, "label": pa.array(samples.labels)})
        # A dictionary of images that are all different would be work for nothing.
        parquet.write_table(table, folder / "samples.parquet", row_group_size=_ROW_GROUP, use_dictionary=["label"])

    def stream(self, folder: Path, shape: Shape, batch: int) -> _Columns:
        return _Columns(folder / "samples.parquet", shape, batch)


PARQUET = _Parquet()
