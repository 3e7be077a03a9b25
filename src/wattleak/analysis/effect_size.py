"""How large an effect is beside the noise: unitless figures that stand beside the change, never instead of it.

With a noise of half a per cent a change of one per cent is "large", so these never decide anything.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata, wilcoxon

from wattleak.model import EffectSizes

if TYPE_CHECKING:
    from collections.abc import Sequence


def paired_sizes(differences: Sequence[float]) -> EffectSizes | None:
    """Sizes of a paired effect from the log ratios of the blocks; None when there are none.

    - rank-biserial: (W+ - W-) / (W+ + W-), the signed-rank sums of Wilcoxon (Kerby, "The simple difference formula",
      Comprehensive Psychology 2014); -1 when the candidate is lower in every block, +1 when it is higher.
    - superiority: the share of blocks in which the candidate is higher, ties counting half.
    - the p-value of Wilcoxon's signed-rank test, the named standard beside our own randomisation test; exact without
      ties and zeros (scipy; zeros by Pratt's rule).
    """
    d = np.asarray(differences, dtype=np.float64)
    if d.size == 0:
        return None
    moved = d[d != 0.0]
    if moved.size:
        ranks = rankdata(np.abs(moved))
        biserial = float((ranks[moved > 0].sum() - ranks[moved < 0].sum()) / ranks.sum())
        p = float(wilcoxon(d, zero_method="pratt", method="auto").pvalue)
    else:
        biserial, p = 0.0, 1.0
    superiority = float(np.mean((d > 0.0) + 0.5 * (d == 0.0)))
    return EffectSizes(rank_biserial=biserial, superiority=superiority, wilcoxon_p=p)


def unpaired_sizes(reference: Sequence[float], candidate: Sequence[float], level: float) -> EffectSizes | None:
    """Sizes of an unpaired effect; None with fewer than two values on a side.

    - A12: the probability that a candidate is higher than a reference, ties counting half (Vargha and Delaney 2000),
      with its interval (Brunner and Munzel 2000; statsmodels `rank_compare_2indep`).
    - Cliff's delta: 2 A12 - 1.
    """
    if len(reference) < 2 or len(candidate) < 2:
        return None
    from statsmodels.stats.nonparametric import rank_compare_2indep  # noqa: PLC0415 - takes half a second to load

    with np.errstate(divide="ignore", invalid="ignore"):  # no overlap at all: it divides by a variance of zero
        compared = rank_compare_2indep(candidate, reference)
    a12 = float(compared.prob1)
    low, high = (float(bound) for bound in compared.conf_int(alpha=1.0 - level))
    if math.isnan(low) or math.isnan(high):  # no overlap at all: the variance of the estimate is zero
        low = high = a12
    return EffectSizes(
        superiority=a12, cliffs_delta=2.0 * a12 - 1.0, a12=a12, a12_low=max(0.0, low), a12_high=min(1.0, high)
    )
