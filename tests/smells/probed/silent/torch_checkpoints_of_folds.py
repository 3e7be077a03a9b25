"""Inference with the checkpoints of several folds: the same model, other weights each time."""

import tempfile
from pathlib import Path

import torch
from torch import nn


def build():
    return nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))


with tempfile.TemporaryDirectory() as folder:
    for fold in range(5):
        torch.manual_seed(fold)
        torch.save(build().state_dict(), Path(folder) / f"{fold}.pt")
    total = 0
    for fold in range(5):
        model = build()
        model.load_state_dict(torch.load(Path(folder) / f"{fold}.pt"))
        model.eval()
        with torch.inference_mode():
            total = total + model(torch.ones(4, 20))
