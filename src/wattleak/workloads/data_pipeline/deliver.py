"""Deliver stored samples in batches, epoch after epoch, and report what it took and whether they are the right ones.

    python files.py --to folder --formats npy,png
    python deliver.py --input folder/png --digests folder/digests.npy --access shuffled --page-cache cold

A first epoch, with nothing of the files in the page cache; then more of them for --seconds. With --page-cache warm the
first epoch has brought the files into memory; with cold they are dropped before every epoch, which is not counted in
its time. At last one more epoch, which does not count, in which each sample is held against its SHA-256.

Every variant of `wattleak study data` is this program; it runs by itself, too.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import wattleak
from wattleak.errors import WattleakError
from wattleak.workloads.data_pipeline.accounts import NOTHING, Account, account
from wattleak.workloads.data_pipeline.digests import digests
from wattleak.workloads.data_pipeline.formats import FORMATS, find_format
from wattleak.workloads.data_pipeline.orders import ORDERS, batches
from wattleak.workloads.data_pipeline.page_cache import drop, resident_share
from wattleak.workloads.data_pipeline.stored import Stored, about, files_in
from wattleak.workloads.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wattleak.workloads.data_pipeline.formats import Arrays, Format
    from wattleak.workloads.data_pipeline.torch_loader import Loader, Training

    Rows = NDArray[np.int64]

_LEAST_LATER = 2  # epochs after the first
_MOST_LATER = 10_000
_ALIKE = ("contiguous",)  # what a format that is read as it was written can do


class Source:
    """Batches of one format, epoch by epoch: rows, images, labels. What is delivered is the receiver's own."""

    def __init__(self, stored: Format, folder: Path, known: Stored, batch: int, loader: Loader | None = None) -> None:
        self._folder, self._shape = folder, known.shape
        self._loader = loader
        self._picked = stored.picked() if stored.any_order else None
        self._stream = None if stored.any_order else stored.streamed().stream(folder, known.shape, batch)
        self.kept: Arrays | None = None

    def epoch(self, order: Sequence[Rows]) -> Iterator[tuple[Any, Any, Any]]:
        """Arrays, or tensors where there is a DataLoader."""
        if self.kept is not None:
            for rows in order:
                yield rows, self.kept[0][rows], self.kept[1][rows]
        elif self._loader is not None:
            yield from self._loader.epoch(order)
        elif self._picked is not None:
            take = self._picked.open(self._folder, self._shape)  # anew: pages of a mapped file cannot be dropped
            for rows in order:
                yield rows, *take(rows)
        elif self._stream is not None:
            yield from ((rows, *arrays) for rows, arrays in zip(order, self._stream, strict=True))


@dataclass(frozen=True)
class Task:
    """What is asked, checked."""

    arguments: argparse.Namespace
    stored: Format
    known: Stored
    expected: NDArray[np.uint8]  # SHA-256 of each sample


@dataclass(frozen=True)
class Course:
    """What the epochs took."""

    first: Account
    later: Account
    epochs: int  # after the first
    dropping_s: float  # inside of the later epochs' span, outside of their time
    dropping_cpu_s: float
    resident_share: float | None  # of the files, before the first epoch
    storage_shares: tuple[float, ...]  # of each epoch that was to be cold: bytes from storage over bytes of the files


def task(words: list[str] | None = None) -> Task:
    """Read the command line; exit with 2 and one line when it does not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", required=True, metavar="FOLDER", help="the folder of a format, as files.py wrote it")
    parser.add_argument("--digests", required=True, metavar="FILE", help="digests.npy of files.py")
    parser.add_argument("--format", help="what it holds (default: what the folder is called)")
    parser.add_argument("--access", choices=tuple(ORDERS), default="contiguous", help="order of the samples")
    parser.add_argument("--page-cache", choices=("warm", "cold"), default="warm")
    parser.add_argument("--keep", action="store_true", help="keep the samples of the first epoch in memory")
    parser.add_argument("--loader", choices=("plain", "torch"), default="plain", help="torch: PyTorch's DataLoader")
    parser.add_argument("--workers", type=int, default=0, help="processes of PyTorch's DataLoader")
    parser.add_argument("--train", action="store_true", help="train a small network on what is delivered")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.0, help="how long epochs go on after the first")
    arguments = parser.parse_args(words)
    folder = Path(arguments.input)
    try:
        stored = find_format(arguments.format or folder.name)
        known = about(folder)
        expected = np.load(arguments.digests)
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        parser.error(f"{folder} is not as files.py wrote it: {error}")
    if stored.lacking:
        parser.error(f"{stored.title} takes the package {stored.lacking}: {stored.install}")
    if not stored.any_order and (arguments.access not in _ALIKE or arguments.loader != "plain"):
        anyhow = ", ".join(one.name for one in FORMATS if one.any_order)
        parser.error(f"{stored.name} is read as it was written, in one process; in any order: {anyhow}")
    if arguments.workers and arguments.loader != "torch":
        parser.error("--workers are those of --loader torch")
    if arguments.workers and arguments.page_cache == "cold":
        parser.error("workers that live on keep files mapped, which then cannot be dropped: take --page-cache warm")
    if arguments.keep and arguments.loader != "plain":
        parser.error("--keep goes with --loader plain")
    if arguments.batch < 1 or arguments.workers < 0 or not 0 <= arguments.seconds < inf:
        parser.error("--batch is 1 or more, --workers and --seconds 0 or more")
    return Task(arguments, stored, known, expected)


def run(asked: Task) -> tuple[Course, Source]:
    """The epochs."""
    arguments, known = asked.arguments, asked.known
    folder = Path(arguments.input)
    files, cold = files_in(folder), arguments.page_cache == "cold"
    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    source = Source(asked.stored, folder, known, arguments.batch, _loader(asked))
    training = _training(asked)

    def epoch(number: int) -> Account:
        kept: list[tuple[Any, Any, Any]] = []
        before = account()
        for rows, images, labels in source.epoch(
            batches(arguments.access, known.samples, arguments.batch, (seed, number))
        ):
            if arguments.keep and source.kept is None:
                kept.append((rows, images, labels))
            if training is not None:
                _learn(training, images, labels)
        if kept:
            source.kept = _in_row_order(kept)
        if training is not None:
            training.finish()
        return account().since(before)

    drop(files)
    share = resident_share(files)
    with span("first epoch"):
        first = epoch(0)
    later, number, dropping_s, dropping_cpu_s, shares = NOTHING, 0, 0.0, 0.0, [_share(first, known)]
    with span("later epochs"):
        wattleak.step(samples=known.samples)  # opens the window of the steps
        until = time.perf_counter() + arguments.seconds
        while number < _LEAST_LATER or (number < _MOST_LATER and time.perf_counter() < until):
            number += 1
            if cold:
                began = time.perf_counter(), time.process_time()
                drop(files)
                dropping_s += time.perf_counter() - began[0]
                dropping_cpu_s += time.process_time() - began[1]
            one = epoch(number)
            later = later.and_also(one)
            if cold and source.kept is None:
                shares.append(_share(one, known))
            wattleak.step(samples=known.samples)
    read = tuple(one for one in shares if one is not None)
    return Course(first, later, number, dropping_s, dropping_cpu_s, share, read), source


def _share(one: Account, known: Stored) -> float | None:
    return None if one.storage_b is None else one.storage_b / known.size_b


def _loader(asked: Task) -> Loader | None:
    if asked.arguments.loader == "plain":
        return None
    from wattleak.workloads.data_pipeline.torch_loader import Loader  # noqa: PLC0415 - PyTorch, only when asked for

    return Loader(asked.stored, Path(asked.arguments.input), asked.known.shape, asked.arguments.workers)


def _training(asked: Task) -> Training | None:
    if not asked.arguments.train:
        return None
    from wattleak.workloads.data_pipeline.torch_loader import Training  # noqa: PLC0415 - PyTorch, only when asked for

    training = Training(asked.known.shape, asked.known.classes)
    print(f"device: {training.device}")
    return training


def _learn(training: Training, images: Any, labels: Any) -> None:  # noqa: ANN401 - arrays, or tensors of a DataLoader
    import torch  # noqa: PLC0415 - it is there when there is a training

    # What Parquet and TensorFlow deliver cannot be written to, which torch warns of when it does not copy.
    given = [one if isinstance(one, torch.Tensor) else torch.tensor(one) for one in (images, labels)]
    training.step(*given)


def _in_row_order(kept: Sequence[tuple[Any, Any, Any]]) -> Arrays:
    rows, images, labels = (np.concatenate(column) for column in zip(*kept, strict=True))
    order = np.argsort(rows)
    return images[order], labels[order]


def check(asked: Task, source: Source) -> dict[str, float | str]:
    """One more epoch: how many samples are not what was stored, or came not exactly once; and a hash over all."""
    found = np.zeros_like(asked.expected)
    times = np.zeros(len(asked.expected), np.int64)
    order = batches(asked.arguments.access, asked.known.samples, asked.arguments.batch, (0, 0))
    for rows, images, labels in source.epoch(order):
        found[np.asarray(rows)] = digests(np.asarray(images), np.asarray(labels))
        times[np.asarray(rows)] += 1
    right = (found == asked.expected).all(axis=1) & (times == 1)
    return {
        "wrong_samples": int(len(right) - right.sum()),
        "samples_sha256": hashlib.sha256(found.tobytes()).hexdigest(),
    }


def reported(asked: Task, course: Course) -> dict[str, float]:
    """The figures, by the names that analysis.data_costs reads; what is not known is absent."""
    figures: dict[str, float | None] = {
        "samples": asked.known.samples,
        "later_epochs": course.epochs,
        "size_b": asked.known.size_b,
        "on_disk_b": asked.known.on_disk_b,
        "dropping_s": course.dropping_s,
        "dropping_cpu_s": course.dropping_cpu_s,
        "resident_share": course.resident_share,
        "least_storage_share": min(course.storage_shares, default=None),
    }
    for name, one in (("first", course.first), ("later", course.later)):
        figures |= {
            f"{name}_s": one.time_s,
            f"{name}_cpu_s": one.cpu_s,
            f"{name}_storage_b": one.storage_b,
            f"{name}_called_b": one.called_b,
        }
    return {name: value for name, value in figures.items() if value is not None}


def main() -> None:
    asked = task()
    known = asked.known
    height, width, channels = known.shape
    print(
        f"{asked.stored.title}: {known.samples} samples of {height}x{width}x{channels}, "
        f"{known.files} files of {known.size_b / 1e6:.1f} MB"
    )
    course, source = run(asked)
    print("WATTLEAK " + json.dumps({**reported(asked, course), **check(asked, source)}))


if __name__ == "__main__":
    main()
