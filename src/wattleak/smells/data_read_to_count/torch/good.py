"""A small CNN on real images; the mean loss is divided by the length of the loader."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import argparse
import json
import os

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader, Dataset

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


class AugmentedImages(Dataset[tuple[torch.Tensor, int]]):
    """Images, each turned, moved and mirrored by random numbers of its own."""

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int) -> None:
        self.images, self.labels, self.seed = images, labels, seed

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        random = np.random.default_rng((self.seed, index))
        image = ndimage.rotate(self.images[index], random.uniform(-15, 15), reshape=False, mode="nearest")
        image = ndimage.shift(image, (*random.uniform(-2, 2, size=2), 0), mode="nearest")
        if random.random() < 0.5:
            image = image[:, ::-1]
        return torch.tensor(image.copy()).permute(2, 0, 1).float() / 255, int(self.labels[index])


def build_model(images: ImageData) -> nn.Sequential:
    """Return four convolutions and a linear layer; the pooling makes every image size fit."""
    channels = images.train_images.shape[3]
    return nn.Sequential(
        *(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d(7)),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, images.classes)),
    )


def train_one_epoch(
    model: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[tuple[torch.Tensor, int]],
    losses: list[float],
) -> float:
    """Add the loss of every step to `losses` and return the mean of the epoch."""
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        total += losses[-1]
    return total / len(loader)


@torch.no_grad()
def accuracy(model: nn.Sequential, images: torch.Tensor, labels: torch.Tensor, batch: int) -> float:
    """Return the share of images whose class is predicted."""
    model.eval()
    right = 0
    for some_images, some_labels in zip(images.split(batch), labels.split(batch), strict=True):
        right += int((model(some_images).argmax(1) == some_labels).sum())
    return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist) or an npz file")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--train-images", type=int, default=4000)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    try:
        data = load(arguments.data, download=True)  # downloads only what --data names
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    count = min(arguments.train_images, len(data.train_images))
    print(f"data {data.describe()}; training on {count} images")

    seed = int(os.environ.get("WATTLEAK_SEED", "0"))
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    order = torch.Generator()
    train_set = AugmentedImages(data.train_images[:count], data.train_labels[:count], seed)
    loader = DataLoader(train_set, batch_size=arguments.batch, shuffle=True, generator=order)
    test_images = torch.as_tensor(data.test_images).permute(0, 3, 1, 2).float() / 255
    test_labels = torch.as_tensor(data.test_labels)

    model = build_model(data)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses: list[float] = []
    for epoch in range(1, arguments.epochs + 1):
        order.manual_seed(seed + epoch)  # so that an epoch has its order, whatever was read before
        loss = train_one_epoch(model, optimizer, loader, losses)
        print(f"epoch {epoch}/{arguments.epochs} loss {loss:.4f}", flush=True)
    quality = accuracy(model, test_images, test_labels, arguments.batch)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": losses[0], "steps": len(losses)}))


if __name__ == "__main__":
    main()
