"""The studies of all smells in all frameworks, side by side: which smell costs what, and which costs nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.model import Comparison, Experiment, MetricComparison, PairComparison


@dataclass(frozen=True, slots=True)
class Entry:
    """One smell in one framework: its finished study, or why there is none."""

    smell: str  # its name
    code: str
    framework: str
    experiment: Experiment | None = None
    comparison: Comparison | None = None
    absent_because: str = ""

    @property
    def pair(self) -> PairComparison | None:
        """The bad program against the good one."""
        return None if self.comparison is None else self.comparison.pairs[0]

    @property
    def primary(self) -> MetricComparison | None:
        """The metric that decided."""
        return None if self.pair is None else self.pair.metrics.get(self.pair.primary_metric)


def ranked(entries: Iterable[Entry]) -> list[Entry]:
    """The dearest first, by the change of the primary metric; what has no change comes last, by its name."""

    def key(entry: Entry) -> tuple[float, str, str]:
        change = None if entry.primary is None else entry.primary.change
        return (math.inf if change is None else -change, entry.smell, entry.framework)

    return sorted(entries, key=key)
