"""Fine-tune one image model on a data set and report accuracy and area under the ROC curve.

    python fine_tuning.py --model resnet18 --data pneumoniamnist --epochs 2
    python fine_tuning.py --model densenet121 --image-size 32 --weights none
    python fine_tuning.py --model resnet18 --precision bfloat16 --compile default

Every variant of `wattleak study models` and `study devices` is this program; it runs by itself, too. On a CPU, or on an
accelerator where torch finds one.
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

import wattleak
from wattleak.errors import WattleakError
from wattleak.workloads.computing import Computing, add_options, computing_from, use_all_cpus
from wattleak.workloads.data import ImageData, load
from wattleak.workloads.image_models import MODELS, ImageModel, build, build_from_weights, find_model
from wattleak.workloads.image_weights import find_weights
from wattleak.workloads.predictions import report
from wattleak.workloads.spans import span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which the weights were trained on
_RATE_PRETRAINED, _RATE_FROM_SCRATCH = 1e-4, 1e-3  # usual for Adam; not tuned for any of the models
_TEST_BATCH = 256


@dataclass(frozen=True)
class Preparation:
    """What makes a model's input of stored images: three channels, the size that is asked for, ImageNet's scale."""

    side: int
    mean: torch.Tensor
    deviation: torch.Tensor

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        prepared = images.float() / 255
        prepared = nn.functional.interpolate(prepared, size=(self.side, self.side), mode="bilinear")
        return (prepared.expand(-1, 3, -1, -1) - self.mean) / self.deviation


def train_one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    prepare: Preparation,
    images: torch.Tensor,
    labels: torch.Tensor,
    batch: int,
    computing: Computing,
    scaler: torch.amp.GradScaler,
) -> tuple[float, int]:
    """Return the mean loss and how many images were worked through."""
    model.train()
    total, samples = torch.zeros((), device=images.device), 0
    for rows in torch.randperm(len(images)).to(images.device).split(batch):
        if len(rows) < 2:  # normalisation in training wants more than one image
            continue
        optimizer.zero_grad()
        with computing.autocast():
            loss = nn.functional.cross_entropy(model(prepare(images[rows])), labels[rows])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        computing.end_step()
        total += loss.detach() * len(rows)  # read once at the end: asking each step would wait for the device
        samples += len(rows)
        wattleak.step(samples=len(rows))
    return float(total) / max(1, samples), samples


def class_scores(
    model: nn.Module, prepare: Preparation, images: torch.Tensor, computing: Computing
) -> NDArray[np.float32]:
    """Return the probability of each class for each image."""
    model.eval()
    with torch.inference_mode(), computing.autocast():
        scores = [model(prepare(some)).float().softmax(1) for some in images.split(_TEST_BATCH)]
    found: NDArray[np.float32] = torch.cat(scores).cpu().numpy()
    return found


def made(model: ImageModel, classes: int, weights: str | None) -> tuple[nn.Module, bool]:
    """The model, and whether it begins with ImageNet weights; says which."""
    path = find_weights(model, weights)
    if path is None:
        print("weights: none, it begins with random values")
        return build(model, classes), False
    print(f"weights: ImageNet, {path.name}, whose SHA-256 begins as its name says")
    return build_from_weights(model, path, classes), True


@dataclass(frozen=True)
class Task:
    """What is asked, checked."""

    arguments: argparse.Namespace
    model: ImageModel
    data: ImageData
    side: int
    count: int  # training images
    tested: int  # test images
    computing: Computing


def task(words: list[str] | None = None) -> Task:
    """Read the command line; exit with 2 and one line when it does not fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help=", ".join(model.name for model in MODELS))
    parser.add_argument("--data", help="a data set (fashion-mnist, cifar10, pneumoniamnist) or an npz file")
    parser.add_argument("--image-size", type=int, help="pixels (default: what the model was made for)")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--train-images", type=int, help="so many of them (default: all)")
    parser.add_argument("--test-images", type=int, help="so many of them (default: all)")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, help="of Adam (default: 1e-4 with weights, 1e-3 without)")
    parser.add_argument("--weights", help="none, download, or a folder (default: those that are on this machine)")
    add_options(parser)
    parser.add_argument("--predictions", help="where to keep labels and scores (default: in $WATTLEAK_RUN_DIR)")
    arguments = parser.parse_args(words)
    try:
        model = find_model(arguments.model)
        data = load(arguments.data, download=True)  # downloads only what --data names
        computing = computing_from(arguments)
    except WattleakError as error:
        parser.error(f"{error.message}; {error.remedy}")
    side = arguments.image_size or model.side
    if side < model.least:
        parser.error(f"{model.title} takes images of {model.least} pixels or more, not {side}")
    if data.train_images.shape[3] not in {1, 3}:
        parser.error(f"{data.name} has images with {data.train_images.shape[3]} channels; these models take 1 or 3")
    if arguments.batch < 2 or arguments.epochs < 1:
        parser.error("--batch is 2 or more, --epochs 1 or more")
    count = min(arguments.train_images or len(data.train_images), len(data.train_images))
    tested = min(arguments.test_images or len(data.test_images), len(data.test_images))
    return Task(arguments, model, data, side, count, tested, computing)


def main() -> None:
    asked = task()
    arguments, data = asked.arguments, asked.data
    print(f"data {data.describe()}; training on {asked.count}, testing on {asked.tested} images of {asked.side} pixels")
    torch.manual_seed(int(os.environ.get("WATTLEAK_SEED", "0")))
    use_all_cpus()
    computing, device = asked.computing, asked.computing.device
    print(f"device: {computing.describe()}")
    try:
        model, pretrained = made(asked.model, data.classes, arguments.weights)
    except WattleakError as error:
        raise SystemExit(f"{error.message}; {error.remedy}") from error
    model = model.to(device)

    def on_device(pixels: NDArray[np.uint8]) -> torch.Tensor:
        return torch.as_tensor(pixels).permute(0, 3, 1, 2).to(device)

    def constant(values: tuple[float, ...]) -> torch.Tensor:
        return torch.tensor(values, device=device).view(1, 3, 1, 1)

    prepare = Preparation(asked.side, constant(_MEAN), constant(_DEVIATION))
    images = on_device(data.train_images[: asked.count])
    labels = torch.as_tensor(data.train_labels[: asked.count]).to(device)
    test_images = on_device(data.test_images[: asked.tested])
    rate = arguments.learning_rate or (_RATE_PRETRAINED if pretrained else _RATE_FROM_SCRATCH)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    trained, scaler = computing.compiled(model), computing.scaler()
    samples, mean_loss = 0, float("nan")
    for epoch in range(1, arguments.epochs + 1):
        with span("epoch"):
            mean_loss, worked = train_one_epoch(
                trained, optimizer, prepare, images, labels, arguments.batch, computing, scaler
            )
        samples += worked
        print(f"epoch {epoch}/{arguments.epochs} mean loss {mean_loss:.4f}", flush=True)
    with span("evaluation"):
        scores = class_scores(model, prepare, test_images, computing)  # as it is: compiling pays when it is repeated
    more = {
        "training_loss": mean_loss,
        "epochs": arguments.epochs,
        "samples": samples,
        "pretrained": int(pretrained),
        **computing.peak_memory_b(),
    }
    report(data.test_labels[: asked.tested], scores, more, arguments.predictions)


if __name__ == "__main__":
    main()
