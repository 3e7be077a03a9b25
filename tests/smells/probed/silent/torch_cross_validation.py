"""Every fold begins with the same pretrained weights, and is trained."""

import torch
from torch import nn

torch.manual_seed(0)
images, labels = torch.randn(100, 20), torch.randint(2, (100,))


def build():
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))


pretrained = build().state_dict()
scores = []
for fold in torch.arange(100).split(20):
    model = build()
    model.load_state_dict(pretrained)
    optimizer = torch.optim.Adam(model.parameters())
    kept = torch.ones(100, dtype=torch.bool)
    kept[fold] = False
    for _ in range(12):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images[kept]), labels[kept]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        scores.append((model(images[fold]).argmax(1) == labels[fold]).float().mean())
