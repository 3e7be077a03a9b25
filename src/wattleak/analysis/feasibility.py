"""How many blocks a question needs: before the first run, and after the last."""

from __future__ import annotations

import math
import statistics
from functools import lru_cache
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Interval, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Design

_NEVER = 10_000  # blocks; beyond that an answer would be a joke
_SIGNED_RANK_EFFICIENCY = 3.0 / math.pi  # of Wilcoxon against t for normal differences (Pitman; Hodges, Lehmann 1956)


def adjusted_level(level: float, candidates: int) -> float:
    """Return the level of each of `candidates` intervals that hold together at `level` (Bonferroni).

    Raises:
        UsageError: the level is not between 0 and 1, or there is no candidate.
    """
    if not 0.0 < level < 1.0:
        raise UsageError(f"the confidence level must lie between 0 and 1, not {level:g}", "use 0.95")
    if candidates < 1:
        raise UsageError("a comparison needs at least two variants", "name a second command to compare with")
    return 1.0 - (1.0 - level) / candidates


def blocks_needed(level: float, candidates: int) -> int:
    """Return the fewest blocks with which a plan can reach its level at all.

    With n blocks neither the exact two-sided sign-flip test nor Wilcoxon's signed-rank interval can go below an
    error of 2 / 2**n; n is the first for which that is at most (1 - level) / candidates.

    Raises:
        UsageError: see `adjusted_level`.
    """
    error = (1.0 - adjusted_level(level, candidates)) * (1.0 + 1e-9)  # 1 - 0.95 is not 0.05
    blocks = 2
    while 2.0 ** (1 - blocks) > error:
        blocks += 1
    return blocks


def too_few_blocks(design: Design) -> tuple[int, int] | None:
    """Return the planned blocks and the fewest needed, where the plan can never reach its level; None where it can.

    Raises:
        UsageError: see `adjusted_level`.
    """
    blocks, needed = design.blocks * design.sessions, blocks_needed(design.level, max(1, len(design.variants) - 1))
    return (blocks, needed) if blocks < needed else None


def further_blocks(
    differences: Sequence[float], smallest_effect: float, level: float, power: float = 0.8
) -> int | None:
    """Return how many more blocks are expected to make the interval decisive, 0 when it is already.

    Decisive: wholly beyond one side of +/- smallest_effect, or wholly inside. With s the standard deviation of the
    log ratios and D the distance of their Hodges-Lehmann estimate from the nearest bound, n is the smallest with

        n >= ((t[1 - (1 - level) / 2, n - 1] + t[q, n - 1]) s / D)**2 / (3 / pi)

    where q = power beyond a bound and q = 1 - (1 - power) / 2 inside both (one-sample superiority and equivalence:
    Chow, Shao and Wang, Sample Size Calculations in Clinical Research, 2nd ed. 2008, section 3.1), with t for z
    because s is estimated and 3 / pi for the efficiency of signed ranks. It is an expectation from the blocks so far,
    not a promise. With fewer than two differences, or a spread of zero, only the floor of `blocks_needed` is known.

    Args:
        differences: log ratios, one for each complete block.
        smallest_effect: as a fraction, 0 <= smallest_effect < 1.
        level: of the interval, already adjusted.
        power: the wished probability to decide.

    Returns:
        None when it cannot be told: the estimate lies on a bound, or more than 10,000 blocks would be needed.
    """
    # numpy and scipy take a second to load; a plan is checked with the two functions above.
    from scipy.special import stdtrit  # noqa: PLC0415 - see above

    from wattleak.analysis.effect import hodges_lehmann, signed_rank_interval  # noqa: PLC0415 - see above
    from wattleak.analysis.verdict import decide  # noqa: PLC0415 - see above

    done = len(differences)
    floor = blocks_needed(level, 1)
    if done < 2:
        return max(floor - done, 0)
    interval = signed_rank_interval(differences, level)
    if interval is not None:
        fractions = Interval(math.expm1(interval.low), math.expm1(interval.high), level)
        if decide(fractions, smallest_effect) is not Verdict.NOT_ENOUGH_RUNS:
            return 0

    lower, upper = math.log1p(-smallest_effect), math.log1p(smallest_effect)
    estimate, spread = hodges_lehmann(differences), statistics.stdev(differences)
    distance = min(abs(estimate - lower), abs(estimate - upper))
    if distance == 0.0:
        return None
    quantile = 1.0 - (1.0 - power) / 2.0 if lower < estimate < upper else power

    def enough(n: int) -> bool:
        quantiles = float(stdtrit(n - 1, 1.0 - (1.0 - level) / 2.0)) + float(stdtrit(n - 1, quantile))
        return math.sqrt(n * _SIGNED_RANK_EFFICIENCY) * distance >= quantiles * spread

    if not enough(_NEVER):
        return None
    low, high = floor - 1, _NEVER  # `enough` is monotone: t quantiles fall with n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle >= floor and enough(middle) else (middle, high)
    return max(high - done, 1)


def blocks_for(spread: float, effect: float, level: float, power: float = 0.8) -> int:
    """Return how many blocks find a change of `effect`, a fraction, with probability `power`.

    The sample size of the paired t test (see `minimal_detectable_change`) over 3 / pi, the efficiency of signed ranks;
    never fewer than the exact test needs at all. `spread` is the standard deviation of the log ratios.
    """
    least, most = 2, _NEVER
    while least < most:
        middle = (least + most) // 2
        if minimal_detectable_change(spread, middle, level, power) <= effect:
            most = middle
        else:
            least = middle + 1
    return max(math.ceil(least / _SIGNED_RANK_EFFICIENCY), blocks_needed(level, 1))


def minimal_detectable_change(spread: float, blocks: int, level: float, power: float = 0.8) -> float:
    """Return the smallest increase, as a fraction, that `blocks` blocks would show with probability `power`.

    From the power of the two-sided paired t test on the log ratios (noncentral t; Cohen, Statistical Power Analysis,
    2nd ed. 1988, chapter 2); the decrease that can be shown is a little smaller as a fraction: 1 - 1 / (1 + x).

    Args:
        spread: standard deviation of the log ratios.
        blocks: at least 2.
        level: of the interval, already adjusted.
        power: the wished probability.
    """
    return math.expm1(_standardised_effect(blocks, level, power) * spread)


@lru_cache(maxsize=1024)
def _standardised_effect(blocks: int, level: float, power: float) -> float:
    """The mean over standard deviation that a paired t test of so many pairs finds with probability `power`."""
    from scipy.optimize import brentq  # noqa: PLC0415 - a plan is checked without scipy
    from scipy.special import nctdtr, stdtrit  # noqa: PLC0415 - see above

    freedom = blocks - 1
    critical = float(stdtrit(freedom, 1.0 - (1.0 - level) / 2.0))

    def lacking(effect: float) -> float:
        shift = effect * math.sqrt(blocks)
        other_side = float(nctdtr(freedom, shift, -critical))  # so small for large shifts that it is not computable
        return power - (1.0 - float(nctdtr(freedom, shift, critical)) + (0.0 if math.isnan(other_side) else other_side))

    high = 1.0
    while lacking(high) > 0.0:
        high *= 2.0
    return float(brentq(lacking, 0.0, high, xtol=1e-9))
