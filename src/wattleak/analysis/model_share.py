"""A CPU without a counter: CPU-seconds of the tree x the model's watts per busy CPU. Machine size is not in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.analysis.cpu_time import cpu_in, unseen_seconds
from wattleak.analysis.estimates import around

if TYPE_CHECKING:
    from wattleak.model import Channel, Estimate, Trace


def of_model(trace: Trace, channel: Channel, watts: Estimate, start_s: float, end_s: float) -> Estimate | None:
    """Joules above idle of the tree over a window; None where its CPU time was not read twice.

    The range holds that of the watts and that of the CPU time (`cpu_in`), and at its high end CPU time that may be
    missing.
    """
    busy_s = cpu_in(trace, [(start_s, end_s)])
    if busy_s is None:
        return None
    most_s = busy_s.high + unseen_seconds(trace.samples, start_s, end_s)
    return around(busy_s.value * watts.value, busy_s.low * watts.low, most_s * watts.high, channel.origin)
