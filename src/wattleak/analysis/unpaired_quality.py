"""Did the result stay as good, when the runs were not made in blocks?"""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from wattleak.model import Direction, QualityComparison, QualityState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import QualityTarget


def compare_unpaired_quality(
    reference: Sequence[float], candidate: Sequence[float], target: QualityTarget | None
) -> QualityComparison:
    """Compare a quality figure of two independent groups; the states mean what they mean in `compare_quality`.

    - identical: all values of both groups are the same number.
    - equivalent: the 90 % Welch interval of the difference of the means lies inside +/- margin (Schuirmann 1987).
    - better, worse: the 95 % Welch interval lies wholly on that side of zero.
    - undecided: none of these, or fewer than two values on a side.

    Two groups without any spread that differ have no Welch interval; the exact permutation test, 2 / C(n + m, n), says
    whether so many equal values by chance are rarer than the error.

    Returns:
        Means, and `low` and `high` of the 95 % interval, candidate minus reference in the unit of the metric; `blocks`
        is the smaller number of values.
    """
    few = min(len(reference), len(candidate))
    if target is None or few == 0:
        return QualityComparison(QualityState.NOT_MEASURED, None if target is None else target.metric)
    low, high = _interval(reference, candidate, 0.05)
    return QualityComparison(
        state=_state(reference, candidate, target),
        metric=target.metric,
        direction=target.direction,
        margin=target.margin,
        reference=statistics.fmean(reference),
        candidate=statistics.fmean(candidate),
        difference=statistics.fmean(candidate) - statistics.fmean(reference),
        low=low,
        high=high,
        blocks=few,
    )


def _state(reference: Sequence[float], candidate: Sequence[float], target: QualityTarget) -> QualityState:
    if len({*reference, *candidate}) == 1:
        return QualityState.IDENTICAL
    low, high = _interval(reference, candidate, 0.10)
    if low is not None and high is not None and -target.margin <= low and high <= target.margin:
        return QualityState.EQUIVALENT
    low, high = _interval(reference, candidate, 0.05)
    if low is None or high is None or low <= 0.0 <= high:
        return QualityState.UNDECIDED
    return QualityState.BETTER if (low > 0.0) == (target.direction is Direction.MAX) else QualityState.WORSE


def _interval(
    reference: Sequence[float], candidate: Sequence[float], error: float
) -> tuple[float | None, float | None]:
    n, m = len(reference), len(candidate)
    if min(n, m) < 2:
        return None, None
    difference = statistics.fmean(candidate) - statistics.fmean(reference)
    first, second = statistics.variance(reference) / n, statistics.variance(candidate) / m
    if first + second == 0.0:
        return (difference, difference) if 2.0 / math.comb(n + m, n) <= error else (None, None)
    from scipy.special import stdtrit  # noqa: PLC0415 - takes a second to load

    freedom = (first + second) ** 2 / (first**2 / (n - 1) + second**2 / (m - 1))  # Welch 1947
    reach = float(stdtrit(freedom, 1.0 - error / 2.0)) * math.sqrt(first + second)
    return difference - reach, difference + reach
