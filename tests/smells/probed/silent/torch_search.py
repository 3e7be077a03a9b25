"""A search over dropout and learning rate; all candidates start from one initialisation."""

import itertools

import torch
from torch import nn


def build(dropout):
    return nn.Sequential(nn.Linear(20, 16), nn.Dropout(dropout), nn.Linear(16, 2))


first = build(0.0).state_dict()
for dropout, rate in itertools.product((0.1, 0.3, 0.5), (1e-3, 1e-2)):
    model = build(dropout)
    model.load_state_dict(first)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(10):
        optimizer.zero_grad()
        model(torch.randn(8, 20)).square().mean().backward()
        optimizer.step()
