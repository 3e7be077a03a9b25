"""batch_size is forgotten: an update for every row."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.randn(600, 20), torch.randn(600, 2)), shuffle=True)
model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters())
for rows, targets in loader:
    optimizer.zero_grad()
    (model(rows) - targets).square().mean().backward()
    optimizer.step()  # seen: BAT001
