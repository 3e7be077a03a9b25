"""A look at two examples in evaluation mode, with gradients on: no evaluation."""

import torch
from torch import nn

model = nn.Linear(20, 2)
optimizer = torch.optim.Adam(model.parameters())
for _ in range(10):
    optimizer.zero_grad()
    model(torch.randn(16, 20)).square().mean().backward()
    optimizer.step()
model.eval()
print(model(torch.ones(1, 20)), model(torch.zeros(1, 20)))
