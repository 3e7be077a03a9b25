"""The order in which an epoch asks for its samples: contiguous, strided, in shuffled blocks, or shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

BLOCK = 256  # samples that stay together
STRIDE = 16  # samples from one to the next


def _contiguous(count: int, _random: np.random.Generator) -> Rows:
    return np.arange(count)


def _strided(count: int, _random: np.random.Generator) -> Rows:
    """0, 16, 32, ... 1, 17, ...: every sample once."""
    return np.concatenate([np.arange(first, count, STRIDE) for first in range(min(STRIDE, count))])


def _blocks(count: int, random: np.random.Generator) -> Rows:
    """Blocks in random order; inside a block as they are stored."""
    starts = np.arange(0, count, BLOCK)
    random.shuffle(starts)
    return np.concatenate([np.arange(start, min(start + BLOCK, count)) for start in starts.tolist()])


def _shuffled(count: int, random: np.random.Generator) -> Rows:
    return random.permutation(count)


ORDERS: dict[str, Callable[[int, np.random.Generator], Rows]] = {
    "contiguous": _contiguous,
    "strided": _strided,
    "blocks": _blocks,
    "shuffled": _shuffled,
}


def batches(order: str, count: int, size: int, seed: tuple[int, int]) -> list[Rows]:
    """Row numbers of each batch of an epoch; `seed` is that of the run and the number of the epoch."""
    rows = ORDERS[order](count, np.random.default_rng(seed))
    return [rows[start : start + size] for start in range(0, count, size)]
