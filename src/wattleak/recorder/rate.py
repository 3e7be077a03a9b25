"""How often to read: from what the sources are, unless the user says.

- A counter adds up by itself. Its edges are read exactly wherever somebody asks, so one reading a second is there for
  the curve, and to see every wrap: twice between two wraps at 1 kW, which no package reaches (the largest server
  packages of 2025 are rated 500 W; twice that is an assumption).
- A power source is read as often as it moves, at most ten times a second, at least once a second.
- No meter is asked more often than it moves: a smart plug that moves every ten seconds is asked every ten seconds.
- A long run needs less: what one reading more can teach falls with its length. So the time between samples grows with
  the time that has passed, to 1/20,000 of it, up to ten seconds. A week is about 100,000 samples instead of 600,000.

An interval that the user gives holds all along, but for the wraps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Quantity
from wattleak.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.model import Channel

_USUAL_S = 1.0
_FASTEST_S = 0.1
_SLOWEST_S = 10.0
_MOST_W = 1000.0
_MOST_WHEN_ASKED = 0.2  # of a core, for who asks for 100 Hz or more


class Rate(NamedTuple):
    """Seconds between samples at the start and at most, what they may cost, and what to say about it."""

    interval_s: float
    slowest_s: float
    most_of_a_core: float = 0.008  # what sampling may cost; a large tree is read less often than that
    notes: tuple[str, ...] = ()


def choose_rate(channels: Sequence[Channel], asked_s: float | None) -> Rate:
    """The rate for these channels; `asked_s` is what the user wants, None leaves it to the sources."""
    wraps = {channel.name: channel.wrap_j / (2 * _MOST_W) for channel in channels if channel.wrap_j}
    longest_s = min(wraps.values(), default=float("inf"))
    if asked_s is None:
        periods = [channel.period_s for channel in channels if channel.quantity is Quantity.POWER_W]
        interval_s = min(_USUAL_S, max(_FASTEST_S, min(periods, default=_USUAL_S)), longest_s)
        return Rate(interval_s, max(interval_s, min(_SLOWEST_S, longest_s)))
    if asked_s <= longest_s:
        return Rate(asked_s, asked_s, _MOST_WHEN_ASKED)
    name = min(wraps, key=lambda channel: wraps[channel])
    note = f"sampled every {longest_s:.0f} s, not every {asked_s:g} s as asked: {name} could wrap unseen"
    return Rate(longest_s, longest_s, _MOST_WHEN_ASKED, (note,))


def least_period_s(channels: Iterable[Channel]) -> float:
    """How often a meter moves: the period of its fastest channel."""
    return min((channel.period_s for channel in channels), default=0.0)
