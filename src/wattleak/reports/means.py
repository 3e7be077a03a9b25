"""A mean over runs in a table: value and interval in one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.reports import units

if TYPE_CHECKING:
    from wattleak.analysis.plane import Mean

NOT_MEASURED = "-"


def mean_in_unit(mean: Mean | None, unit: str, *, times: float = 1.0) -> str:
    """`251 ms [227, 277]` for 0.251 s; without an interval where one run gives none; of `times` of it."""
    if mean is None:
        return NOT_MEASURED
    if mean.low is None or mean.high is None:
        return units.quantity(times * mean.value, unit)
    return " ".join(units.interval_in_unit(times * mean.value, times * mean.low, times * mean.high, unit))
