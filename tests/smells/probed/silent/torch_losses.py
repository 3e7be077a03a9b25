"""The losses of all steps, as numbers and detached: a few bytes a step."""

import torch
from torch import nn

model = nn.Linear(64, 2)
optimizer = torch.optim.Adam(model.parameters())
numbers, detached, total = [], [], torch.zeros(())
for _ in range(300):
    optimizer.zero_grad()
    loss = model(torch.randn(32, 64)).square().mean()
    loss.backward()
    optimizer.step()
    numbers.append(loss.item())
    detached.append(loss.detach())
    total += loss.detach()
