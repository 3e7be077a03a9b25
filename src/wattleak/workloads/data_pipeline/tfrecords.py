"""TFRecord shards, written and read by TensorFlow as its guides do: tf.train.Example, parsed and decoded in a map."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from wattleak.workloads.data_pipeline.pictures import encoded
from wattleak.workloads.data_pipeline.shards import shards_of

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # what it says of its own build is nobody's news
import tensorflow as tf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wattleak.workloads.data_pipeline.enlarged import Samples
    from wattleak.workloads.data_pipeline.formats import Arrays, Shape


class _Batches:
    """The map asks for no number of calls at once: what TensorFlow makes of that by itself is what is measured."""

    def __init__(self, folder: Path, channels: int, batch: int) -> None:
        columns = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

        def parse(record: Any) -> Any:  # noqa: ANN401 - tensors; TensorFlow has no types
            sample = tf.io.parse_single_example(record, columns)
            return tf.io.decode_png(sample["image"], channels=channels), sample["label"]

        shards = sorted(str(path) for path in folder.glob("*.tfrecord"))
        self._dataset = tf.data.TFRecordDataset(shards).map(parse).batch(batch)

    def __iter__(self) -> Iterator[Arrays]:
        batches: Iterator[Arrays] = self._dataset.as_numpy_iterator()
        return batches


class _TFRecord:
    def write(self, folder: Path, samples: Samples) -> None:
        for number, rows in enumerate(shards_of(len(samples))):
            with tf.io.TFRecordWriter(str(folder / f"shard-{number:06d}.tfrecord")) as writer:
                for row in rows:
                    image = tf.train.BytesList(value=[encoded(samples.images[row])])
                    label = tf.train.Int64List(value=[int(samples.labels[row])])
                    feature = {
                        "image": tf.train.Feature(bytes_list=image),
                        "label": tf.train.Feature(int64_list=label),
                    }
                    writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())

    def stream(self, folder: Path, shape: Shape, batch: int) -> _Batches:
        return _Batches(folder, shape[2], batch)


TFRECORD = _TFRecord()
