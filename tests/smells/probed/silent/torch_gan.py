"""Two models that train each other, with two optimizers that take turns."""

import torch
from torch import nn

makes = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 20))
judges = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1))
of_maker = torch.optim.Adam(makes.parameters(), lr=1e-3)
of_judge = torch.optim.Adam(judges.parameters(), lr=1e-3)
fixed = torch.randn(4, 8)
shown = []
for step in range(150):
    real, fake = torch.randn(16, 20), makes(torch.randn(16, 8))
    of_judge.zero_grad()
    (judges(fake.detach()).mean() - judges(real).mean()).backward()
    of_judge.step()
    of_maker.zero_grad()
    (-judges(fake).mean()).backward()
    of_maker.step()
    if step % 50 == 0:
        shown.append(makes(fixed).detach())
