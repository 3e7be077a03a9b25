"""What a plan will cost, as far as earlier runs of the same commands tell."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from wattleak.experiment.design import redacted
from wattleak.experiment.short_plan import expected_run_s, is_run_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Plan


@dataclass(frozen=True, slots=True)
class Expectation:
    """Sums over all runs of a plan, warm-ups and rests included; None where a variant was never run here."""

    runs: int
    duration_s: float | None
    energy_j: float | None  # attributed
    unknown: tuple[str, ...]  # variants of which no complete run is stored

    def document(self) -> dict[str, Any]:
        return {
            "runs": self.runs,
            "duration_s": self.duration_s,
            "attributed_energy_j": self.energy_j,
            "unknown_variants": list(self.unknown),
        }


def expect(plan: Plan, stored: Sequence[Mapping[str, Any]]) -> Expectation:
    """Medians of the stored complete runs of each variant's command, times its planned runs."""
    short = plan.design.short
    duration_s = energy_j = 0.0
    unknown: list[str] = []
    dark = False  # nobody knows the energy of some variant
    for variant in redacted(plan.design).variants:
        runs = [document for document in stored if is_run_of(variant, document)]
        alike = [document for document in runs if (document.get("planned_end") is not None) == (short is not None)]
        planned = _planned(plan, variant.name)
        lasting_s = _median([run["duration_s"] for run in alike]) if short is None else expected_run_s(short, runs)
        if lasting_s is None:
            unknown.append(variant.name)
            continue
        duration_s += planned * lasting_s
        each_j = _median([run["attributed_energy_j"]["energy_j"] for run in alike if run["attributed_energy_j"]])
        dark = dark or each_j is None
        energy_j += planned * (each_j or 0.0)
    rests_s = plan.design.cooldown_s * (_most_runs(plan) - 1)
    return Expectation(
        runs=_most_runs(plan),
        duration_s=None if unknown else duration_s + rests_s,
        energy_j=None if unknown or dark else energy_j,
        unknown=tuple(unknown),
    )


def _planned(plan: Plan, variant: str) -> int:
    """Runs of a variant at most. Who wins a search is not known: its fresh runs are counted as the reference's."""
    design = plan.design
    if design.search is None:
        return sum(run.variant == variant for run in plan.runs)
    fresh = design.search.confirmations
    race = sum(run.variant == variant and run.block < design.blocks - fresh for run in plan.runs)
    return race + 2 * fresh * (variant == design.variants[0].name)


def _most_runs(plan: Plan) -> int:
    return sum(_planned(plan, variant.name) for variant in plan.design.variants)


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None
