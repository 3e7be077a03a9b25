"""Losses are kept, with their graphs, until there are four; then they are added up and gone."""

import torch
from torch import nn

model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 2))
optimizer = torch.optim.Adam(model.parameters())
losses = []
for step in range(320):
    losses.append(model(torch.randn(64, 64)).square().mean())
    if step % 4 == 3:
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()
        optimizer.step()
        losses.clear()
