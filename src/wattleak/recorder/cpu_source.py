"""Which clock tells the CPU time of a recording: the process tree's, or that of a control group of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Sample

_TICKS_S = 0.05  # what the tree's clock, which ticks in 10 ms for each process, may be ahead of an exact one


def by_best_clock(
    samples: Sequence[Sample], by_group: Sequence[float | None], group: dict[str, Any] | None
) -> tuple[list[Sample], str | None]:
    """The samples with the group's CPU time, and a sentence about it, if that clock held to the end; else as they are.

    The tree's clock never counts what is not ours. So a group that shows less than it has lost a process to another
    group, and is not believed either.
    """
    known = [used_s for used_s in by_group if used_s is not None]
    if group is None or group["why_not"] is not None or not samples or len(known) < len(samples):
        return list(samples), None
    if known[-1] < samples[-1].cpu_s - _TICKS_S - 0.01 * samples[-1].cpu_s:
        return list(samples), None
    more_s = known[-1] - samples[-1].cpu_s
    note = f"CPU time by the clock of the control group {group['path']}, which held this run alone"
    if more_s > _TICKS_S:
        note += f" ({more_s:.2f} CPU-seconds are of processes that the process tree did not show)"
    rising = accumulate(known, max)
    return [replace(sample, cpu_s=used_s) for sample, used_s in zip(samples, rising, strict=True)], note
