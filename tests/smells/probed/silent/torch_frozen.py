"""A frozen model in evaluation mode: gradients are on, and nothing is recorded."""

import torch
from torch import nn

body = nn.Sequential(nn.Linear(64, 64), nn.ReLU()).requires_grad_(False).eval()
features = [body(torch.randn(16, 64)) for _ in range(40)]
print(torch.stack(features).mean())
