"""The garbage collector is called after every epoch, and before a training."""

import gc

import torch

model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
gc.collect()
for _ in range(3):
    for _ in range(20):
        optimizer.zero_grad()
        model(torch.ones(4, 8)).square().mean().backward()
        optimizer.step()
    gc.collect()
