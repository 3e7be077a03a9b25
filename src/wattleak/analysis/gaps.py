"""By how much one setting is dearer than another while they race: paired t intervals on log ratios.

An experiment that ends with a claim uses exact rank intervals (analysis.effect), which cannot leave zero out before
10 blocks when eight settings are compared over five looks at 95 %: seven runs of a setting that is ten times too dear
would be made to learn nothing new. A race therefore assumes what the claim does not: that the log ratios of a pair are
about normal. `benchmarks/tune.py` counts how often that drops the best setting, on noise that is normal and on noise
that is not.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_LOG = 700.0  # beyond it a ratio is no double any more; nobody needs to know by how much
_LEAST_SPREAD = 1e-3  # of a log ratio: CPU times that agree to the tick of their clock are not known any better


@dataclass(frozen=True, slots=True)
class LogGap:
    """Mean of the log ratios of two settings over the blocks that both ran in, with its interval."""

    mean: float
    low: float
    high: float
    blocks: int


def log_gap(dearer: Sequence[float], cheaper: Sequence[float], level: float) -> LogGap | None:
    """The interval of ln(dearer / cheaper) at `level`, two-sided; None for fewer than two blocks.

    Args:
        dearer: positive costs, block by block.
        cheaper: of the same blocks.
        level: already adjusted for settings and looks.
    """
    ratios = [math.log(one) - math.log(other) for one, other in zip(dearer, cheaper, strict=True)]
    n = len(ratios)
    if n < 2:
        return None
    mean = statistics.fmean(ratios)
    spread = max(math.sqrt(math.fsum((ratio - mean) ** 2 for ratio in ratios) / (n - 1)), _LEAST_SPREAD)
    reach = float(stdtrit(n - 1, 1.0 - (1.0 - level) / 2.0)) * spread / math.sqrt(n)
    return LogGap(mean, mean - reach, min(mean + reach, LARGEST_LOG), n)


def mean_cost(costs: Sequence[float], level: float) -> tuple[float, float | None, float | None]:
    """Geometric mean of positive costs, and Student's interval of it on the logarithms; no interval of one run."""
    logs = [math.log(cost) for cost in costs]
    mean = statistics.fmean(logs)
    if len(logs) < 2:
        return math.exp(mean), None, None
    reach = float(stdtrit(len(logs) - 1, 1.0 - (1.0 - level) / 2.0)) * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - reach), math.exp(min(mean + reach, LARGEST_LOG))
