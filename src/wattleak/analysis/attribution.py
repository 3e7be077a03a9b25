"""Which part of the machine's energy belongs to the recorded process tree.

Pure, standard library only. Each kind of channel has its rule, in a module of its own:

- a counter that the whole host shares: the tree's share of CPU time, above idle (`host_share`);
- a CPU without a counter: CPU-seconds of the tree x the model's watts per busy CPU (`model_share`);
- a device that processes hold: whole to one tree, or shared by use (`device_share`).

Idle energy of the host is never ours: it is given apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.device_share import of_device
from wattleak.analysis.estimates import scaled, summed
from wattleak.analysis.host_share import of_host
from wattleak.analysis.model_share import of_model
from wattleak.model import Channel, ChannelEnergy, Estimate, Origin, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.model import Trace


@dataclass(frozen=True, slots=True)
class Attribution:
    """Energy of the tree by channel, and energy of the machine at rest over the same window."""

    channels: tuple[ChannelEnergy, ...]
    total_j: Estimate | None
    idle_j: Estimate | None
    notes: tuple[str, ...]


def attribute(trace: Trace, start_s: float, end_s: float) -> Attribution:
    """Attribute every channel over a window. Never adds measured and modelled parts: `total_j` holds the measured
    ones when there are any, else the modelled; what is left out is said in `notes`.
    """
    ours: list[ChannelEnergy] = []
    idle: list[Estimate] = []
    notes: list[str] = []
    for channel in _innermost(trace.channels):
        item, note = _of_channel(trace, channel, start_s, end_s)
        if item is not None:
            ours.append(item)
        if note:
            notes.append(note)
        if channel.part is not Part.GPU and channel.idle_w is not None:
            idle.append(scaled(channel.idle_w, end_s - start_s))
    measured = [item for item in ours if item.energy_j.origin is not Origin.MODELLED]
    if measured and len(measured) < len(ours):
        left_out = ", ".join(item.channel.name for item in ours if item not in measured)
        notes.append(f"{left_out} is modelled and not in the attributed total, which is measured")
    return Attribution(tuple(ours), summed(item.energy_j for item in measured or ours), summed(idle), tuple(notes))


def _of_channel(
    trace: Trace, channel: Channel, start_s: float, end_s: float
) -> tuple[ChannelEnergy | None, str | None]:
    if channel.part is Part.GPU:
        return of_device(trace, channel, start_s, end_s)
    if channel.watts_per_busy_cpu is not None:
        energy_j, note = of_model(trace, channel, channel.watts_per_busy_cpu, start_s, end_s), None
    else:
        energy_j, note = of_host(trace, channel, start_s, end_s)
    return (None if energy_j is None else ChannelEnergy(channel, energy_j)), note


def _innermost(channels: Sequence[Channel]) -> list[Channel]:
    """Channels that contain no other one that is read: psys holds the package, so only the package is attributed.

    A measured one gives way only to measured ones: a plug is attributed where the CPU inside it is only modelled. A
    constant is nobody's: it would be there without us.
    """
    ours = [channel for channel in channels if channel.origin is not Origin.CONSTANT]
    names = {channel.name for channel in ours}
    measured = {channel.name for channel in ours if channel.origin is not Origin.MODELLED}
    return [
        channel for channel in ours if not channel.contains & (names if channel.origin is Origin.MODELLED else measured)
    ]
