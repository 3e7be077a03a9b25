"""How much two runs of the same program differ on a machine, and the smallest effect that so many blocks can show."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from wattleak.analysis.effect import log_ratios
from wattleak.analysis.feasibility import minimal_detectable_change

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Origin

BLOCKS = (6, 12, 24, 48)
"""Sizes of an experiment for which the smallest effect is told; 6 is the fewest that can be significant at 95 %."""

LEVEL = 0.95
POWER = 0.80

SPREAD_FORMULA = (
    "standard deviation s of ln(second / first) over pairs of runs of one program; 95 % range of s by chi-square: "
    "s sqrt((n - 1) / chi2[0.975, n - 1]) to s sqrt((n - 1) / chi2[0.025, n - 1]) (normal theory: Hahn and Meeker, "
    "Statistical Intervals, 1991, chapter 4)"
)
EFFECT_FORMULA = (
    "exp(d s) - 1, where d is the standardised effect that the two-sided paired t test at 5 % finds with 80 % power "
    "in so many blocks (noncentral t: Cohen, Statistical Power Analysis, 2nd ed. 1988, chapter 2)"
)


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest increase, as a fraction, that `blocks` blocks show with 80 % power; its range is the spread's."""

    blocks: int
    change: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """Differences between two runs of one program, for one metric. `spread` is a standard deviation of log ratios."""

    metric: str
    origin: Origin
    values: tuple[tuple[float, float], ...]  # of each pair, in the unit that ends the name
    typical: float  # median of all runs
    spread: float
    low: float  # 95 % range of `spread`
    high: float
    detectable: tuple[Detectable, ...]


def spread_of(metric: str, origin: Origin, pairs: Sequence[tuple[float, float]]) -> Spread | None:
    """The spread of a metric over pairs of runs of the same program; None with fewer than 3 pairs or without ratios.

    See SPREAD_FORMULA and EFFECT_FORMULA. The chi-square range supposes normal log ratios; with rare slow runs the
    true range is wider. A spread of zero (all runs alike to the last digit) is below what the source resolves, and
    no effect is told for it.
    """
    from scipy.stats import chi2  # noqa: PLC0415 - takes a second to load

    differences = log_ratios([first for first, _ in pairs], [second for _, second in pairs])
    if len(differences) < 3:
        return None
    spread = statistics.stdev(differences)
    freedom = len(differences) - 1
    low, high = (spread * math.sqrt(freedom / float(chi2.ppf(q, freedom))) for q in (0.975, 0.025))
    return Spread(
        metric=metric,
        origin=origin,
        values=tuple(pairs),
        typical=statistics.median(value for pair in pairs for value in pair),
        spread=spread,
        low=low,
        high=high,
        detectable=tuple(_detectable(blocks, spread, low, high) for blocks in BLOCKS) if spread > 0 else (),
    )


def _detectable(blocks: int, spread: float, low: float, high: float) -> Detectable:
    effect = _standardised_effect(blocks)
    change, least, most = (math.expm1(effect * s) for s in (spread, low, high))
    return Detectable(blocks, change, least, most)


@cache
def _standardised_effect(blocks: int) -> float:
    """The log ratio that so many blocks show when the spread is 1: it scales with the spread."""
    return math.log1p(minimal_detectable_change(1.0, blocks, LEVEL, POWER))
