"""A counter in the module is a constant to the compiler: every step is compiled for, until it gives up."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 1)
        self.calls = 0

    def forward(self, rows):  # seen: MOD001
        self.calls += 1
        return self.layer(rows) / self.calls


net = Net()
model = torch.compile(net, backend="eager")
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for _ in range(12):
    optimizer.zero_grad()
    model(torch.ones(4, 8)).sum().backward()
    optimizer.step()
