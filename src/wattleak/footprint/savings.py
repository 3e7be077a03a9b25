"""What changes of one program come to: joules of a run, and a thousand runs or a year of a fleet, by the projection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wattleak.footprint.changes import relative, whole_scenario
from wattleak.footprint.outlook import project
from wattleak.model import Estimate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.footprint.inputs import Input
    from wattleak.footprint.projected import Amounts, Projection
    from wattleak.footprint.scenario import Work

_JOULES = 3.6e6  # in a kWh
_RUNS = 1000  # that the amounts are of where nobody says how many there are in a day


@dataclass(frozen=True, slots=True)
class Saving:
    """What one change does: after minus before, so that a saving is negative."""

    run_j: Estimate  # of the program, without its building
    fleet: Amounts


@dataclass(frozen=True, slots=True)
class Savings:
    """What several changes do, each alone."""

    by_name: Mapping[str, Saving]
    of: str  # "1,000 runs", "a year of 5000 runs a day"
    places: tuple[str, ...]
    has_building: bool  # whether a PUE was stated
    currency: str


def savings(
    work: Work, changes: Mapping[str, Input], place: Mapping[str, Any], runs_per_day: str | None, seed: int = 0
) -> Savings:
    """Project relative changes of the energy of `work`, the reference.

    Args:
        work: energy of a run of the reference.
        changes: fractions, candidate over reference minus one, by name.
        place: where it runs, as keys of a scenario: region, pue, price, wue, grid_water.
        runs_per_day: as `jobs-per-day` of a scenario; None: the amounts are of 1,000 runs.
        seed: of the draws.

    Raises:
        UsageError: `runs_per_day` is no number, or the place is unknown.
    """
    wanted = {"saving": [relative(name, change) for name, change in changes.items()], "job": work}
    one = _effects({**wanted, "jobs_per_day": 1}, seed)[0]
    fleet, projection = _effects({**place, **wanted, "jobs_per_day": runs_per_day or _RUNS}, seed)
    scenario = projection.scenario
    found = {}
    for name in changes:
        day = one[name].day.energy_kwh
        per_run = Estimate(day.value * _JOULES, day.low * _JOULES, day.high * _JOULES, day.origin)
        found[name] = Saving(per_run, fleet[name].day if runs_per_day is None else fleet[name].year)
    return Savings(
        found,
        f"{_RUNS:,} runs" if runs_per_day is None else f"a year of {runs_per_day} runs a day",
        tuple(each.region for each in scenario.places),
        scenario.pue is not None,
        scenario.currency,
    )


def _effects(table: Mapping[str, Any], seed: int) -> tuple[Mapping[str, Any], Projection]:
    projection = project(whole_scenario("runs", table), seed)
    return {effect.name: effect for effect in projection.effects}, projection
