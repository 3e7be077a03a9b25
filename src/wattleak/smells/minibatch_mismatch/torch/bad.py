"""A small CNN on real images; batch_size is forgotten, so that each batch is one image, and each image an update."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import argparse
import json
import os

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load

FIRST = 64  # training images whose loss is told before any update: the same in every batch size


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
    model: nn.Sequential, optimizer: torch.optim.Optimizer, loader: DataLoader[tuple[torch.Tensor, ...]]
) -> float:
    """Return the mean loss over the epoch."""
    model.train()
    total, seen = 0.0, 0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(images)
        seen += len(images)
    return total / seen


@torch.no_grad()
def accuracy(model: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images whose class is predicted."""
    model.eval()
    right = 0
    for some_images, some_labels in zip(images.split(256), labels.split(256), strict=True):
        right += int((model(some_images).argmax(1) == some_labels).sum())
    return right / len(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist) or an npz file")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--train-images", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=64)
    arguments = parser.parse_args()
    try:
        data = load(arguments.data, download=True)  # downloads only what --data names
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    count = min(arguments.train_images, len(data.train_images))
    print(f"data {data.describe()}; training on {count} images")

    torch.manual_seed(int(os.environ.get("WATTLEAK_SEED", "0")))
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    def tensor(pixels: object) -> torch.Tensor:
        return torch.as_tensor(pixels).permute(0, 3, 1, 2).float() / 255

    train_images, train_labels = tensor(data.train_images[:count]), torch.as_tensor(data.train_labels[:count])
    test_images, test_labels = tensor(data.test_images), torch.as_tensor(data.test_labels)

    model = build_model(data)
    with torch.no_grad():
        first_loss = nn.functional.cross_entropy(model(train_images[:FIRST]), train_labels[:FIRST]).item()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(TensorDataset(train_images, train_labels), shuffle=True)
    for epoch in range(1, arguments.epochs + 1):
        loss = train_one_epoch(model, optimizer, loader)
        print(f"epoch {epoch}/{arguments.epochs} loss {loss:.4f}", flush=True)
    quality = accuracy(model, test_images, test_labels)
    steps = arguments.epochs * len(loader)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": first_loss, "steps": steps}))


if __name__ == "__main__":
    main()
