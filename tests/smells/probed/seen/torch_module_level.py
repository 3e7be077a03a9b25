"""A list of the module keeps pairs of tensors, through a function that is called in each step."""

import torch
from torch import nn

HISTORY = []


def remember(rows, outputs):
    HISTORY.append((rows, outputs))  # seen: REF001


def train(model, optimizer):
    for _ in range(120):
        rows = torch.randn(600, 32)
        outputs = model(rows)
        optimizer.zero_grad()
        outputs.square().mean().backward()
        optimizer.step()
        remember(rows, outputs)


layer = nn.Linear(32, 16)
train(layer, torch.optim.SGD(layer.parameters(), lr=0.01))
