"""Anomaly mode left on: no room is for it."""

import torch

torch.autograd.set_detect_anomaly(True)  # also: debugging-left-on
model = torch.nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(10):
    optimizer.zero_grad()
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
