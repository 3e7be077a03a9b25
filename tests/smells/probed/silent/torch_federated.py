"""Clients of one round begin with the same weights and are averaged: no client goes on where another one ended."""

import torch
from torch import nn


def build():
    return nn.Linear(20, 2)


shared = build()
for _ in range(3):
    states = []
    for _ in range(4):
        client = build()
        client.load_state_dict(shared.state_dict())
        optimizer = torch.optim.SGD(client.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            client(torch.randn(8, 20)).square().mean().backward()
            optimizer.step()
        states.append(client.state_dict())
    shared.load_state_dict({name: sum(state[name] for state in states) / 4 for name in states[0]})
