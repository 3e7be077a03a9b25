"""What a plan will cost, as far as earlier runs of the same commands tell."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from wattleak.experiment.design import redacted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.model import Plan, Variant


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
    duration_s = energy_j = 0.0
    unknown: list[str] = []
    for variant in redacted(plan.design).variants:
        alike = [document for document in stored if _is_run_of(variant, document)]
        planned = sum(run.variant == variant.name for run in plan.runs)
        energies = [
            document["attributed_energy_j"]["energy_j"] for document in alike if document["attributed_energy_j"]
        ]
        if not alike:
            unknown.append(variant.name)
            continue
        duration_s += planned * median(document["duration_s"] for document in alike)
        energy_j += planned * median(energies) if energies else 0.0
    rests_s = plan.design.cooldown_s * (len(plan.runs) - 1)
    return Expectation(
        runs=len(plan.runs),
        duration_s=None if unknown else duration_s + rests_s,
        energy_j=None if unknown or not energy_j else energy_j,
        unknown=tuple(unknown),
    )


def _is_run_of(variant: Variant, document: Mapping[str, Any]) -> bool:
    """The same command, and no environment of its own that a stored run could have lacked."""
    if not document["complete"] or list(variant.command) != document["command"]:
        return False
    return not variant.env or document.get("variant") == variant.name
