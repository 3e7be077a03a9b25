"""Ranks of one distributed training: which processes they are, and what they did alike told once.

A rank is the first Python that began with the number a launcher gives (torchrun, accelerate, mpirun, srun). What it
starts inherits the variables and is part of it; the launcher itself has none, or is numbered in a smaller world (srun
around torchrun).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wattleak.model import Evidence
    from wattleak.signals import Process, Signals

_NAMED = 8  # ranks, one by one in a sentence


def ranks_of(signals: Signals) -> dict[int, Process]:
    """The process of each rank that had an agent inside; {}: it is no distributed program."""
    worlds = [process.world for process in signals.processes if process.world is not None]
    numbered = [
        process for process in signals.processes if process.rank is not None and process.world == max(worlds, default=0)
    ]
    found: dict[int, Process] = {}
    for process in sorted(numbered, key=lambda process: process.born_s or 0.0, reverse=True):
        found[process.rank or 0] = process  # the first to begin is kept
    return dict(sorted(found.items()))


def rank_of_pid(signals: Signals, ranks: Mapping[int, Process]) -> dict[int, int]:
    """Process id -> rank, of the ranks and of everything below them."""
    found = {process.pid: rank for rank, process in ranks.items() if process.pid is not None}
    above = {process.pid: process.parent or process.started_by for process in signals.processes}
    for pid in above:
        if pid is None:
            continue
        seen: set[int] = set()
        at: int | None = pid
        while at is not None and at not in seen and at not in found:
            seen.add(at)
            at = above.get(at)
        if at in found:
            found[pid] = found[at]
    return found


def told_once(evidence: Sequence[Evidence], signals: Signals) -> list[Evidence]:
    """Evidence of one place and counter that several ranks gave, as that of the rank which it cost most.

    Costs are not added up: ranks work at the same time, and wait for each other.
    """
    ranks = rank_of_pid(signals, ranks_of(signals))
    if len(set(ranks.values())) < 2:
        return list(evidence)
    alike: dict[tuple[str, str | None, int | None, str], list[Evidence]] = {}
    for item in evidence:
        alike.setdefault((item.code, item.path, item.line, item.counter), []).append(item)
    found = []
    for items in alike.values():
        seen_in = sorted({ranks[item.pid] for item in items if item.pid in ranks})
        if len(seen_in) < 2:
            found += items
            continue
        worst = max(items, key=lambda item: (item.pid in ranks, item.cost_s or 0.0, item.value))
        found.append(
            replace(worst, message=f"{worst.message} (rank {ranks[worst.pid or 0]}; seen in {named(seen_in)})")
        )
    return found


def note_of(ranks: Mapping[int, Process], trainer: Process | None) -> Iterable[str]:
    """What a reader of the figures must know; nothing where there is one process of training."""
    if not ranks:
        return
    world = max(process.world or 0 for process in ranks.values())
    of = next((rank for rank, process in ranks.items() if process == trainer), None)
    times = "" if of is None else f": times of phases are those of rank {of}, their joules those of all processes"
    yield f"{named(ranks)} of {world} had an agent inside; what they did at the same time counts once{times}"


def named(ranks: Iterable[int]) -> str:
    """`rank 3`, `ranks 0, 1`, `12 ranks`."""
    listed = list(ranks)
    if len(listed) == 1:
        return f"rank {listed[0]}"
    return f"{len(listed)} ranks" if len(listed) > _NAMED else f"ranks {', '.join(map(str, listed))}"
