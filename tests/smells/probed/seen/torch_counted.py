"""The loader is read once more after each epoch, for its length."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.randn(400, 20)), batch_size=16, shuffle=True)
model = nn.Linear(20, 2)
optimizer = torch.optim.Adam(model.parameters())
for _ in range(3):
    total = 0.0
    for (rows,) in loader:
        optimizer.zero_grad()
        loss = model(rows).square().mean()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(total / len(list(loader)))  # seen: DAT006
