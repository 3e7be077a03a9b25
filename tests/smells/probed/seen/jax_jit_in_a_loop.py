"""jit is called for each batch on a function that is made for each batch: nothing of it is ever found in a cache."""

import jax
import jax.numpy as jnp

weights = jnp.ones(8)
for _ in range(5):
    gradient = jax.jit(jax.grad(lambda weights, rows: ((rows @ weights) ** 2).mean()))
    weights = weights - 0.1 * gradient(weights, jnp.ones((4, 8)))  # seen: MOD001
print(weights)
