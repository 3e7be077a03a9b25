"""What imported runs cannot carry: their order, drift, values that follow each other, steps of rounding.

Nothing is ever dropped by its value; what stands out is named, and counts.
"""

from __future__ import annotations

import math
import statistics
from itertools import count, groupby, pairwise
from typing import TYPE_CHECKING

from scipy.stats import kendalltau

from wattleak.archive.imported import RunOrder
from wattleak.model import QualityState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wattleak.archive.imported import Archive
    from wattleak.model import MetricComparison, QualityComparison, QualityTarget

_DRIFT_P = 0.01
_FEWEST_FOR_A_TREND = 5
_FEWEST_TO_FOLLOW = 5
_FOLLOWS_WITHIN = 0.02  # standard deviation of the log ratio of two figures, of which one then follows the other
_FOLLOWS_SHARE = 0.25  # and that is at most this share of how much the figure itself varies
_ODD_SCORE = 3.5  # modified z-score by the median deviation (Iglewicz and Hoaglin 1993); to be named, not to be dropped
_ODD_SHARE = 0.10  # and so far from the median that anybody would look twice
_DERIVES_FROM = {"j": "s", "g": "js"}  # grams may follow joules or seconds, joules may follow seconds


def run_order(archive: Archive) -> RunOrder:
    """How the variants follow each other in the order that is known."""
    if archive.order_known_by is None:
        return RunOrder.UNKNOWN
    stretches = [name for name, _ in groupby(run.variant for run in archive.runs)]
    if len(stretches) == len(archive.variants):
        return RunOrder.SEQUENTIAL
    return RunOrder.MIXED


def archive_doubts(archive: Archive, order: RunOrder, target: QualityTarget | None) -> tuple[str, ...]:
    """What holds for the runs as a whole."""
    return (*_order(archive, order), *archive.doubts, *_constants(archive), *_same_quality(archive, target))


def pair_doubts(
    archive: Archive,
    reference: str,
    candidate: str,
    primary: str,
    metrics: Mapping[str, MetricComparison],
    quality: QualityComparison,
    smallest_effect: float,
    level: float,
) -> tuple[str, ...]:
    """What holds for one candidate and the reference; the primary metric first."""
    # What follows another figure would only say everything twice.
    independent = (name for name in metrics if name == primary or metrics[name].derived_from is None)
    names = sorted(independent, key=lambda name: name != primary)
    return (
        *_missing(archive, reference, candidate, primary, metrics),
        *_few(archive, reference, candidate, primary, level),
        *(text for name in names for side in (reference, candidate) for text in _drift(archive, side, name)),
        *(text for name in names for side in (reference, candidate) for text in _odd(archive, side, name)),
        *(text for name in names for text in _steps(archive, (reference, candidate), name, smallest_effect)),
        *_quality(quality),
    )


def follows(archive: Archive) -> dict[str, str]:
    """Which metric is another one times a constant: energy that was watts x time, CO2 that was energy x a factor.

    The ratio of the two varies by at most 2 % over all runs (standard deviation of its logarithm), and within the
    variants at most a quarter as much as the figure itself, so that every whim of the one is in the other: such a
    figure adds no evidence. A meter with a noise of its own is not meant, even where the power hardly changes.
    """
    found = {}
    for name in archive.metrics:
        for ending in _DERIVES_FROM.get(name.rpartition("_")[2], ""):
            others = [other for other in archive.metrics if other.endswith(f"_{ending}") and other != name]
            ratios = [(spread, other) for other in others if (spread := ratio_spread(archive, name, other)) is not None]
            if ratios and name not in found:
                spread, other = min(ratios)
                if spread <= _FOLLOWS_WITHIN and _moves_along(archive, name, other):
                    found[name] = other
    return found


def rounding_step(values: list[float]) -> float:
    """By what share of their median values were rounded; 0 where no rounding shows, infinite where all are the same.

    Rounding shows where no more than half of the values are different: the step is the least distance of two of them.
    """
    distinct = sorted(set(values))
    middle = statistics.median(values)
    if len(values) < _FEWEST_FOR_A_TREND or middle <= 0.0 or len(distinct) > len(values) / 2:
        return 0.0
    if len(distinct) == 1:
        return math.inf
    return min(after - before for before, after in pairwise(distinct)) / middle


def ratio_spread(archive: Archive, name: str, other: str) -> float | None:
    """Standard deviation of ln(name / other) over the runs that have both; None where it cannot be said."""
    ratios = [
        run.values[name] / run.values[other]
        for run in archive.runs
        if run.values.get(name, 0.0) > 0.0 and run.values.get(other, 0.0) > 0.0
    ]
    both = sum(name in run.values and other in run.values for run in archive.runs)
    return _log_spread(ratios) if both == len(ratios) >= _FEWEST_TO_FOLLOW else None


# -- inside ----------------------------------------------------------------------------------------------------------


def _order(archive: Archive, order: RunOrder) -> Iterator[str]:
    if order is RunOrder.UNKNOWN:
        yield "the files do not say in which order the runs were made: a drift cannot be told from an effect"
    elif order is RunOrder.SEQUENTIAL:
        names = ", then all of ".join(archive.variants)
        yield (
            f"sequential order (by {archive.order_known_by}): all runs of {names}. Whatever else changed between them, "
            "the temperature, another program, a cache, another day, cannot be told from what the variant does"
        )
    else:
        yield (
            f"the variants alternate (by {archive.order_known_by}); whether chance chose the order, and whether "
            "anything between runs was kept the same, the files do not say"
        )


def _constants(archive: Archive) -> Iterator[str]:
    """Energy that was booked as time times a fixed power says nothing that time does not say."""
    for name, other in follows(archive).items():
        if name.endswith("_j") and other.endswith("_s"):
            both = [run.values[name] / run.values[other] for run in archive.runs if {name, other} <= run.values.keys()]
            spread = ratio_spread(archive, name, other)
            assert spread is not None
            yield (
                f"{name} is {other} times {statistics.median(both):.3g} W within {100 * spread:.2g} % (standard "
                "deviation over the runs): a constant power was booked, and this energy is time in another unit"
            )


def _missing(
    archive: Archive, reference: str, candidate: str, primary: str, metrics: Mapping[str, MetricComparison]
) -> Iterator[str]:
    for name in archive.metrics:
        sides = [(side, len(archive.values(side, name))) for side in (reference, candidate)]
        runs = {side: sum(run.variant == side for run in archive.runs) for side, _ in sides}
        lacking = [f"{count} of {runs[side]} runs of {side}" for side, count in sides if count < runs[side]]
        if lacking and (name in metrics or name == primary):
            yield f"{name} was recorded in {' and '.join(lacking)}"
        found = metrics.get(name)
        if found is not None and found.change is None:
            yield f"{name} is zero or less in some run: there is no ratio, and no change is given"


def _few(archive: Archive, reference: str, candidate: str, primary: str, level: float) -> Iterator[str]:
    """Too few for an interval: the most extreme of all orders is more likely than the error."""
    first, second = (len(archive.values(side, primary)) for side in (reference, candidate))
    error = (1.0 - level) * (1.0 + 1e-9)  # 1 - 0.95 is not 0.05
    if 2 / math.comb(first + second, first) > error:
        least = next(n for n in count(2) if 2 / math.comb(2 * n, n) <= error)
        yield f"{first} and {second} runs are too few for an interval at this level: {least} of each are the least"


def _drift(archive: Archive, variant: str, metric: str) -> Iterator[str]:
    """Kendall's tau against the place in the order: runs that drift are no repetitions of one thing."""
    values = archive.values(variant, metric)
    if archive.order_known_by is None or len(values) < _FEWEST_FOR_A_TREND or len(set(values)) < 2:
        return
    result = kendalltau(range(len(values)), values)
    if result.pvalue < _DRIFT_P:
        way = "rises" if result.statistic > 0 else "falls"
        yield (
            f"{metric} {way} from run to run within {variant} (Kendall tau = {result.statistic:+.2f}, "
            f"p = {result.pvalue:.1g}): the runs are not repetitions of one thing"
        )


def _odd(archive: Archive, variant: str, metric: str) -> Iterator[str]:
    runs = [run for run in archive.runs if run.variant == variant and run.values.get(metric, 0.0) > 0.0]
    logs = [math.log(run.values[metric]) for run in runs]
    if len(logs) < _FEWEST_FOR_A_TREND:
        return
    middle = statistics.median(logs)
    deviation = statistics.median(abs(value - middle) for value in logs)
    if deviation == 0.0:
        return
    odd = [
        f"{run.place} is {math.exp(value - middle):.2f} times the median"
        for run, value in zip(runs, logs, strict=True)
        if abs(value - middle) > max(_ODD_SHARE, _ODD_SCORE * deviation / 0.6745)
    ]
    if odd:
        yield f"{metric} of {variant}: {'; '.join(odd)}. It counts: nothing is dropped by its value"


def _steps(archive: Archive, sides: tuple[str, str], metric: str, smallest_effect: float) -> Iterator[str]:
    """Figures that were rounded so coarsely that the steps are larger than what is asked."""
    values = [value for side in sides for value in archive.values(side, metric)]
    step = rounding_step(values)
    if step == math.inf:
        yield f"{metric} is {values[0]:.4g} in every run: rounded, or never measured; it is not judged"
    elif step > smallest_effect:
        yield (
            f"{metric} was written in steps of {100 * step:.0f} % of its median ({len(set(values))} different values "
            f"in {len(values)} runs): smaller differences are not in the file, and the interval is widened by one step"
        )


def _same_quality(archive: Archive, target: QualityTarget | None) -> Iterator[str]:
    if target is None:
        yield "the files say nothing of how good the results are: a cheaper result may be a worse one"
        return
    values = [run.quality[target.metric] for run in archive.runs if target.metric in run.quality]
    if len(values) < len(archive.runs):
        yield f"{target.metric} was recorded in {len(values)} of {len(archive.runs)} runs"
    if len(values) > 2 and len(set(values)) == 1:
        yield (
            f"{target.metric} is {values[0]:g} in every run: with one seed for all, the runs repeat one training, "
            "and say nothing of another seed"
        )


def _quality(quality: QualityComparison) -> Iterator[str]:
    if quality.state is QualityState.WORSE:
        yield f"{quality.metric} is worse: the two variants did not do the same work equally well"


def _moves_along(archive: Archive, name: str, other: str) -> bool:
    """Whether, within the variants, the ratio of the two varies far less than the figure."""
    own: list[float] = []
    ratios: list[float] = []
    for variant in archive.variants:
        runs = [run.values for run in archive.runs if run.variant == variant and {name, other} <= run.values.keys()]
        for spread, logs in (
            (own, [math.log(values[name]) for values in runs]),
            (ratios, [math.log(values[name] / values[other]) for values in runs]),
        ):
            if logs:
                middle = statistics.fmean(logs)
                spread += [value - middle for value in logs]
    return any(own) and math.hypot(*ratios) <= _FOLLOWS_SHARE * math.hypot(*own)


def _log_spread(values: list[float]) -> float | None:
    if len(values) < 2 or not all(value > 0.0 for value in values):
        return None
    return statistics.stdev(math.log(value) for value in values)
