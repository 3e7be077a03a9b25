"""The loss is read, printed and compared in every step, on a CPU: nobody waits, and nothing is held."""

import torch
from torch import nn

model = nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
lowest, lines = float("inf"), []
for step in range(80):
    optimizer.zero_grad()
    loss = model(torch.ones(4, 8)).square().mean()
    loss.backward()
    optimizer.step()
    if loss < lowest:
        lowest = loss.item()
    lines = [*lines[-3:], f"{step} {loss:.4f} {float(loss)} {loss.detach()} {loss.tolist()}"]
