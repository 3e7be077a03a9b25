"""The garbage collector is called in every step."""

import gc

import torch

rows = [[number] for number in range(50_000)]  # what a collection has to go through
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(24):
    optimizer.zero_grad()
    model(torch.ones(4, 8)).square().mean().backward()
    optimizer.step()
    gc.collect()  # also: cleaning-every-step
