"""Each epoch has a model of its own, which gets the weights of the one before by hand."""

import torch
from torch import nn

weights = None
for _ in range(5):
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))  # seen: MOD001
    if weights is not None:
        model.load_state_dict(weights)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(10):
        optimizer.zero_grad()
        model(torch.randn(16, 20)).square().mean().backward()
        optimizer.step()
    weights = model.state_dict()
