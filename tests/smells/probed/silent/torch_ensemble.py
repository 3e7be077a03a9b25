"""Models of one configuration that are kept, trained and asked together."""

import torch
from torch import nn

images, labels = torch.randn(100, 20), torch.randint(2, (100,))
members = []
for seed in range(5):
    torch.manual_seed(seed)
    member = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))
    optimizer = torch.optim.SGD(member.parameters(), lr=0.1)
    for _ in range(10):
        optimizer.zero_grad()
        nn.functional.cross_entropy(member(images), labels).backward()
        optimizer.step()
    members.append(member)
with torch.no_grad():
    print(torch.stack([member(images) for member in members]).mean(0).argmax(1).sum())
