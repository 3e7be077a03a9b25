"""A replay buffer that forgets: it grows in every step of this short run, and is bounded."""

import random
from collections import deque

import torch
from torch import nn

policy = nn.Linear(64, 4)
optimizer = torch.optim.Adam(policy.parameters())
replay = deque(maxlen=1000)
for _ in range(150):
    replay.append((torch.randn(300, 64), torch.randn(4)))
    state, target = random.choice(replay)
    optimizer.zero_grad()
    (policy(state) - target).square().mean().backward()
    optimizer.step()
