"""One long sequence in a batch, gradients summed over eight of them: the update is a small part."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.randn(420, 1500, 8)), batch_size=1)
model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for step, (rows,) in enumerate(loader):
    model(rows).square().mean().backward()
    if step % 2:
        optimizer.step()
        optimizer.zero_grad()
