"""What an experiment itself cost: all that was run for it, warm-ups, failures and the reference program included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.documents.meters import estimate_document
from wattleak.model import Estimate

if TYPE_CHECKING:
    from wattleak.documents.head import Document
    from wattleak.model import Experiment, Origin


@dataclass(frozen=True, slots=True)
class OwnCost:
    """Sums over runs. Energies of different origin are never added; `unknown` runs have none."""

    runs: int
    duration_s: float
    cpu_s: float
    energy_j: tuple[Estimate, ...]  # attributed; one for each origin
    unknown: int  # runs without an energy


def own_cost(experiment: Experiment) -> OwnCost:
    """Summed over every run that was made."""
    measurements = [run.measurement for run in experiment.runs]
    by_origin: dict[Origin, list[Estimate]] = {}
    for measurement in measurements:
        if (energy := measurement.attributed_energy_j) is not None:
            by_origin.setdefault(energy.origin, []).append(energy)
    return OwnCost(
        runs=len(measurements),
        duration_s=sum(measurement.duration_s for measurement in measurements),
        cpu_s=sum(measurement.cpu_s for measurement in measurements),
        energy_j=tuple(
            Estimate(sum(e.value for e in found), sum(e.low for e in found), sum(e.high for e in found), origin)
            for origin, found in by_origin.items()
        ),
        unknown=sum(measurement.attributed_energy_j is None for measurement in measurements),
    )


def own_cost_document(experiment: Experiment) -> Document:
    cost = own_cost(experiment)
    return {
        "runs": cost.runs,
        "duration_s": cost.duration_s,
        "cpu_s": cost.cpu_s,
        "energy_j": [estimate_document(energy) for energy in cost.energy_j],
        "unknown_runs": cost.unknown,
    }
