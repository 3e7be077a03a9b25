"""The energy of one piece of work from recorded runs: what the program used, with both of its uncertainties apart.

How much runs differ narrows with their number; how far the meter (or the model) may be off is the same in all of them
and never narrows. They are two inputs of a projection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import MeasurementError
from wattleak.footprint.inputs import Input, mean_of_runs
from wattleak.footprint.scenario import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Measurement


def work_of(key: str, measurements: Sequence[Measurement], source: str) -> Work:
    """Mean attributed energy of some runs of one program.

    Raises:
        MeasurementError: no run is complete, or one has no energy attributed to it, or not of the same origin.
    """
    complete = [run for run in measurements if run.complete and run.exit_code in {0, None}]
    if not complete:
        raise MeasurementError(f"{key}: {source} has no complete run that ended well", "see them: wattleak list")
    if short := next((run.planned_end for run in complete if run.planned_end is not None), None):
        raise MeasurementError(
            f"{key}: {source}: a plan ended these runs {short}: they are parts of a job",
            "project runs that went to their end, or state the energy of one: --job '15 Wh'",
        )
    energies = [run.attributed_energy_j for run in complete if run.attributed_energy_j is not None]
    if len(energies) < len(complete):
        raise MeasurementError(
            f"{key}: {source}: no energy was attributed to the program in every run",
            "wattleak doctor says which meters are missing; or state an energy: --job '15 Wh'",
        )
    origins = {energy.origin for energy in energies}
    if len(origins) > 1:
        names = ", ".join(sorted(origin.value for origin in origins))
        raise MeasurementError(
            f"{key}: {source}: energies of several origins ({names}) have no mean", "name runs of one"
        )
    if min(energy.value for energy in energies) <= 0:
        raise MeasurementError(f"{key}: {source}: a run shows no energy", "runs must last long enough to be read")
    (origin,) = origins
    low = sum(energy.low / energy.value for energy in energies) / len(energies)
    high = sum(energy.high / energy.value for energy in energies) / len(energies)
    meter = Input(
        f"how far the {origin.value} energy may be off", 1.0, low, high, origin=origin, source="range of the readings"
    )
    mean = mean_of_runs(key, [energy.value for energy in energies], origin, source)
    return Work(mean, None if meter.is_exact else meter, runs=len(energies))
