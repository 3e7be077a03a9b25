"""Gradients by the input, in evaluation mode."""

import torch
from torch import nn

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)).eval()
maps = []
for _ in range(20):
    images = torch.randn(8, 64, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(images).amax(1).sum(), images)
    maps.append(gradient.abs().mean())
