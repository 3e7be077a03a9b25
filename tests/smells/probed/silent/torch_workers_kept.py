"""Workers that stay, a loader without workers, and one whose workers are started twice."""

import torch
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.randn(160, 8), torch.randn(160, 1))
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
staying = DataLoader(data, batch_size=16, num_workers=1, persistent_workers=True)
without = DataLoader(data, batch_size=16)
for _ in range(4):
    for rows, targets in staying:
        optimizer.zero_grad()
        (model(rows) - targets).square().mean().backward()
        optimizer.step()
    for rows, targets in without:
        optimizer.zero_grad()
        (model(rows) - targets).square().mean().backward()
        optimizer.step()
twice = DataLoader(data, batch_size=16, num_workers=1)
for _ in range(2):
    for rows, targets in twice:
        optimizer.zero_grad()
        (model(rows) - targets).square().mean().backward()
        optimizer.step()
