"""Everything that the framework study says of an experiment, in one piece. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.framework_costs import (
    by_energy,
    curve_of,
    epochs_of,
    framework_costs,
    part_changes,
)
from wattleak.analysis.framework_courses import beginnings, courses_of
from wattleak.analysis.price_of_accuracy import common_target, price_of, to_target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.analysis.framework_costs import Epoch, FrameworkCost, PartChange
    from wattleak.analysis.framework_courses import Beginnings
    from wattleak.analysis.price_of_accuracy import Price, ToTarget
    from wattleak.model import Experiment


@dataclass(frozen=True, slots=True)
class Frameworks:
    """Mappings are by candidate, in the order of the design."""

    energy: bool  # joules decide; else CPU-seconds
    costs: tuple[FrameworkCost, ...]
    changes: tuple[PartChange, ...]
    start: Beginnings | None
    epochs: Mapping[str, tuple[Epoch, ...]]
    price: Mapping[str, Price]
    target: float | None  # an accuracy; None: no run counts
    target_stated: bool  # else it is the highest whole point that every run reached
    to_target: Mapping[str, ToTarget]

    @property
    def mixed_devices(self) -> bool:
        """Some worked on an accelerator and some on the CPU: their costs are not those of the frameworks alone."""
        return len({cost.accelerated for cost in self.costs}) > 1


def frameworks_of(experiment: Experiment, target: float | None = None) -> Frameworks:
    """The same experiment gives the same answer. `target`: an accuracy from 0 to 1."""
    energy = by_energy(experiment)
    courses = {name: list(found.values()) for name, found in courses_of(experiment).items()}
    curves = {name: [curve_of(course, energy=energy) for course in found] for name, found in courses.items()}
    aim = common_target([curve for found in curves.values() for curve in found]) if target is None else target
    return Frameworks(
        energy=energy,
        costs=framework_costs(experiment),
        changes=part_changes(experiment),
        start=beginnings(experiment),
        epochs={name: epochs_of(found) for name, found in courses.items()},
        price={name: price_of(found) for name, found in curves.items()},
        target=aim,
        target_stated=target is not None,
        to_target={} if aim is None else {name: to_target(aim, found) for name, found in curves.items()},
    )
