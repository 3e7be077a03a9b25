"""A replay buffer of the program's own, with a capacity that this short run does not reach."""

import random

import torch
from torch import nn


class Replay:
    def __init__(self, capacity):
        self.capacity, self.kept, self.place = capacity, [], 0

    def push(self, item):
        if len(self.kept) < self.capacity:
            self.kept.append(item)
        else:
            self.kept[self.place] = item
        self.place = (self.place + 1) % self.capacity

    def sample(self):
        return random.choice(self.kept)


policy = nn.Linear(64, 4)
optimizer = torch.optim.Adam(policy.parameters())
replay = Replay(5000)
for _ in range(150):
    replay.push(torch.randn(300, 64))
    optimizer.zero_grad()
    policy(replay.sample()).square().mean().backward()
    optimizer.step()
