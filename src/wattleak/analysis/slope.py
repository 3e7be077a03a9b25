"""How fast something grows: Theil and Sen's slope with its interval.

The slope is the median of the slopes of all pairs of readings; its interval comes from the variance of Kendall's tau
(Sen 1968, J. Am. Stat. Assoc. 63, as `scipy.stats.theilslopes` has it). An outlier moves neither. The interval takes
readings as independent of one another: for a memory that grows in steps it is too narrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Interval
from wattleak.model.watching import Slope

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 8  # readings: of fewer the interval says nothing
_MOST = 400  # readings: 80,000 pairs take 10 ms
_LEVEL = 0.95


def slope(times_s: Sequence[float], values: Sequence[float], *, level: float = _LEVEL) -> Slope | None:
    """Return the slope in units of `values` per second, or None for fewer than eight readings.

    Of very many readings evenly spaced ones are taken.
    """
    if len(times_s) < FEWEST or times_s[-1] <= times_s[0]:
        return None
    from scipy.stats import theilslopes  # noqa: PLC0415 - takes a second, which a short look need not wait for

    step = -(-len(times_s) // _MOST)
    some_s, some = times_s[::step], values[::step]
    found = theilslopes(some, some_s, alpha=level)
    return Slope(
        float(found[0]),
        Interval(float(found[2]), float(found[3]), level),
        readings=len(some_s),
        duration_s=some_s[-1] - some_s[0],
    )
