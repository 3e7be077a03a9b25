"""Machine energy once per node, however many recordings of it ran at the same time. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wattleak.analysis.energy import curve
from wattleak.analysis.estimates import summed
from wattleak.model import ChannelEnergy, Estimate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from wattleak.model import Counting, Trace


def count(trace: Trace, energy: Iterable[ChannelEnergy], start_s: float, end_s: float) -> tuple[ChannelEnergy, ...]:
    """The machine's energy with the part that this recording counts, where others counted too (`counted_j`)."""
    return tuple(
        replace(item, counted_j=_counted(trace, item, start_s, end_s)) if item.channel.name in trace.counting else item
        for item in energy
    )


def _counted(trace: Trace, item: ChannelEnergy, start_s: float, end_s: float) -> Estimate:
    line = curve(item.channel, trace.samples)
    pieces = (line.between(*piece) for piece in _own(trace.counting[item.channel.name], start_s, end_s))
    found = summed(piece for piece in pieces if piece is not None)
    return found or Estimate(0.0, 0.0, 0.0, item.energy_j.origin)


def _own(changes: tuple[Counting, ...], start_s: float, end_s: float) -> Iterator[tuple[float, float]]:
    """The pieces of a window in which nobody else counts."""
    since_s: float | None = start_s  # until the first change says otherwise
    for change in changes:
        time_s = min(max(change.time_s, start_s), end_s)
        if change.run is None:
            since_s = time_s if since_s is None else since_s
        else:
            if since_s is not None and time_s > since_s:
                yield since_s, time_s
            since_s = None
    if since_s is not None and end_s > since_s:
        yield since_s, end_s


def counted_by(trace: Trace) -> tuple[str, ...]:
    """Other runs that count the machine's energy, or a part of it, in the order in which they were met."""
    runs = [change.run for changes in trace.counting.values() for change in changes if change.run]
    return tuple(dict.fromkeys(runs))
