"""A small CNN on real images; the sum of the losses stays on the device and is read once an epoch."""

# mypy: untyped-calls-exclude=torch
# mypy: disable-error-code=assignment
# The sum is a number before the first step.
from __future__ import annotations

import argparse
import json
import os

import torch
from torch import nn

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


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
    model: nn.Sequential, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor, batch: int
) -> tuple[float, float, int]:
    """Return the mean loss over the epoch, the loss of its first step, and the number of its steps."""
    model.train()
    total = 0.0
    first = torch.zeros(())
    batches = torch.randperm(len(images)).split(batch)
    for step, rows in enumerate(batches):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images[rows]), labels[rows])
        loss.backward()
        optimizer.step()
        if step == 0:
            first = loss.detach()
        total += loss.detach() * len(rows)
    return float(total) / len(images), first.item(), len(batches)


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

    torch.manual_seed(int(os.environ.get("WATTLEAK_SEED", "0")))
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def tensor(pixels: object) -> torch.Tensor:
        return (torch.as_tensor(pixels).permute(0, 3, 1, 2).float() / 255).to(device)

    train_images, test_images = tensor(data.train_images[:count]), tensor(data.test_images)
    train_labels = torch.as_tensor(data.train_labels[:count]).to(device)
    test_labels = torch.as_tensor(data.test_labels).to(device)

    model = build_model(data).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    first_losses, steps = [], 0
    for epoch in range(1, arguments.epochs + 1):
        loss, first, done = train_one_epoch(model, optimizer, train_images, train_labels, arguments.batch)
        first_losses.append(first)
        steps += done
        print(f"epoch {epoch}/{arguments.epochs} loss {loss:.4f}", flush=True)
    quality = accuracy(model, test_images, test_labels, arguments.batch)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": first_losses[0], "steps": steps}))


if __name__ == "__main__":
    main()
