"""Train a small CNN on images, with the settings that people change to make training cheaper.

    python image_training.py --batch 128 --precision bfloat16 --threads 1 --pipeline cached --model small
    python image_training.py --data jets --epochs 2

Every variant of `wattleak study combined` is this program; it runs by itself, too. On a CPU, or on an accelerator where
torch finds one. With one seed the images come in the same order whatever the settings.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import wattleak
from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load
from wattleak.workloads.predictions import report
from wattleak.workloads.spans import span
from wattleak.workloads.threads import threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    Batch = tuple[torch.Tensor, torch.Tensor]

WIDTHS = {"large": 32, "small": 16}
"""Channels of the first convolution; the second has twice as many."""
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PIPELINES = ("loader", "cached")
_RATE, _AT_BATCH = 1e-3, 32  # of Adam; it grows with the root of the batch (Malladi et al., arXiv:2205.10287)
_TEST_BATCH = 256


@dataclass(frozen=True)
class Prepared:
    """What makes a model's input of a stored image: channels first, the mean and the deviation of the training data."""

    mean: float
    deviation: float

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return (image.float() / 255 - self.mean) / self.deviation


class Images(Dataset["Batch"]):
    """Stored images, each prepared when it is asked for: what a loader and its workers do again in every epoch."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor, prepare: Prepared) -> None:
        self._images, self._labels, self._prepare = images, labels, prepare

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, row: int) -> Batch:
        return self._prepare(self._images[row]), self._labels[row]


def build(data: ImageData, width: int) -> nn.Sequential:
    """Return two convolutions and two linear layers; the pooling makes every image size fit."""
    channels = data.train_images.shape[3]
    return nn.Sequential(
        *(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(7)),
        *(nn.Flatten(), nn.Linear(2 * width * 7 * 7, 2 * width), nn.ReLU(), nn.Linear(2 * width, data.classes)),
    )


def rows_of_epoch(seed: int, epoch: int, count: int, batch: int) -> list[torch.Tensor]:
    """The rows of each batch, in an order that only seed and epoch decide."""
    generator = torch.Generator().manual_seed(seed * 1_000 + epoch)
    return list(torch.randperm(count, generator=generator).split(batch))


def batches(
    asked: argparse.Namespace, rows: list[torch.Tensor], stored: Images, cached: Batch | None, device: torch.device
) -> Iterator[Batch]:
    """The batches of an epoch: through a loader, or of what was prepared once."""
    if cached is not None:
        images, labels = cached
        for some in rows:
            there = some.to(device)
            yield images[there], labels[there]
        return
    loader = DataLoader(stored, batch_sampler=[some.tolist() for some in rows], num_workers=asked.workers)
    for images, labels in loader:
        yield images.to(device), labels.to(device)


def class_scores(model: nn.Module, images: torch.Tensor, kind: torch.dtype) -> NDArray[np.float32]:
    """Return the probability of each class for each image."""
    model.eval()
    with torch.inference_mode(), torch.autocast(images.device.type, dtype=kind, enabled=kind is not torch.float32):
        scores = [model(some).float().softmax(1) for some in images.split(_TEST_BATCH)]
    found: NDArray[np.float32] = torch.cat(scores).cpu().numpy()
    return found


def asked_for(words: list[str] | None = None) -> tuple[argparse.Namespace, ImageData]:
    """Read the command line; exit with 2 and one line when it does not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist, jets) or an npz file")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="float32", help="of autocast")
    parser.add_argument("--threads", type=int, default=threads(), help="of torch (default: the CPUs it may use)")
    parser.add_argument(
        "--pipeline", choices=PIPELINES, default="loader", help="prepare images in every epoch, or once and keep them"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes of the loader (default: none of its own)")
    parser.add_argument("--model", choices=tuple(WIDTHS), default="large")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--train-images", type=int, default=4000, help="so many of them, or all where there are fewer")
    parser.add_argument("--test-images", type=int, help="so many of them (default: all)")
    parser.add_argument("--learning-rate", type=float, help="of Adam (default: 1e-3 at a batch of 32, by its root)")
    parser.add_argument("--predictions", help="where to keep labels and scores (default: in $WATTLEAK_RUN_DIR)")
    asked = parser.parse_args(words)
    if min(asked.batch, asked.threads, asked.epochs, asked.train_images) < 1 or asked.workers < 0:
        parser.error("--batch, --threads, --epochs and --train-images are 1 or more, --workers 0 or more")
    if asked.workers and asked.pipeline == "cached":
        parser.error("--workers belong to --pipeline loader")
    try:
        return asked, load(asked.data, download=True)  # downloads only what --data names
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")


def main() -> None:
    asked, data = asked_for()
    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    torch.manual_seed(seed)
    torch.set_num_threads(asked.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind = PRECISIONS[asked.precision]
    count = min(asked.train_images, len(data.train_images))
    tested = min(asked.test_images or len(data.test_images), len(data.test_images))
    print(f"data {data.describe()}; training on {count}, testing on {tested} images; device: {device.type}")

    pixels = torch.as_tensor(data.train_images[:count]).permute(0, 3, 1, 2)
    prepare = Prepared(float(pixels.float().mean()) / 255, max(float(pixels.float().std()) / 255, 1e-3))
    labels = torch.as_tensor(data.train_labels[:count])
    stored = Images(pixels, labels, prepare)
    cached = (prepare(pixels).to(device), labels.to(device)) if asked.pipeline == "cached" else None
    model = build(data, WIDTHS[asked.model]).to(device)
    rate = asked.learning_rate or _RATE * (asked.batch / _AT_BATCH) ** 0.5
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    total, samples = torch.zeros((), device=device), 0
    for epoch in range(1, asked.epochs + 1):
        total.zero_()
        model.train()
        with span("epoch"):
            rows = rows_of_epoch(seed, epoch, count, asked.batch)
            for images, classes in batches(asked, rows, stored, cached, device):
                optimizer.zero_grad()
                with torch.autocast(device.type, dtype=kind, enabled=kind is not torch.float32):
                    loss = nn.functional.cross_entropy(model(images), classes)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(images)  # read once at the end: asking each step would wait for the device
                samples += len(images)
                wattleak.step(samples=len(images))
        print(f"epoch {epoch}/{asked.epochs} mean loss {float(total) / count:.4f}", flush=True)
    with span("evaluation"):
        test = prepare(torch.as_tensor(data.test_images[:tested]).permute(0, 3, 1, 2)).to(device)
        scores = class_scores(model, test, kind)
    more = {
        "training_loss": float(total) / count,
        "samples": samples,
        "parameters": sum(weights.numel() for weights in model.parameters()),
        **({"gpu_peak_memory_b": torch.cuda.max_memory_allocated()} if device.type == "cuda" else {}),
    }
    report(data.test_labels[:tested], scores, more, asked.predictions)


if __name__ == "__main__":
    main()
