"""jit is called once; the last batch is shorter, and the types are two."""

import jax
import jax.numpy as jnp
import numpy as np


@jax.jit
def step(weights, rows):
    return weights - 0.1 * jax.grad(lambda weights: ((rows @ weights) ** 2).mean())(weights)


weights = jnp.ones(8)
for _ in range(3):
    for rows in (8, 8, 8, 3):
        weights = step(weights, np.ones((rows, 8), np.float32))
step(weights.astype(jnp.bfloat16), np.ones((8, 8), np.float32))
print(weights)
