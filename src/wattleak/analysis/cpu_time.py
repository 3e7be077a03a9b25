"""CPU-seconds of a tree over a window, and what counting them in ticks at moments leaves open. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from wattleak.analysis.energy import interpolate
from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Sample

TICK_S = 0.01
"""What a CPU time read from /proc may be off by: it is counted in ticks of 10 ms (proc_pid_stat(5), USER_HZ is 100)."""


def cpu_seconds(samples: Sequence[Sample], start_s: float, end_s: float) -> float:
    """CPU-seconds of the tree over a window, linear between samples."""
    times = [sample.time_s for sample in samples]
    totals = [sample.cpu_s for sample in samples]
    return max(0.0, interpolate(times, totals, end_s) - interpolate(times, totals, start_s))


def unseen_seconds(samples: Sequence[Sample], start_s: float, end_s: float) -> float:
    """CPU-seconds that may be missing from `cpu_seconds` over a window, at most."""
    times = [sample.time_s for sample in samples]
    totals = [sample.unseen_s for sample in samples]
    return max(0.0, interpolate(times, totals, end_s) - interpolate(times, totals, start_s))


def cpu_in(samples: Sequence[Sample], stretches: list[tuple[float, float]]) -> Estimate | None:
    """CPU-seconds in the stretches. Their edges lie between samples, and between those only the sum is known."""
    if len(samples) < 2 or not stretches:
        return None
    value_s = error_s = 0.0
    for start_s, end_s in stretches:
        gained_s = cpu_seconds(samples, start_s, end_s)
        value_s += gained_s
        error_s += min(_unknown(samples, start_s) + _unknown(samples, end_s), gained_s) + 2 * TICK_S
    return Estimate(value_s, max(0.0, value_s - error_s), value_s + error_s, Origin.COUNTER)


def _unknown(samples: Sequence[Sample], time_s: float) -> float:
    """By how many CPU-seconds a straight line between the samples around a moment may be wrong."""
    right = bisect_left(samples, time_s, key=lambda sample: sample.time_s)
    if right in (0, len(samples)) or samples[right].time_s == time_s:
        return 0.0
    before, after = samples[right - 1], samples[right]
    share = (time_s - before.time_s) / (after.time_s - before.time_s)
    return max(share, 1 - share) * max(0.0, after.cpu_s - before.cpu_s)
