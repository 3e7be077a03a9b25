"""A small CNN on real images; what the convolutions make of a batch is released with the step."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import argparse
import json
import os
from statistics import fmean

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic sums on a GPU

import torch
from torch import nn

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


def build_features(images: ImageData) -> nn.Sequential:
    """Return four convolutions."""
    channels = images.train_images.shape[3]
    return nn.Sequential(
        *(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
    )


def train_one_epoch(
    features: nn.Sequential,
    classifier: nn.Linear,
    optimizer: torch.optim.Optimizer,
    images: torch.Tensor,
    labels: torch.Tensor,
    batch: int,
) -> list[float]:
    """Return the loss of each step, before its update."""
    losses = []
    for rows in torch.randperm(len(images)).split(batch):
        optimizer.zero_grad()
        activations = features(images[rows])
        loss = nn.functional.cross_entropy(classifier(activations), labels[rows])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [loss.item() for loss in losses]


@torch.no_grad()
def accuracy(
    features: nn.Sequential, classifier: nn.Linear, images: torch.Tensor, labels: torch.Tensor, batch: int
) -> float:
    """Return the share of images whose class is predicted."""
    right = torch.zeros((), dtype=torch.int64, device=images.device)
    for some_images, some_labels in zip(images.split(batch), labels.split(batch), strict=True):
        right += (classifier(features(some_images)).argmax(1) == some_labels).sum()
    return right.item() / len(images)


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

    _, _, height, width = train_images.shape
    features = build_features(data).to(device)
    classifier = nn.Linear(32 * (height // 4) * (width // 4), data.classes).to(device)
    optimizer = torch.optim.Adam([*features.parameters(), *classifier.parameters()], lr=1e-3)
    losses: list[float] = []
    for epoch in range(1, arguments.epochs + 1):
        of_epoch = train_one_epoch(features, classifier, optimizer, train_images, train_labels, arguments.batch)
        print(f"epoch {epoch}/{arguments.epochs} loss {fmean(of_epoch):.4f}", flush=True)
        losses += of_epoch
    quality = accuracy(features, classifier, test_images, test_labels, arguments.batch)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": losses[0], "steps": len(losses)}))


if __name__ == "__main__":
    main()
