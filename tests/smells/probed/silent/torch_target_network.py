"""A target network takes the weights of the one that learns, again and again: one instance."""

import torch
from torch import nn


def build():
    return nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 2))


learns, target = build(), build()
optimizer = torch.optim.Adam(learns.parameters())
for step in range(200):
    if step % 20 == 0:
        target.load_state_dict(learns.state_dict())
    with torch.no_grad():
        goal = target(torch.randn(16, 8))
    optimizer.zero_grad()
    (learns(torch.randn(16, 8)) - goal).square().mean().backward()
    optimizer.step()
