"""A cache of features that fills in the first epoch and stops."""

import torch
from torch import nn

body, head = nn.Linear(64, 256), nn.Linear(256, 2)
optimizer = torch.optim.SGD(head.parameters(), lr=0.01)
batches = torch.randn(60, 128, 64)
features = {}
for step in range(240):
    key = step % 60
    if key not in features:
        with torch.no_grad():
            features[key] = body(batches[key])
    optimizer.zero_grad()
    head(features[key]).square().mean().backward()
    optimizer.step()
