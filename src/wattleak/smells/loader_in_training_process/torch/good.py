"""A small CNN on real images, which processes of their own read and augment while it trains."""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import argparse
import json
import os

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader, Dataset, RandomSampler

from wattleak.errors import WattleakError
from wattleak.workloads.data import ImageData, load


class AugmentedImages(Dataset[tuple[torch.Tensor, int]]):
    """Images, each turned, moved and mirrored by random numbers of its own: the same in whatever process."""

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
    """Return four convolutions and a linear layer."""
    height, width, channels = images.train_images.shape[1:]
    return nn.Sequential(
        *(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(32 * (height // 4) * (width // 4), images.classes)),
    )


def train_one_epoch(
    model: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[tuple[torch.Tensor, int]],
    device: torch.device,
) -> torch.Tensor:
    """Return the loss of every step."""
    model.train()
    losses = []
    for images, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(images.to(device)), labels.to(device))
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


@torch.no_grad()
def accuracy(
    model: nn.Sequential, images: torch.Tensor, labels: torch.Tensor, batch: int, device: torch.device
) -> float:
    """Return the share of images whose class is predicted."""
    model.eval()
    predicted = torch.cat([model(some.to(device)).argmax(1) for some in images.split(batch)])
    return float((predicted == labels.to(device)).float().mean())


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
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # CUDA is deterministic with it only
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(mode=True)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    train_set = AugmentedImages(data.train_images[:count], data.train_labels[:count], seed)
    loader = DataLoader(
        train_set,
        batch_size=arguments.batch,
        sampler=RandomSampler(train_set, generator=torch.Generator().manual_seed(seed)),
        generator=torch.Generator().manual_seed(seed),
        num_workers=min(4, len(os.sched_getaffinity(0))),
        persistent_workers=True,
    )
    test_images = torch.as_tensor(data.test_images).permute(0, 3, 1, 2).float() / 255
    test_labels = torch.as_tensor(data.test_labels)

    model = build_model(data).to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for epoch in range(1, arguments.epochs + 1):
        losses.append(train_one_epoch(model, optimizer, loader, device))
        print(f"epoch {epoch}/{arguments.epochs} loss {losses[-1].mean():.4f}", flush=True)
    quality = accuracy(model, test_images, test_labels, arguments.batch, device)
    steps = sum(len(some) for some in losses)
    print("WATTLEAK " + json.dumps({"accuracy": quality, "first_loss": float(losses[0][0]), "steps": steps}))


if __name__ == "__main__":
    main()
