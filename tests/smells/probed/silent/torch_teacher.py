"""A teacher in evaluation mode, without gradients, beside a student that trains."""

import torch
from torch import nn

teacher = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2)).eval()
student = nn.Linear(20, 2)
optimizer = torch.optim.Adam(student.parameters())
for _ in range(60):
    rows = torch.randn(16, 20)
    with torch.no_grad():
        goal = teacher(rows)
    optimizer.zero_grad()
    (student(rows) - goal).square().mean().backward()
    optimizer.step()
