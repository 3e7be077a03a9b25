"""Train and validate in turns, outputs collected without gradients and joined."""

import torch
from torch import nn

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters())
for _ in range(4):
    model.train()
    for _ in range(20):
        optimizer.zero_grad()
        model(torch.randn(64, 64)).square().mean().backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        outputs = [model(torch.randn(64, 64)) for _ in range(10)]
    print(torch.cat(outputs).mean())
