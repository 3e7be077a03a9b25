"""A search over learning rates that are written into the programs: each one is another program."""

import jax
import jax.numpy as jnp
import numpy as np


def train(rate):
    @jax.jit
    def step(weights, rows):
        return weights - rate * jax.grad(lambda weights: ((rows @ weights) ** 2).mean())(weights)

    weights = jnp.ones(8)
    for _ in range(3):
        weights = step(weights, np.ones((4, 8), np.float32))
    return weights


print([float(train(rate).sum()) for rate in (0.1, 0.05, 0.02, 0.01)])
