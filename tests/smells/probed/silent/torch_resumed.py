"""A training that is resumed from its checkpoint, once, and a final model that is read from it."""

import io

import torch
from torch import nn


def build():
    return nn.Linear(20, 2)


def train(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(20):
        optimizer.zero_grad()
        model(torch.randn(8, 20)).square().mean().backward()
        optimizer.step()


saved = io.BytesIO()
model = build()
train(model)
torch.save(model.state_dict(), saved)
saved.seek(0)
resumed = build()
resumed.load_state_dict(torch.load(saved))
train(resumed)
