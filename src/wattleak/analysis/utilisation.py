"""How busy CPUs and devices were over a recording: as a mean of readings, and weighted by time. Pure.

Monitors print the plain mean of their readings. Where readings are not evenly spaced, as when a busy machine delays
some, a long stretch counts there as much as a short one; weighted by the time that each reading tells of, it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.model import Trace


@dataclass(frozen=True, slots=True)
class Utilisation:
    """Fractions from 0 to 1. A CPU's is of all CPUs of the machine, by the recorded tree; a device's by anybody."""

    mean: float  # of the readings
    weighted: float  # by time
    readings: int


def cpu_utilisation(trace: Trace) -> Utilisation | None:
    """Of the process tree over all CPUs of the machine; None for fewer than two samples."""
    parts = [
        (after.time_s - before.time_s, (after.cpu_s - before.cpu_s) / trace.cpus)
        for before, after in pairwise(trace.samples)
        if after.time_s > before.time_s
    ]
    if not parts:
        return None
    mean = sum(busy_s / duration_s for duration_s, busy_s in parts) / len(parts)
    weighted = sum(busy_s for _, busy_s in parts) / sum(duration_s for duration_s, _ in parts)
    return Utilisation(mean, weighted, len(parts))


def device_utilisation(trace: Trace) -> dict[str, Utilisation]:
    """Of each device channel that says how busy it was; a reading tells of the time since the one before."""
    found = {}
    for channel, readings in trace.use.items():
        known = [reading for reading in readings if reading.busy is not None]
        parts = [
            (after.time_s - before.time_s, after.busy)
            for before, after in pairwise(known)
            if after.time_s > before.time_s and after.busy is not None
        ]
        if not parts:
            continue
        mean = sum(busy for _, busy in parts) / len(parts)
        weighted = sum(duration_s * busy for duration_s, busy in parts) / sum(duration_s for duration_s, _ in parts)
        found[channel] = Utilisation(mean, weighted, len(parts))
    return found
