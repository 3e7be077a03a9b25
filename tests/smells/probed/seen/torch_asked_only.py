"""The same model with the same weights is built for every batch that it is asked about."""

import io

import torch
from torch import nn


def build():
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))


saved = io.BytesIO()
torch.save(build().state_dict(), saved)


def score(rows):
    saved.seek(0)
    model = build()
    model.load_state_dict(torch.load(saved))
    with torch.no_grad():
        return model.eval()(rows).argmax(1)


for _ in range(6):
    score(torch.randn(32, 20))  # seen: MOD001
