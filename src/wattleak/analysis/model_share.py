"""A CPU without a counter: CPU-seconds of the tree x the model's watts per busy CPU. Machine size is not in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wattleak.analysis.energy import cpu_seconds
from wattleak.analysis.estimates import scaled

if TYPE_CHECKING:
    from wattleak.model import Channel, Estimate, Trace


def of_model(trace: Trace, channel: Channel, watts: Estimate, start_s: float, end_s: float) -> Estimate:
    """Joules above idle of the tree over a window."""
    return replace(scaled(watts, cpu_seconds(trace.samples, start_s, end_s)), origin=channel.origin)
