"""A moving average of the weights, read after every step."""

import copy

import torch
from torch import nn

model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))
average = copy.deepcopy(model)
optimizer = torch.optim.AdamW(model.parameters())
for _ in range(120):
    optimizer.zero_grad()
    model(torch.randn(8, 20)).square().mean().backward()
    optimizer.step()
    new = model.state_dict()
    average.load_state_dict({name: 0.9 * value + 0.1 * new[name] for name, value in average.state_dict().items()})
