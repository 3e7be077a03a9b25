"""The labels of a loader that was trained from are gathered; its images are dropped."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

loader = DataLoader(TensorDataset(torch.randn(400, 20), torch.randn(400, 2)), batch_size=20)
model = nn.Linear(20, 2)
optimizer = torch.optim.Adam(model.parameters())
for images, targets in loader:
    optimizer.zero_grad()
    (model(images) - targets).square().mean().backward()
    optimizer.step()
everything = torch.cat([targets for _, targets in loader])
