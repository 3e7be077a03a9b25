"""A forward hook that is never removed keeps what it sees."""

import torch
from torch import nn

model = nn.Sequential(nn.Linear(32, 256), nn.ReLU(), nn.Linear(256, 2))
seen = {}


def keep(_module, _inputs, output):
    seen[len(seen)] = output  # seen: REF001


model[0].register_forward_hook(keep)
optimizer = torch.optim.Adam(model.parameters())
for _ in range(120):
    optimizer.zero_grad()
    model(torch.randn(200, 32)).square().mean().backward()
    optimizer.step()
