"""CPU-seconds of a tree over a window, and what counting them in ticks at moments leaves open. Pure."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from wattleak.analysis.energy import interpolate
from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Sample, Trace

TICK_S = 0.01
"""What a CPU time read from /proc may be off by: it is counted in ticks of 10 ms (proc_pid_stat(5), USER_HZ is 100)."""
_BESIDE_S = 1.0  # the second beside what no reading covers


def cpu_seconds(samples: Sequence[Sample], start_s: float, end_s: float) -> float:
    """CPU-seconds of the tree over a window, linear between samples."""
    return _rise([sample.time_s for sample in samples], [sample.cpu_s for sample in samples], start_s, end_s)


def unseen_seconds(samples: Sequence[Sample], start_s: float, end_s: float) -> float:
    """CPU-seconds that may be missing from `cpu_seconds` over a window, at most."""
    return _rise([sample.time_s for sample in samples], [sample.unseen_s for sample in samples], start_s, end_s)


def cpu_in(trace: Trace, stretches: Sequence[tuple[float, float]]) -> Estimate | None:
    """CPU-seconds of the tree in the stretches, which do not overlap; None where one of them was not read at all.

    The range holds, for each stretch: what its edges leave open, for between two readings only the sum is known; two
    ticks for each process, for each is cut to ticks by itself; and at its high end what no reading covers, at the rate
    of the second beside it. No stretch holds more than all CPUs of the machine can do.
    """
    times = [sample.time_s for sample in trace.samples]
    totals = [sample.cpu_s for sample in trace.samples]
    if len(times) < 2 or not stretches:
        return None
    value_s = low_s = high_s = 0.0
    for start_s, end_s in stretches:
        if end_s <= times[0] or start_s >= times[-1]:
            return None
        gained_s = _rise(times, totals, start_s, end_s)
        less_s, more_s = _open(times, totals, start_s, end_s)
        processes = max(_processes(trace.samples, times, moment_s) for moment_s in (start_s, end_s))
        ticks_s = 2 * TICK_S * max(1, processes)
        beyond_s = _beyond(times, totals, start_s, end_s)
        most_s = max(gained_s, trace.cpus * (end_s - start_s) + 2 * TICK_S)
        value_s += gained_s
        low_s += max(0.0, gained_s - less_s - ticks_s)
        high_s += min(gained_s + more_s + ticks_s + beyond_s, most_s)
    return Estimate(value_s, low_s, high_s, Origin.COUNTER)


def _rise(times: Sequence[float], totals: Sequence[float], start_s: float, end_s: float) -> float:
    """What a running total gains over a window, linear between readings; never below nothing."""
    return max(0.0, interpolate(times, totals, end_s) - interpolate(times, totals, start_s))


def _open(times: Sequence[float], totals: Sequence[float], start_s: float, end_s: float) -> tuple[float, float]:
    """CPU-seconds by which a straight line between readings may give a window too much, and too little."""
    first, last = _step(times, start_s), _step(times, end_s)
    if first is not None and first == last:
        step_s = max(0.0, totals[first + 1] - totals[first])
        inside_s = step_s * (end_s - start_s) / (times[first + 1] - times[first])
        return inside_s, step_s - inside_s
    too_much_s = too_little_s = 0.0
    for step, edge_s, begins in ((first, start_s, True), (last, end_s, False)):
        if step is not None:
            step_s = max(0.0, totals[step + 1] - totals[step])
            before_s = step_s * (edge_s - times[step]) / (times[step + 1] - times[step])
            inside_s = step_s - before_s if begins else before_s
            too_much_s += inside_s
            too_little_s += step_s - inside_s
    return too_much_s, too_little_s


def _step(times: Sequence[float], time_s: float) -> int | None:
    """Number of the reading before a moment that lies between two; None: it is a moment of reading, or outside."""
    right = bisect_left(times, time_s)
    return None if right in (0, len(times)) or times[right] == time_s else right - 1


def _processes(samples: Sequence[Sample], times: Sequence[float], time_s: float) -> int:
    """Living processes at the reading at a moment or after it."""
    return samples[min(bisect_left(times, time_s), len(samples) - 1)].processes


def _beyond(times: Sequence[float], totals: Sequence[float], start_s: float, end_s: float) -> float:
    """CPU-seconds that may lie in the parts of a window that no reading covers."""
    beside_s = min(_BESIDE_S, times[-1] - times[0])
    if beside_s <= 0:
        return 0.0
    missing = (
        (times[0], times[0] + beside_s, times[0] - start_s),
        (times[-1] - beside_s, times[-1], end_s - times[-1]),
    )
    return sum(
        length_s * (interpolate(times, totals, until_s) - interpolate(times, totals, from_s)) / beside_s
        for from_s, until_s, length_s in missing
        if length_s > 0
    )
