"""Runs that were not made in blocks: archives, logs of other tools, a baseline of last month.

Without blocks nothing cancels what changed in between, so what is said here never carries a grade above observed. The
test is Brunner and Munzel's (2000), which keeps its level when the two sides are unequally noisy or unequally many,
where Mann-Whitney does not and Student's is worse; scipy has it. The estimate is Hodges and Lehmann's shift of the
logarithms with the interval that inverts the Mann-Whitney test (Hollander, Wolfe and Chicken, Nonparametric Statistical
Methods, 3rd ed. 2014, section 4.3), which no Python library has.
"""

from __future__ import annotations

import math
import statistics
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri
from scipy.stats import brunnermunzel

from wattleak.analysis.effect import Change
from wattleak.analysis.effect_size import unpaired_sizes
from wattleak.model import MetricComparison

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from wattleak.model import Origin

_EXACT_UP_TO = 50  # values on a side


def unpaired_change(reference: Sequence[float], candidate: Sequence[float], level: float) -> Change:
    """Compare two independent groups of positive values in one unit; they need not be equally many.

    `blocks` of the answer is the smaller number of values; the p-value is None with fewer than two on a side, the
    interval when there are too few for the level.
    """
    few = min(len(reference), len(candidate))
    if few == 0 or not all(0.0 < value < math.inf for value in (*reference, *candidate)):
        return Change(None, None, None, None, few, level)
    before, after = np.log(np.asarray(reference)), np.log(np.asarray(candidate))
    shifts = np.sort((after[:, None] - before[None, :]).ravel())
    k = _mann_whitney_k(len(before), len(after), level)
    return Change(
        change=math.expm1(float(np.median(shifts))),
        low=math.expm1(float(shifts[k - 1])) if k else None,
        high=math.expm1(float(shifts[-k])) if k else None,
        p_value=_brunner_munzel_p(before, after),
        blocks=few,
        level=level,
    )


def compare_unpaired(
    metric: str,
    reference: Sequence[float],
    candidate: Sequence[float],
    level: float,
    *,
    origin: Origin,
    derived_from: str | None,
) -> MetricComparison:
    """One metric of two independent groups, each with a value at least, as a report shows it."""
    change = unpaired_change(reference, candidate, level)
    possible = all(0.0 < value < math.inf for value in (*reference, *candidate))
    return MetricComparison(
        name=metric,
        reference=statistics.median(reference),
        candidate=statistics.median(candidate),
        change=change.change,
        low=change.low,
        high=change.high,
        p_value=change.p_value,
        blocks=change.blocks,
        origin=origin,
        derived_from=derived_from,
        sizes=unpaired_sizes(reference, candidate, level) if possible else None,
    )


def _brunner_munzel_p(before: NDArray[np.float64], after: NDArray[np.float64]) -> float | None:
    if min(len(before), len(after)) < 2:
        return None
    if before.max() < after.min() or after.max() < before.min():
        return _complete_separation_p(before, after)  # the variance of the statistic is zero
    if before.min() == before.max() == after.min() == after.max():
        return 1.0
    return float(brunnermunzel(before, after).pvalue)


def _complete_separation_p(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Exact two-sided p of the most extreme of all orders: 2 / C(n + m, n)."""
    return min(1.0, 2.0 / math.comb(len(before) + len(after), len(before)))


def fewest_for_interval(reference: int, level: float, most: int = 200) -> int | None:
    """How many candidates give an interval at the level against so many references; None: not even `most` do."""
    if reference < 1:
        return None
    error = (1.0 - level) * (1.0 + 1e-9)  # 1 - 0.95 is not 0.05
    return next((n for n in range(1, most + 1) if 2.0 / math.comb(reference + n, n) <= error), None)


@lru_cache(maxsize=256)
def _mann_whitney_k(n: int, m: int, level: float) -> int:
    """Return the largest k with 2 P(U <= k - 1) <= 1 - level, 0 if there is none."""
    tail = (1.0 - level) / 2.0
    if max(n, m) <= _EXACT_UP_TO:
        return int(np.searchsorted(_mann_whitney_cumulative(n, m), tail * (1.0 + 1e-9), side="right"))
    deviation = math.sqrt(n * m * (n + m + 1) / 12.0)
    return max(0, math.floor(n * m / 2.0 + 0.5 + float(ndtri(tail)) * deviation))


def _mann_whitney_cumulative(n: int, m: int) -> NDArray[np.float64]:
    """Return P(U <= u) for u = 0 .. n m, from the Gaussian binomial: the product of (1 - q^(m+i)) / (1 - q^i)."""
    size = n * m + 1
    counts = np.zeros(size)
    counts[0] = 1.0
    for i in range(1, n + 1):
        counts[m + i :] -= counts[: size - (m + i)].copy() if m + i < size else 0.0
        for u in range(i, size):  # dividing by 1 - q^i
            counts[u] += counts[u - i]
    return np.asarray(np.cumsum(counts) / counts.sum())
