"""A CPU without a counter: CPU-seconds of the tree x the model's watts per busy CPU. Machine size is not in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wattleak.analysis.energy import cpu_seconds, unseen_seconds
from wattleak.analysis.estimates import scaled

if TYPE_CHECKING:
    from wattleak.model import Channel, Estimate, Trace


def of_model(trace: Trace, channel: Channel, watts: Estimate, start_s: float, end_s: float) -> Estimate:
    """Joules above idle of the tree over a window. CPU time that may be missing widens the range."""
    unseen_j = watts.high * unseen_seconds(trace.samples, start_s, end_s)
    seen_j = scaled(watts, cpu_seconds(trace.samples, start_s, end_s))
    return replace(seen_j, high=seen_j.high + unseen_j, origin=channel.origin)
