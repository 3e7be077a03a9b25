"""eval() without no_grad()."""

import torch
from torch import nn

model = nn.Sequential(nn.Linear(20, 64), nn.Dropout(0.1), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(3):
    model.train()
    for _ in range(10):
        optimizer.zero_grad()
        model(torch.randn(16, 20)).square().mean().backward()
        optimizer.step()
    model.eval()
    right = 0
    for _ in range(8):
        right += (model(torch.randn(16, 20)).argmax(1) == 0).sum().item()  # seen: AUT001
