"""Did the result stay as good? Pairs of one block, the difference, and whether it is tolerable."""

from __future__ import annotations

import math
import re
import statistics
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Direction, QualityComparison, QualityState, QualityTarget

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

_FRACTION_MARGIN = 0.005  # half a percentage point: the usual distance between two seeds of a small model
_FRACTIONS = (
    "accuracy",
    "acc",
    "balanced_accuracy",
    "top1_accuracy",
    "auc",
    "auroc",
    "roc_auc",
    "f1",
    "f1_score",
    "f1_macro",
    "macro_f1",
    "average_precision",
    "map",
    "iou",
    "miou",
    "dice",
    "r2",
    "recall",
    "precision",
)  # more is better, at most 1; the order says which one to judge by
_LOSSES = (
    "loss",
    "cross_entropy",
    "nll",
    "perplexity",
    "error",
    "error_rate",
    "wer",
    "cer",
    "rmse",
    "mse",
    "mae",
)  # less is better, on a scale that nobody knows: no margin would be sensible
_STAGES = ("test", "", "eval", "validation", "valid", "val")  # figures of the training data say nothing: left out

_ROUNDING = 1e-9  # relative; 0.92 - 0.91 and 0.91 - 0.90 are the same difference

_FORMS = "write NAME, NAME:max|min or NAME:max|min:MARGIN, for instance accuracy:max:0.005"


def compare_quality(
    reference: Sequence[float], candidate: Sequence[float], target: QualityTarget | None
) -> QualityComparison:
    """Compare a quality figure block by block; `reference[i]` and `candidate[i]` are the runs of one block.

    - identical: every pair is exactly equal.
    - equivalent: two one-sided t tests at 0.05, that is, the 90 % interval of the mean paired difference lies inside
      +/- margin (Schuirmann 1987). It has precedence: what is tolerable is neither better nor worse.
    - better, worse: the 95 % interval lies wholly on that side of zero.
    - undecided: none of these, fewer than two pairs, or a value that is not a finite number.
    - not_measured: no target or no values.

    Differences that are all the same have no spread, so a t interval of no width however few they are; then the sign
    test is asked instead, which needs 5 pairs at one-sided 0.05 (equivalent) and 6 at two-sided 0.05 (better, worse).

    Returns:
        Means over the pairs, and `low` and `high` of the 95 % interval of the mean difference (None where there is
        none), candidate minus reference in the unit of the metric.

    Raises:
        ValueError: the two are not equally long.
    """
    pairs = list(zip(reference, candidate, strict=True))
    if target is None:
        return QualityComparison(QualityState.NOT_MEASURED)
    if not pairs or not all(math.isfinite(value) for pair in pairs for value in pair):
        state = QualityState.UNDECIDED if pairs else QualityState.NOT_MEASURED
        return QualityComparison(state, target.metric, target.direction, target.margin, blocks=len(pairs))
    differences = [after - before for before, after in pairs]
    low, high = _interval(differences, error=0.05)
    return QualityComparison(
        state=_state(differences, target),
        metric=target.metric,
        direction=target.direction,
        margin=target.margin,
        reference=statistics.fmean(reference),
        candidate=statistics.fmean(candidate),
        difference=statistics.fmean(differences),
        low=low,
        high=high,
        blocks=len(pairs),
    )


def default_target(names: Iterable[str]) -> QualityTarget | None:
    """Choose what to judge when the user did not say; None when no name is known.

    Figures with a known direction only, on test data before others, never on training data: accuracy and its kind
    (more is better, margin 0.005) before losses and errors (less is better, margin 0: their scale is unknown, so
    nothing but an identical or a better result is good enough).
    """
    ranked = sorted((rank, name) for name in set(names) if (rank := _rank(name)) is not None)
    if not ranked:
        return None
    (figure, _), name = ranked[0]
    if figure < len(_FRACTIONS):
        return QualityTarget(name, Direction.MAX, _FRACTION_MARGIN)
    return QualityTarget(name, Direction.MIN, 0.0)


def usual_target(reported: Sequence[Collection[str]]) -> QualityTarget | None:
    """Choose among the figures that every run reported, else among those that some did."""
    somewhere = set[str]().union(*reported)
    return default_target(somewhere.intersection(*reported)) or default_target(somewhere)


def parse_quality(text: str) -> QualityTarget:
    """Read `accuracy`, `accuracy:max` or `accuracy:max:0.005`.

    A direction or margin left out is that of a known figure (see `default_target`); for an unknown figure, or one
    turned the other way round, the margin left out is 0: nothing worse is tolerated.

    Raises:
        UsageError: another form, a direction that is neither max nor min, a margin that is not a number >= 0, or an
            unknown name without direction.
    """
    name, *rest = (part.strip() for part in text.split(":"))
    if not name or len(rest) > 2:
        raise UsageError(f"cannot read the quality target {text!r}", _FORMS)
    known = default_target([name])
    if not rest:
        if known is None:
            raise UsageError(f"nobody knows whether more or less {name!r} is better", f"write {name}:max or {name}:min")
        return known
    if rest[0] not in set(Direction):
        raise UsageError(f"the direction of a quality target is max or min, not {rest[0]!r}", _FORMS)
    direction = Direction(rest[0])
    if len(rest) == 1:
        return known if known and known.direction is direction else QualityTarget(name, direction, 0.0)
    return QualityTarget(name, direction, _margin(rest[1]))


def _margin(text: str) -> float:
    try:
        margin = float(text)
    except ValueError:
        margin = math.nan
    if not 0.0 <= margin < math.inf:
        raise UsageError(f"the margin of a quality target is a number of at least 0, not {text!r}", _FORMS)
    return margin


def _rank(name: str) -> tuple[int, int] | None:
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    figures = _FRACTIONS + _LOSSES
    for order, stage in enumerate(_STAGES):
        figure = plain.removeprefix(f"{stage}_") if stage else plain
        if (figure != plain or not stage) and figure in figures:
            return figures.index(figure), order
    return None


def _state(differences: Sequence[float], target: QualityTarget) -> QualityState:
    if not any(differences):
        return QualityState.IDENTICAL
    low, high = _interval(differences, error=0.10)
    if low is not None and high is not None and -target.margin <= low and high <= target.margin:
        return QualityState.EQUIVALENT
    low, high = _interval(differences, error=0.05)
    if low is None or high is None or low <= 0.0 <= high:
        return QualityState.UNDECIDED
    return QualityState.BETTER if (low > 0.0) == (target.direction is Direction.MAX) else QualityState.WORSE


def _interval(differences: Sequence[float], error: float) -> tuple[float | None, float | None]:
    """Return the two-sided t interval of the mean difference; the sign test's when the differences are all equal."""
    from scipy.special import stdtrit  # noqa: PLC0415 - takes a second to load; reading a --quality must not

    n, mean = len(differences), statistics.fmean(differences)
    if max(differences) - min(differences) <= _ROUNDING * max(map(abs, differences)):
        return (mean, mean) if 2.0 ** (1 - n) <= error else (None, None)
    reach = float(stdtrit(n - 1, 1.0 - error / 2.0)) * statistics.stdev(differences) / math.sqrt(n)
    return mean - reach, mean + reach
