"""Which meters are asked, which of them step back, and what is inside what. Two tables and what follows from them.

A meter of its own subject is a row in `RULES`; if it sees a whole machine it is a word in `OUTER_FIRST` too. Nothing
here touches hardware.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Origin, Part
from wattleak.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.model import Channel


class Rule(NamedTuple):
    """When a built-in meter is used.

    `unasked`: tried when the user names no meters. The others are slow, go over a network or need to be configured;
    they are used when they are named (`--meters`), and cost nothing else.

    `stands_in_for`: probed only when no meter before it has a channel of this part. Otherwise it is left out without
    a word: nothing is lost.

    `instead_of`: another way to the same counters as this meter. When it gives them, nothing is missing, and the
    other's reason is not shown.
    """

    meter: str
    unasked: bool = True
    stands_in_for: Part | None = None
    instead_of: str | None = None


RULES: tuple[Rule, ...] = (
    Rule("rapl"),
    Rule("perf-rapl", stands_in_for=Part.CPU, instead_of="rapl"),
    Rule("nvml"),
    Rule("amd-smi"),
    Rule("apple"),
    Rule("ina3221"),
    Rule("hwmon"),  # after those whose counters it may mirror: it leaves out what they read
    Rule("ipmi", unasked=False),
    Rule("plug", unasked=False),
    Rule("accelerator-model"),
    Rule("ram-model", stands_in_for=Part.DRAM),
    Rule("cpu-model", stands_in_for=Part.CPU),  # last: it must know what all the others can read
)
"""Every built-in meter that reads something real, in the order in which they are probed."""

OTHERS = "meters of other packages"

OUTER_FIRST: tuple[str, ...] = (
    "plug",  # at the wall: power supply, fans, disks, everything
    OTHERS,  # a meter that we do not know and that sees the machine: usually a plug or a power strip
    "ipmi",  # the management controller: what goes into the power supplies
    "hwmon",  # ACPI power meter, power supplies, laptop's own controller: the same or a little less
    "ina3221",  # Jetson: what goes into the module or the board
    "rapl",  # psys: what the platform's voltage regulators take in
    "perf-rapl",
)
"""Meters that see a whole machine, from the wall inwards. Each contains all that come after it, and every part."""


def selected(names: Sequence[str] | None) -> list[str]:
    """Meters to probe, in order: those that were named, or all that are tried unasked; each once.

    Meters that are not in the table come first, as they were named: who names one wants it. The others follow the
    table, so that every stand-in knows what is there.
    """
    if names is None:
        return [rule.meter for rule in RULES if rule.unasked]
    order = {rule.meter: number for number, rule in enumerate(RULES)}
    return sorted(dict.fromkeys(names), key=lambda name: order.get(name, -1))


def steps_back(meter: str, channels: Iterable[Channel]) -> bool:
    """Is a stand-in not needed, given the channels that were found before it?"""
    part = next((rule.stands_in_for for rule in RULES if rule.meter == meter), None)
    return part is not None and any(channel.part is part for channel in channels)


def made_good(meters: Iterable[str]) -> frozenset[str]:
    """Meters whose counters are read by another way, given the usable meters."""
    usable = frozenset(meters)
    return frozenset(rule.instead_of for rule in RULES if rule.instead_of is not None and rule.meter in usable)


def containment(channels: Sequence[Channel]) -> dict[str, frozenset[str]]:
    """What is inside each channel, by name: what its own meter says, and for a channel that sees the machine every
    part and every channel of the machine that sits further in.

    Two such channels of different meters that sit equally far out are the same thing measured twice: the first is
    taken to hold the second, so that they are never added. Simulated channels hold what their script says.
    """
    real = [channel for channel in channels if channel.origin is not Origin.SIMULATED]
    inside: dict[str, frozenset[str]] = {channel.name: channel.contains for channel in channels}
    for place, channel in enumerate(real):
        if channel.part is not Part.MACHINE:
            continue
        depth = _depth(channel)
        inside[channel.name] |= {other.name for other in channels if other.part is not Part.MACHINE}
        inside[channel.name] |= {
            other.name
            for later, other in enumerate(real)
            if other.part is Part.MACHINE
            and other.meter != channel.meter
            and (_depth(other) > depth or (_depth(other) == depth and later > place))
        }
    return inside


def _depth(channel: Channel) -> int:
    """How far from the wall: the place in `OUTER_FIRST`."""
    known = channel.meter if channel.meter in OUTER_FIRST else OTHERS
    return OUTER_FIRST.index(known)
