"""Looking early without crying wolf: at which level each planned look must be judged.

With K looks after n_1 < n_2 < ... < n_K blocks, the boundary z_k is such that a standardised mean of the blocks so far
passes it at any look with probability 1 - level in all, when there is no effect:

- Pocock (1977): the same z at every look. Stops early when effects are large, which is usual for smells.
- O'Brien and Fleming (1979): z_k = z sqrt(n_K / n_k). Hardly ever stops early, and loses hardly any power.

z is found by recursive numerical integration of the joint density of the partial sums (Armitage, McPherson and Rowe
1969; Jennison and Turnbull, Group Sequential Methods, 2000, chapter 19), and agrees with their tables 2.1 and 2.3.
The tests on blocks are exact rank and randomisation tests; that the normal boundary keeps its promise for them is
shown by simulation (`wattleak selftest`).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from wattleak.errors import UsageError
from wattleak.model import Stopping, StoppingRule

_GRID = 801  # points of the density between the boundaries: the fourth decimal of z is right


def look_level(stopping: Stopping | None, level: float, blocks: int) -> float:
    """Return the level of the interval that is judged after so many complete blocks.

    Without a stopping rule it is `level`. With one it is that of the last look that `blocks` reach; before the first
    look the first one's, since nothing may be claimed more easily than there.

    Args:
        stopping: the rule and the numbers of blocks at which it looks.
        level: that all looks hold together, already adjusted for several candidates.
        blocks: complete so far.
    """
    if stopping is None:
        return level
    levels = look_levels(stopping, level)
    reached = sum(look <= blocks for look in stopping.looks)
    return levels[max(0, reached - 1)]


@lru_cache(maxsize=256)
def look_levels(stopping: Stopping, level: float) -> tuple[float, ...]:
    """Return the level at each look; 1 minus it is the nominal two-sided p that must be reached there."""
    shape = _shape(stopping)
    looks = np.asarray(stopping.looks, dtype=np.float64)

    def excess(constant: float) -> float:
        return _crossing_probability(looks, constant * shape) - (1.0 - level)

    constant = brentq(excess, 1.0, 12.0, xtol=1e-6)
    return tuple(float(2.0 * ndtr(z) - 1.0) for z in constant * shape)


def check_looks(looks: tuple[int, ...], blocks: int) -> tuple[int, ...]:
    """Return the looks, if they can be made. Raises UsageError."""
    if not looks or list(looks) != sorted(set(looks)) or looks[0] < 2 or looks[-1] != blocks:
        raise UsageError(
            f"the looks {', '.join(map(str, looks)) or '(none)'} do not fit {blocks} blocks",
            "give rising numbers of blocks that end with all of them, as --looks 10,20,30,40 --blocks 40",
        )
    return looks


def default_looks(blocks: int, fewest: int) -> tuple[int, ...]:
    """Return four looks a quarter of the blocks apart, none before the exact test can reach its level at all."""
    quarters = {round(blocks * quarter / 4) for quarter in (1, 2, 3)}
    return (*sorted(look for look in quarters if fewest <= look < blocks), blocks)


def _shape(stopping: Stopping) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    looks = np.asarray(stopping.looks, dtype=np.float64)
    if stopping.rule is StoppingRule.POCOCK:
        return np.ones_like(looks)
    return np.asarray(np.sqrt(looks[-1] / looks), dtype=np.float64)


def _crossing_probability(
    looks: np.ndarray[tuple[int, ...], np.dtype[np.float64]], bounds: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> float:
    """Return P(|S_k| >= bounds_k sqrt(n_k) at some look), S_k being a sum of n_k independent standard normals."""
    limits = bounds * np.sqrt(looks)
    crossed = 2.0 * float(ndtr(-bounds[0]))
    points = np.linspace(-limits[0], limits[0], _GRID)
    density = np.exp(-points * points / (2.0 * looks[0])) / np.sqrt(2.0 * np.pi * looks[0])
    for number in range(1, len(looks)):
        step = points[1] - points[0]
        weights = np.full(_GRID, step)
        weights[[0, -1]] /= 2.0  # the trapezoid rule
        spread = np.sqrt(looks[number] - looks[number - 1])
        beyond = ndtr((-limits[number] - points) / spread) + ndtr((points - limits[number]) / spread)
        crossed += float(np.sum(weights * density * beyond))
        new = np.linspace(-limits[number], limits[number], _GRID)
        kernel = np.exp(-((new[:, None] - points[None, :]) ** 2) / (2.0 * spread * spread))
        density = (kernel @ (weights * density)) / (spread * np.sqrt(2.0 * np.pi))
        points = new
    return crossed
