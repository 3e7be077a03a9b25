"""What a wall meter taught about a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.model.numbers import Estimate


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a wall meter taught about this machine: `P_wall = slope x P + offset_w`, P being the sum of `channels`.

    Made by `wattleak doctor --calibrate`; valid for the machine and the channels that it was made with, no others.
    """

    machine: str  # fingerprint of the hardware it was made on
    channels: tuple[str, ...]
    slope: Estimate
    offset_w: Estimate
    residual_w: float | None  # root mean square of what the line leaves over; None: two readings leave nothing
    readings: tuple[tuple[float, float], ...]  # (P, P_wall) in watts
    made_at: str  # ISO 8601, UTC
