"""What a step is given grows by one each time, and each length is a program of its own."""

import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def total(values):
    return jnp.tanh(values).sum() + jnp.cos(values).mean()


for length in range(1, 25):
    total(np.ones(length, np.float32))  # seen: MOD001
