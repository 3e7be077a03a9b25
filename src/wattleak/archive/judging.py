"""What imported runs say: one comparison for each variant, never graded above observed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.analysis.feasibility import adjusted_level
from wattleak.analysis.quality import default_target
from wattleak.analysis.unpaired import compare_unpaired
from wattleak.analysis.unpaired_quality import compare_unpaired_quality
from wattleak.analysis.verdict import decide, weigh_quality
from wattleak.archive.text import nearest
from wattleak.archive.weaknesses import archive_doubts, follows, pair_doubts, rounding_step, run_order
from wattleak.errors import UsageError
from wattleak.model import Grade, MetricComparison, Origin, PairComparison

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.archive.imported import Archive, RunOrder
    from wattleak.model import QualityTarget

LEVEL = 0.95
_COARSEST = 0.5  # of the median
_MOST_RUNS = 2_000  # of one variant; the shifts of two such groups are four million numbers


@dataclass(frozen=True, slots=True)
class ImportedComparison:
    """The answer of `wattleak import` for runs of several variants."""

    archive: Archive
    pairs: tuple[PairComparison, ...]
    runs: Mapping[str, int]  # by variant, the reference first
    order: RunOrder
    doubts: tuple[str, ...]


def judge(
    archive: Archive,
    *,
    reference: str | None = None,
    metric: str | None = None,
    smallest_effect: float = 0.02,
    quality: QualityTarget | None = None,
) -> ImportedComparison:
    """Compare every variant with the reference, the first one of the files unless another is named.

    Every metric by the Hodges-Lehmann shift of the logarithms with its interval and Brunner and Munzel's test
    (`analysis.unpaired`), at a level adjusted for the number of candidates (Bonferroni). `metric` decides; None: the
    first of the archive.

    Raises:
        UsageError: one variant only, a name that is not there, or so many runs that they cannot be runs.
    """
    variants = list(archive.variants)
    if len(variants) < 2:
        raise UsageError(
            f"all runs are of one variant, {variants[0]!r}: there is nothing to compare",
            "name the column that tells variants apart (--variant-column), or the files: A=FILE B=FILE",
        )
    first = variants[0] if reference is None else reference
    if first not in variants:
        raise UsageError(f"--reference: there is no variant {first!r}", nearest(first, variants))
    primary = archive.metrics[0] if metric is None else metric
    if primary not in archive.metrics:
        raise UsageError(f"--primary: there is no metric {primary!r}", nearest(primary, archive.metrics))
    candidates = [name for name in variants if name != first]
    counts = {name: sum(run.variant == name for run in archive.runs) for name in (first, *candidates)}
    crowded = next((name for name, number in counts.items() if number > _MOST_RUNS), None)
    if crowded is not None:
        raise UsageError(
            f"{crowded!r} has {counts[crowded]:,} rows: these are samples, not runs",
            f"one row a run, at most {_MOST_RUNS:,} of a variant: sum or average the samples of each run first",
        )
    level = adjusted_level(LEVEL, len(candidates))
    order = run_order(archive)
    derived = follows(archive)
    target = quality or default_target(name for run in archive.runs for name in run.quality)
    pairs = []
    for name in candidates:
        metrics = {
            known: compared
            for known in archive.metrics
            if (compared := _compare(archive, known, first, name, level, derived.get(known))) is not None
        }
        result = compare_unpaired_quality(
            archive.quality(first, target.metric) if target else [],
            archive.quality(name, target.metric) if target else [],
            target,
        )
        verdict = weigh_quality(decide(metrics.get(primary), smallest_effect), result.state)
        pairs.append(
            PairComparison(
                reference=first,
                candidate=name,
                verdict=verdict,
                grade=Grade.OBSERVED,
                primary_metric=primary,
                metrics=metrics,
                quality=result,
                level=level,
                smallest_effect=smallest_effect,
                further_blocks=None,
                doubts=pair_doubts(archive, first, name, primary, metrics, result, smallest_effect, level),
            )
        )
    return ImportedComparison(archive, tuple(pairs), counts, order, archive_doubts(archive, order, target))


def _compare(
    archive: Archive, metric: str, reference: str, candidate: str, level: float, derived_from: str | None
) -> MetricComparison | None:
    """None where a side has no value of it: what is missing is absent.

    Two rounded values are each wrong by half a step, so their ratio by a step: the interval is widened by that, and
    where a step is half of the median or more there is none.
    """
    before, after = archive.values(reference, metric), archive.values(candidate, metric)
    if not before or not after:
        return None
    compared = compare_unpaired(metric, before, after, level, origin=Origin.QUOTED, derived_from=derived_from)
    if compared.low is None or compared.high is None:
        return compared
    step = rounding_step([*before, *after])
    if step >= _COARSEST:
        return replace(compared, low=None, high=None)
    return replace(
        compared, low=(1.0 + compared.low) * (1.0 - step) - 1.0, high=(1.0 + compared.high) * (1.0 + step) - 1.0
    )
