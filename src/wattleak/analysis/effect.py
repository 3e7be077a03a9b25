"""How much the candidate changes a figure: paired log ratios, their centre, its interval, its p-value.

Everything is computed on d_i = ln(candidate_i) - ln(reference_i), one number for each block, and returned as the
fraction exp(x) - 1: the analysis of candidate against reference is then the exact mirror of reference against
candidate, and a change of units changes nothing.

The Hodges-Lehmann estimate and its interval are ours because no Python library has them; the sign-flip enumeration
is ours because `scipy.stats.permutation_test` builds the whole table of permutations (nine seconds and hundreds of
megabytes for the 20 blocks of a standard experiment; ten milliseconds here). The tests hold all of it against R.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from wattleak.model import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_EXACT_RANKS_UP_TO = 200  # blocks; the exact distribution of W costs n**3 / 6 additions: some milliseconds
_EXACT_FLIPS_UP_TO = 20  # blocks; 2**19 sums
_RANDOM_FLIPS = 9_999
_FLIP_SEED = 20_260_101  # fixed: the same data give the same p-value, everywhere and always
_ROUNDING = 1e-12  # relative; two sums of the same terms in another order are equal


@dataclass(frozen=True, slots=True)
class Change:
    """Candidate over reference, minus one: estimate, interval at `level`, two-sided p-value.

    `change` and `p_value` are None when there is no block or no ratio (a zero or negative value in the data);
    `low` and `high` also when there are too few blocks for an interval at the level.
    """

    change: float | None
    low: float | None
    high: float | None
    p_value: float | None
    blocks: int
    level: float
    log_ratios: tuple[float, ...] = ()  # d_i in the order of the blocks; empty when there is no ratio


def paired_change(reference: Sequence[float], candidate: Sequence[float], level: float, *, test: bool = True) -> Change:
    """Compare two figures block by block; `reference[i]` and `candidate[i]` are the runs of one block.

    Args:
        reference: positive values in any unit.
        candidate: as many, in the same unit and order.
        level: of the interval, 0 < level < 1; adjust it for several candidates before (`feasibility.adjusted_level`).
        test: whether the p-value is wanted, which is most of the work and decides nothing.

    Raises:
        ValueError: the two are not equally long.
    """
    ratios = log_ratios(reference, candidate)
    if not ratios:
        return Change(None, None, None, None, len(reference), level)
    return change_of(ratios, level, test=test)


def change_of(ratios: Sequence[float], level: float, *, test: bool = True) -> Change:
    """As `paired_change`, of a logarithm of a ratio for each block: of two runs, or of a contrast of more.

    Raises:
        ValueError: no ratios.
    """
    interval = signed_rank_interval(ratios, level)
    return Change(
        change=math.expm1(hodges_lehmann(ratios)),
        low=None if interval is None else math.expm1(interval.low),
        high=None if interval is None else math.expm1(interval.high),
        p_value=sign_flip_p(ratios) if test else None,
        blocks=len(ratios),
        level=level,
        log_ratios=tuple(ratios),
    )


def log_ratios(reference: Sequence[float], candidate: Sequence[float]) -> tuple[float, ...]:
    """Return ln(candidate_i) - ln(reference_i); empty when a value is zero, negative or not finite.

    The difference of logarithms, not the logarithm of the quotient: swapping the two negates it to the last bit.
    """
    pairs = list(zip(reference, candidate, strict=True))
    if not all(0.0 < value < math.inf for pair in pairs for value in pair):
        return ()
    return tuple(math.log(after) - math.log(before) for before, after in pairs)


def hodges_lehmann(differences: Sequence[float]) -> float:
    """Return the median of all Walsh averages (d_i + d_j) / 2, i <= j (Hodges and Lehmann 1963).

    Raises:
        ValueError: no differences.
    """
    if not differences:
        msg = "the Hodges-Lehmann estimate of no differences"
        raise ValueError(msg)
    return float(np.median(_walsh_averages(differences)))


def signed_rank_interval(differences: Sequence[float], level: float) -> Interval | None:
    """Return the interval of the Hodges-Lehmann estimate, by inverting Wilcoxon's signed-rank test.

    It runs from the k-th smallest to the k-th largest Walsh average, k being the largest number for which the closed
    interval misses the centre with probability 2 P(W <= k - 1) <= 1 - level (Hollander, Wolfe and Chicken,
    Nonparametric Statistical Methods, 3rd ed. 2014, section 3.3). The coverage is at least `level` for any symmetric
    distribution, ties and zeros included. None when even k = 1 misses it more often: too few differences.
    """
    k = _signed_rank_k(len(differences), level)
    if k == 0:
        return None
    walsh = np.sort(_walsh_averages(differences))
    return Interval(low=float(walsh[k - 1]), high=float(walsh[-k]), level=level)


def sign_flip_p(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of the sign-flip randomisation test on the mean of the differences.

    Valid by the random order inside each block alone: had the candidate no effect, d_i and -d_i would be equally
    likely (Fisher 1935; Edgington and Onghena, Randomization Tests, 4th ed. 2007). All 2**n flips up to 20 blocks;
    beyond, 9,999 random ones with a fixed seed and (b + 1) / (B + 1), which keeps the test valid (Phipson and Smyth
    2010). The flips are drawn for the sorted magnitudes, so neither the order of the blocks nor the direction of the
    comparison moves the p-value.

    Raises:
        ValueError: no differences.
    """
    if not differences:
        msg = "the sign-flip test of no differences"
        raise ValueError(msg)
    magnitudes = np.sort(np.abs(np.asarray(differences, dtype=np.float64)))
    observed = abs(math.fsum(differences)) - _ROUNDING * float(magnitudes.sum())
    if len(differences) <= _EXACT_FLIPS_UP_TO:
        sums = magnitudes[:1]  # the first sign stays: flipping all signs changes no magnitude of a sum
        for magnitude in magnitudes[1:]:
            sums = np.concatenate((sums + magnitude, sums - magnitude))
        return float(np.mean(np.abs(sums) >= observed))
    signs = np.random.default_rng(_FLIP_SEED).choice((-1.0, 1.0), size=(_RANDOM_FLIPS, len(differences)))
    as_extreme = int(np.count_nonzero(np.abs(signs @ magnitudes) >= observed))
    return (as_extreme + 1) / (_RANDOM_FLIPS + 1)


def _walsh_averages(differences: Sequence[float]) -> NDArray[np.float64]:
    d = np.asarray(differences, dtype=np.float64)
    first, second = np.triu_indices(len(d))
    return np.asarray((d[first] + d[second]) / 2.0, dtype=np.float64)


@lru_cache(maxsize=256)
def _signed_rank_k(n: int, level: float) -> int:
    """Return the largest k with 2 P(W <= k - 1) <= 1 - level, 0 if there is none."""
    tail = (1.0 - level) / 2.0
    if n <= _EXACT_RANKS_UP_TO:
        # 1 - 0.95 is not 0.05: a level that is met exactly counts as met.
        return int(np.searchsorted(_signed_rank_cumulative(n), tail * (1.0 + 1e-9), side="right"))
    # P(W <= k - 1) by the normal distribution, with the continuity correction of one half. Signed ranks have lighter
    # tails than the normal distribution, so this k errs on the small, wide side.
    mean = n * (n + 1) / 4.0
    deviation = math.sqrt(n * (n + 1) * (2 * n + 1) / 24.0)
    return max(0, math.floor(mean + 0.5 + float(ndtri(tail)) * deviation))


def _signed_rank_cumulative(n: int) -> NDArray[np.float64]:
    """Return P(W <= w) for w = 0 .. n (n + 1) / 2: rank by rank, each enters the sum with probability 1/2."""
    probability = np.zeros(n * (n + 1) // 2 + 1)
    probability[0] = 1.0
    for rank in range(1, n + 1):
        halved = probability / 2.0
        probability = halved.copy()
        probability[rank:] += halved[:-rank]
    return np.cumsum(probability)
