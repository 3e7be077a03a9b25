"""PyTorch's DataLoader over a format, with or without worker processes, and a small network to deliver to."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from wattleak.environment.cpus import usable_cpus

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from wattleak.workloads.data_pipeline.formats import Format, Shape, Take

    Rows = NDArray[np.int64]
    Delivered = tuple[Rows, NDArray[np.uint8], NDArray[np.int64]]


class _Stored(Dataset["Delivered"]):
    """Gives whole batches. Each process opens the files for itself, at its first batch."""

    def __init__(self, stored: Format, folder: Path, shape: Shape) -> None:
        self.stored, self.folder, self.shape = stored, folder, shape
        self.take: Take | None = None

    def __getitem__(self, rows: Rows) -> Delivered:
        if self.take is None:
            self.take = self.stored.picked().open(self.folder, self.shape)
        return rows, *self.take(rows)


class _Order(Sampler["Rows"]):
    """The batches of the epoch that is about to begin."""

    def __init__(self) -> None:
        self.batches: Sequence[Rows] = ()

    def __iter__(self) -> Iterator[Rows]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class Loader:
    """A DataLoader whose workers live on from epoch to epoch."""

    def __init__(self, stored: Format, folder: Path, shape: Shape, workers: int) -> None:
        self._order = _Order()
        self._loader = DataLoader(
            _Stored(stored, folder, shape),
            sampler=self._order,
            batch_size=None,  # what the sampler gives is a batch already
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def epoch(self, batches: Sequence[Rows]) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Row numbers, images (N, height, width, channels) and labels, as tensors."""
        self._order.batches = batches
        return iter(self._loader)


class Training:
    """A small convolutional network that learns from what is delivered: on a CPU, or where torch finds a GPU."""

    def __init__(self, shape: Shape, classes: int) -> None:
        torch.manual_seed(int(os.environ.get("WATTLEAK_SEED", "0")))
        if "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(usable_cpus() or 1)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._model = nn.Sequential(
            *(nn.Conv2d(shape[2], 8, 5, stride=4, padding=2), nn.ReLU()),
            *(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4)),
            *(nn.Flatten(), nn.Linear(256, classes)),
        ).to(self.device)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=0.01)

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Learn from one batch."""
        pixels = images.to(self.device).permute(0, 3, 1, 2).contiguous().float() / 255
        self._optimizer.zero_grad()
        nn.functional.cross_entropy(self._model(pixels), labels.to(self.device)).backward()
        self._optimizer.step()

    def finish(self) -> None:
        """Return when the device has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
