"""Two answers to each of the same test images: does one way get as many right as the other? Pure.

Only images about which the two differ can tell. The interval is the adjusted Wald interval for a difference of two
paired proportions: one is added to both counts of such images and two to the number of images (Bonett and Price,
"Adjusted Wald Confidence Interval for a Difference of Binomial Proportions Based on Paired Data", Journal of
Educational and Behavioral Statistics 37 (2012) 479). It is about other images of the same kind, for these weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from wattleak.model import QualityState


@dataclass(frozen=True, slots=True)
class PairedShare:
    """The second share minus the first, with its 95 % interval."""

    difference: float
    low: float
    high: float
    lost: int  # images that only the first got right
    gained: int  # images that only the second got right
    count: int
    state: QualityState


def paired_share(lost: int, gained: int, count: int, margin: float | None = None) -> PairedShare:
    """Compare; `margin` is a fraction, the loss that is tolerated. Without it nothing is called equivalent.

    - identical: the two differ about no image.
    - equivalent: the 90 % interval lies inside +/- margin (two one-sided tests at 0.05, Schuirmann 1987).
    - better, worse: the 95 % interval lies wholly on that side of zero. Undecided: none of these.

    Raises:
        ValueError: counts that do not fit.
    """
    if min(lost, gained) < 0 or lost + gained > count or not count:
        msg = f"{lost} lost and {gained} gained of {count} images"
        raise ValueError(msg)
    low, high = _interval(lost, gained, count, 0.95)
    narrow = _interval(lost, gained, count, 0.90)
    if not lost and not gained:
        state = QualityState.IDENTICAL
    elif margin is not None and -margin <= narrow[0] and narrow[1] <= margin:
        state = QualityState.EQUIVALENT
    elif low <= 0 <= high:
        state = QualityState.UNDECIDED
    else:
        state = QualityState.BETTER if low > 0 else QualityState.WORSE
    return PairedShare((gained - lost) / count, low, high, lost, gained, count, state)


def _interval(lost: int, gained: int, count: int, level: float) -> tuple[float, float]:
    first, second = (lost + 1) / (count + 2), (gained + 1) / (count + 2)
    reach = NormalDist().inv_cdf((1 + level) / 2) * sqrt((first + second - (second - first) ** 2) / (count + 2))
    return max(-1.0, second - first - reach), min(1.0, second - first + reach)
