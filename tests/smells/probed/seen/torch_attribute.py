"""An attribute keeps the activations of every step."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(32, 256), nn.Linear(256, 2)
        self.activations = []

    def forward(self, rows):
        hidden = self.first(rows)
        self.activations.append(hidden.detach())  # seen: REF001
        return self.second(hidden)


net = Net()
optimizer = torch.optim.Adam(net.parameters())
for _ in range(120):
    optimizer.zero_grad()
    net(torch.randn(200, 32)).square().mean().backward()
    optimizer.step()
