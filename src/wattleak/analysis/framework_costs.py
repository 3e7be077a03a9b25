"""What one course of training cost in each framework: start-up, first step, epochs and inference apart. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.effect import paired_change
from wattleak.analysis.estimates import middle, scaled
from wattleak.analysis.feasibility import adjusted_level
from wattleak.analysis.framework_courses import courses_of
from wattleak.analysis.plane import Candidate, mean_quality
from wattleak.analysis.price_of_accuracy import Curve
from wattleak.analysis.stretches import Stretch, together
from wattleak.model import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wattleak.analysis.effect import Change
    from wattleak.analysis.framework_courses import Course
    from wattleak.analysis.plane import Mean
    from wattleak.model import Carbon, Experiment

_J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class FrameworkCost:
    """One candidate: medians over the runs that count, energies with the range of their reading."""

    name: str
    runs: int
    accelerated: bool
    accuracy: Mean  # over runs
    auc: float | None
    start_up: Stretch | None
    first_step: Stretch
    training: Stretch  # the epochs, first step apart
    inference: Stretch  # of one image
    carbon_per_inference_g: Estimate | None
    energy_per_point_j: Estimate | None  # of training, over 100 times the accuracy
    cpu_per_point_s: float


@dataclass(frozen=True, slots=True)
class Epoch:
    """A point of the curve: what the epochs up to this one cost (first step and start-up apart), the accuracy then."""

    epoch: int
    cpu_s: float
    energy_j: Estimate | None
    accuracy: Mean


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part of the work, candidate over reference: where a difference comes from. No verdict."""

    candidate: str
    part: str
    change: Change


def framework_costs(experiment: Experiment) -> tuple[FrameworkCost, ...]:
    """One entry for each candidate with a run that counts, in the order of the design."""
    aucs = _aucs(experiment)
    return tuple(
        _cost(name, list(courses.values()), aucs.get(name)) for name, courses in courses_of(experiment).items()
    )


def epochs_of(courses: Sequence[Course]) -> tuple[Epoch, ...]:
    """The curve of one candidate: medians of the costs, mean of the accuracies."""
    found = []
    for epoch in range(1, min(len(course.epochs) for course in courses) + 1):
        parts = [together(course.epochs[:epoch]) for course in courses]
        accuracies = {number: course.accuracies[epoch - 1] for number, course in enumerate(courses)}
        found.append(
            Epoch(
                epoch,
                statistics.median(part.cpu_s for part in parts),
                middle([part.energy_j for part in parts]),
                mean_quality(Candidate("", {}, accuracies), 0.95),
            )
        )
    return tuple(found)


def by_energy(experiment: Experiment) -> bool:
    """Whether joules decide (they were counted, so the plan's metric is one of energy) or CPU-seconds do."""
    if "energy" not in experiment.plan.design.metric:
        return False
    every = [course for courses in courses_of(experiment).values() for course in courses.values()]
    parts = [part for course in every for part in (course.first_step, *course.epochs, course.inference)]
    return all(part.energy_j is not None for part in parts)


def curve_of(course: Course, *, energy: bool) -> Curve:
    """One run in the unit that decides."""
    costs = tuple(accumulate(_amount(part, energy=energy) for part in course.epochs))
    before = None
    if course.start_up is not None and not (energy and course.start_up.energy_j is None):
        before = _amount(course.start_up, energy=energy) + _amount(course.first_step, energy=energy)
    return Curve(costs, course.accuracies, before)


def part_changes(experiment: Experiment) -> tuple[PartChange, ...]:
    """Every candidate against the reference: start-up, first step, training and inference, each by itself."""
    found = courses_of(experiment)
    reference, *candidates = (variant.name for variant in experiment.plan.design.variants)
    if reference not in found or not candidates:
        return ()
    level = adjusted_level(experiment.plan.design.level, len(candidates))
    energy = by_energy(experiment)
    changes = []
    for name in (name for name in candidates if name in found):
        blocks = sorted(found[reference].keys() & found[name].keys())
        for part, take in _PARTS.items():
            pairs = [(take(found[reference][block]), take(found[name][block])) for block in blocks]
            known = [(before, after) for before, after in pairs if before is not None and after is not None]
            if len(known) < len(pairs) or not pairs:
                continue
            before, after = ([_amount(side, energy=energy) for side in sides] for sides in zip(*known, strict=True))
            if min(*before, *after) > 0:
                changes.append(PartChange(name, part, paired_change(before, after, level, test=False)))
    return tuple(changes)


_PARTS: dict[str, Callable[[Course], Stretch | None]] = {
    "start-up": lambda course: course.start_up,
    "first step": lambda course: course.first_step,
    "training": lambda course: together(course.epochs),
    "inference": lambda course: course.inference,
}


def _cost(name: str, courses: Sequence[Course], auc: float | None) -> FrameworkCost:
    points = [100 * course.accuracies[-1] for course in courses]
    training = [together(course.epochs) for course in courses]
    inference = [_over(course.inference, course.inferences) for course in courses]
    start_up = [course.start_up for course in courses if course.start_up is not None]
    return FrameworkCost(
        name=name,
        runs=len(courses),
        accelerated=any(course.accelerated for course in courses),
        accuracy=mean_quality(Candidate("", {}, dict(enumerate(course.accuracies[-1] for course in courses))), 0.95),
        auc=auc,
        start_up=_medians(start_up) if len(start_up) == len(courses) else None,
        first_step=_medians([course.first_step for course in courses]),
        training=_medians(training),
        inference=_medians(inference),
        carbon_per_inference_g=middle(
            [_carbon(part.energy_j, course.carbon) for part, course in zip(inference, courses, strict=True)]
        ),
        energy_per_point_j=middle(
            [_over(part, count).energy_j if count else None for part, count in zip(training, points, strict=True)]
        ),
        cpu_per_point_s=statistics.median(
            part.cpu_s / count if count else float("inf") for part, count in zip(training, points, strict=True)
        ),
    )


def _aucs(experiment: Experiment) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for block in counting_blocks(experiment):
        for name, run in block.runs.items():
            if "auc" in run.measurement.quality:
                found.setdefault(name, []).append(run.measurement.quality["auc"])
    return {name: statistics.median(values) for name, values in found.items()}


def _over(part: Stretch, count: float) -> Stretch:
    energy = None if part.energy_j is None else scaled(part.energy_j, 1 / count)
    return Stretch(part.duration_s / count, part.cpu_s / count, energy)


def _medians(parts: Sequence[Stretch]) -> Stretch:
    return Stretch(
        statistics.median(part.duration_s for part in parts),
        statistics.median(part.cpu_s for part in parts),
        middle([part.energy_j for part in parts]),
    )


def _carbon(energy: Estimate | None, run: Carbon | None) -> Estimate | None:
    """Emissions of a part, by the intensity and PUE that the run was booked with; its ends multiply, too."""
    if energy is None or run is None:
        return None
    low, value, high = (
        run.pue * grams / _J_PER_KWH for grams in (run.intensity_low, run.intensity_g_per_kwh, run.intensity_high)
    )
    return Estimate(energy.value * value, energy.low * low, energy.high * high, energy.origin)


def _amount(part: Stretch, *, energy: bool) -> float:
    if not energy:
        return round(part.cpu_s, 6)  # differences of clocks that tick in ms: what lies below is the arithmetic's
    assert part.energy_j is not None
    return part.energy_j.value
