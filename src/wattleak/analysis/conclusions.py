"""The conclusion matrix of a factorial experiment: one line for each measure, for all together, and for the best. Pure.

A measure alone is its main effect. All together, and the best combination, are not put together from main effects: they
are variants that were run, each with the interval of a candidate against the reference, which holds for all candidates
at once, so the best may be picked after the fact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.model import QualityState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.effect import Change
    from wattleak.analysis.factorial import Effect, Factorial
    from wattleak.model import Comparison, Experiment, Grade, MetricComparison, PairComparison, QualityComparison

ONE, ALL, BEST = "main effect", "all together", "best at equal quality"
_KEPT = frozenset({QualityState.IDENTICAL, QualityState.EQUIVALENT, QualityState.BETTER})
_SHOWN = frozenset({Verdict.SAVING, Verdict.COSTS_MORE})


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One line: what is done, and what comes of it against the reference."""

    name: str
    what: str  # ONE, ALL or BEST
    changes: Mapping[str, Change | MetricComparison]  # by metric
    verdict: Verdict
    grade: Grade
    further_blocks: int | None
    quality: QualityComparison
    level: float  # of the intervals
    depends_on: tuple[str, ...] = ()  # factors that it is shown to interact with

    @property
    def label(self) -> str:
        """What is done; and what the line is of, where it is no single measure. No two lines have the same."""
        return self.name if self.what == ONE else f"{self.what}: {self.name}"


def conclusions(experiment: Experiment, comparison: Comparison, found: Factorial) -> tuple[Conclusion, ...]:
    """The lines of the matrix, single measures first."""
    lines = [_of_effect(effect, found) for effect in found.main]
    reference = experiment.plan.design.variants[0].levels
    names = {
        variant.name: ", ".join(
            f"{name} {reference[name]} → {level}" for name, level in variant.levels.items() if level != reference[name]
        )
        for variant in experiment.plan.design.variants
    }
    moved = {effect.steps[0].factor for effect in found.main}
    everything = next(
        (
            variant.name
            for variant in experiment.plan.design.variants
            if all(variant.levels[factor] != reference[factor] for factor in moved)
        ),
        None,
    )
    pairs = {pair.candidate: pair for pair in comparison.pairs}
    if everything in pairs and len(moved) == len(found.main):  # two levels each: there is one "all"
        lines.append(_of_pair(pairs[everything], ALL, names[everything]))
    best = best_kept(comparison.pairs)
    if best is not None and best.candidate != everything:
        lines.append(_of_pair(best, BEST, names[best.candidate]))
    return tuple(lines)


def best_kept(pairs: Sequence[PairComparison]) -> PairComparison | None:
    """The candidate that saves most and whose quality is shown to be kept; None when there is none."""
    saving = {
        pair.candidate: change
        for pair in pairs
        if pair.verdict is Verdict.SAVING
        and pair.quality.state in _KEPT
        and (change := pair.metrics[pair.primary_metric].change) is not None
    }
    return min((pair for pair in pairs if pair.candidate in saving), key=lambda p: saving[p.candidate], default=None)


def _of_effect(effect: Effect, found: Factorial) -> Conclusion:
    (step,) = effect.steps
    others = [
        other.factor
        for one in found.interactions
        if one.verdict in _SHOWN and step in one.steps
        for other in one.steps
        if other != step
    ]
    return Conclusion(
        name=effect.name,
        what=ONE,
        changes={name: item.change for name, item in effect.metrics.items()},
        verdict=effect.verdict,
        grade=effect.grade,
        further_blocks=effect.further_blocks,
        quality=effect.quality,
        level=effect.level,
        depends_on=tuple(others),
    )


def _of_pair(pair: PairComparison, what: str, name: str) -> Conclusion:
    return Conclusion(
        name=name,
        what=what,
        changes=pair.metrics,
        verdict=pair.verdict,
        grade=pair.grade,
        further_blocks=pair.further_blocks,
        quality=pair.quality,
        level=pair.level,
    )
