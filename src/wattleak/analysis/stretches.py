"""Parts of a run put together: what spans cost the process tree. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.estimates import summed_if_all_known

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Estimate, SpanCost


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a part of a run cost the process tree. `energy_j` is None where nothing can be attributed."""

    duration_s: float
    cpu_s: float
    energy_j: Estimate | None


def of_span(span: SpanCost) -> Stretch:
    return Stretch(span.duration_s, span.cpu_s, span.attributed_energy_j)


def together(parts: Sequence[Stretch]) -> Stretch:
    """Their sum; its energy is known where that of every part is."""
    return Stretch(
        sum(part.duration_s for part in parts),
        sum(part.cpu_s for part in parts),
        summed_if_all_known([part.energy_j for part in parts]),
    )
