"""The course of the framework study in PyTorch, with a loop as PyTorch's tutorials write it.

python torch_loop.py --epochs 2 --train-images 1000
"""

# mypy: untyped-calls-exclude=torch
from __future__ import annotations

import numpy as np
import torch
from torch import nn

from wattleak.workloads.frameworks.course import Course, run
from wattleak.workloads.frameworks.network import CHANNELS, HIDDEN, KERNEL, Array, Labels


class TorchLearner:
    """Images are (N, channels, height, width) here, PyTorch's own layout."""

    def __init__(self, course: Course) -> None:
        torch.set_num_threads(course.threads)
        torch.backends.cudnn.allow_tf32 = False  # 32 bits in all frameworks alike
        self._where = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.accelerated = self._where.type == "cuda"
        self.device = torch.cuda.get_device_name() if self.accelerated else "CPU"
        self._batch, self._test_batch = course.batch, course.test_batch
        self._model = build(course).to(self._where)
        self._optimizer = torch.optim.SGD(self._model.parameters(), lr=course.rate, momentum=course.momentum)

    def first_step(self, images: Array, labels: Labels) -> float:
        return float(self._step(images, labels))

    def train(self, images: Array, labels: Labels) -> None:
        for start in range(0, len(images), self._batch):
            self._step(images[start : start + self._batch], labels[start : start + self._batch])
        if self.accelerated:
            torch.cuda.synchronize()

    def scores(self, images: Array) -> Array:
        with torch.inference_mode():
            parts = [
                self._model(self._placed(images[start : start + self._test_batch])).cpu()
                for start in range(0, len(images), self._test_batch)
            ]
        found: Array = torch.cat(parts).numpy()
        return found

    def _step(self, images: Array, labels: Labels) -> torch.Tensor:
        self._optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self._model(self._placed(images)), torch.from_numpy(labels).to(self._where))
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    def _placed(self, images: Array) -> torch.Tensor:
        return torch.from_numpy(images).to(self._where).permute(0, 3, 1, 2).contiguous()


def build(course: Course) -> nn.Sequential:
    """The network with the course's first weights, turned into PyTorch's layouts."""
    height, width, channels = course.data.train_images.shape[1:]
    first, second = CHANNELS
    model = nn.Sequential(
        nn.Conv2d(channels, first, KERNEL, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, KERNEL, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear((height // 4) * (width // 4) * second, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, course.data.classes),
    )
    weights = list(course.weights)
    kernel = weights[4].reshape(height // 4, width // 4, second, HIDDEN)  # flattened channels first in PyTorch
    weights[4] = kernel.transpose(2, 0, 1, 3).reshape(-1, HIDDEN)
    with torch.no_grad():
        for parameter, values in zip(model.parameters(), weights, strict=True):
            turned = values.transpose(3, 2, 0, 1) if values.ndim == 4 else values.T
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(turned)))
    return model


if __name__ == "__main__":
    run(TorchLearner, __doc__)
