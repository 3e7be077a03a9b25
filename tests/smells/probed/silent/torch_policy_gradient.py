"""Acting in evaluation mode with gradients on; what was kept of it is differentiated afterwards."""

import torch
from torch import nn

policy = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2))
optimizer = torch.optim.Adam(policy.parameters())
for _ in range(10):
    policy.eval()
    chances = []
    for _ in range(25):
        actions = torch.distributions.Categorical(logits=policy(torch.randn(1, 4)))
        chances.append(actions.log_prob(actions.sample()))
    policy.train()
    optimizer.zero_grad()
    (-torch.cat(chances).sum()).backward()
    optimizer.step()
