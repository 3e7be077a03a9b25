"""Draws of uncertain inputs: seeded, one stream for each input, so that the same input draws alike in every scenario.

An input says a value and the ends of its 95 % range. It is drawn from the two-piece normal distribution whose median is
the value and whose 2.5th and 97.5th percentiles are the ends: on the logarithm where everything is above zero (energies
and prices are skewed), as it is where it can be zero or negative (savings, growth). A standard normal z becomes

    value x (high/value)^(z/1.96)  for z > 0,  value x (value/low)^(z/1.96)  for z < 0

The draws of one input are stratified (a Latin hypercube: McKay, Beckman and Conover, 1979): one from each of as many
equal shares of probability as there are draws, in random order. So what hangs on one input alone has its ends as its
interval, not as chance would have them.

Because the stream of an input hangs on the seed and its key alone, differences between scenarios are differences of the
same draws: what both share cancels.
"""

from __future__ import annotations

import zlib
from functools import cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from wattleak.footprint.quantities import Quantity
from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from wattleak.footprint.inputs import Input

DRAWS = 20_000
_Z = 1.959963984540054  # 97.5th percentile of the standard normal distribution


class Point:
    """Every input at its value; the one of the key `moved` at the low or the high end of its range."""

    def __init__(self, moved: str | None = None, *, high: bool = False) -> None:
        self._moved = moved
        self._high = high
        self.asked: dict[str, Input] = {}

    def __call__(self, item: Input) -> Quantity:
        self.asked[item.key] = item
        end = item.high if self._high else item.low
        return Quantity(end if item.key == self._moved else item.value, item.dimension)


class MonteCarlo:
    """Every input as an array of `draws` draws."""

    def __init__(self, seed: int, draws: int = DRAWS) -> None:
        self.seed = seed
        self.draws = draws

    def __call__(self, item: Input) -> Quantity:
        if item.is_exact:
            return Quantity(item.value, item.dimension)
        stream = np.random.default_rng([self.seed, zlib.crc32(item.key.encode())])
        return Quantity(_two_piece(item, _strata(self.draws)[stream.permutation(self.draws)]), item.dimension)


def spread(point: float, drawn: float | NDArray[np.float64], origin: Origin) -> Estimate:
    """A point value with the 2.5th and the 97.5th percentile of its draws; the value lies inside."""
    if isinstance(drawn, (int, float)) or np.ndim(drawn) == 0:
        return Estimate(point, point, point, origin)
    low, high = np.percentile(drawn, (2.5, 97.5))
    return Estimate(point, min(float(low), point), max(float(high), point), origin)


@cache
def _strata(draws: int) -> NDArray[np.float64]:
    """The standard normal in the middle of so many equal shares of its probability."""
    normal = NormalDist()
    return np.array([normal.inv_cdf((place + 0.5) / draws) for place in range(draws)])


def _two_piece(item: Input, z: NDArray[np.float64]) -> NDArray[np.float64]:
    steps = z / _Z
    if item.low > 0.0:
        up, down = np.log(item.high / item.value), np.log(item.value / item.low)
        drawn = item.value * np.exp(np.where(steps > 0, steps * up, steps * down))
    else:
        drawn = item.value + np.where(steps > 0, steps * (item.high - item.value), steps * (item.value - item.low))
    clipped: NDArray[np.float64] = np.clip(drawn, item.least, item.most)
    return clipped
