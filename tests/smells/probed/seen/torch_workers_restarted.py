"""A loader with workers that is made anew in every epoch; and one that is not, but starts its workers anew."""

import torch
from torch.utils.data import DataLoader, TensorDataset

data = TensorDataset(torch.randn(160, 8), torch.randn(160, 1))
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train(batches):
    for rows, targets in batches:  # also: loader-workers-started-again
        optimizer.zero_grad()
        (model(rows) - targets).square().mean().backward()
        optimizer.step()


for _ in range(4):
    train(DataLoader(data, batch_size=16, num_workers=1))
kept = DataLoader(data, batch_size=16, num_workers=1)
for _ in range(4):
    train(kept)
