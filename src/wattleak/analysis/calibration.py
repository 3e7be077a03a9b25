"""What a wall meter teaches about a machine: `P_wall = a P + b`, and what follows for a run. Pure.

P is the power that the machine's own channels show (a counter, or a model), P_wall what goes in at the plug. The
slope holds the losses of the power supply, the fans and the error of the source; the offset what runs anyway. On one
published machine (Fischer 2025, arXiv 2509.22092: i9-13900K and RTX 4090 behind a wall meter, 318 runs) such a line,
fitted in one session and applied in the next, leaves a median error of 0.8 to 4.5 % and a 95th percentile of 7.7 to
20 % by kind of work; without it CodeCarbon was 20 to 33 % low. So however well the readings lie on the line, another
day and another kind of work are only known to +-7.7 % with three readings or more (the best of those percentiles), and
to +-20 % with two, which leave no residual to judge them by. A wall reading itself is taken as right within 3 % (an
assumption: plug-in meters state 1 to 3 %).

What is attributed to a process tree scales by the slope alone: the offset is there without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite, sqrt
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Calibration, Channel, ChannelEnergy, Estimate, Origin, Part, Quantity

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from wattleak.analysis.attribution import Attribution

WALL = "wall"
"""Name of the channel that a calibration adds."""

WALL_METERS = ("plug", "ipmi")
"""Meters that see what comes in at the plug: where one of them is read, nothing needs to be calculated from a line."""

_READING_ERROR = 0.03
_OTHER_DAY_ERROR = 0.077
_TWO_READINGS_ERROR = 0.20
_LEAST_SPREAD = 0.05  # of P, without which no slope can be told


@dataclass(frozen=True, slots=True)
class WallEnergy:
    """What a calibration makes of a window: the machine at the wall, the process tree's part, and what to know."""

    machine: ChannelEnergy
    attributed: ChannelEnergy | None
    notes: tuple[str, ...]


def calibrated_channels(channels: Sequence[Channel]) -> tuple[str, ...]:
    """Channels whose powers are summed to P: the parts of the machine, or what sees it whole where no part is read.

    Constants and wall meters are left out.
    """
    usable = [c for c in channels if c.origin is not Origin.CONSTANT and c.meter not in WALL_METERS]
    parts = [c for c in usable if c.part is not Part.MACHINE] or usable
    names = {c.name for c in parts}
    return tuple(c.name for c in parts if not c.contains & names)


def fit(readings: Iterable[tuple[float, float]], *, machine: str, channels: Sequence[str], made_at: str) -> Calibration:
    """The least-squares line through (P, P_wall) in watts, with 95 % ranges.

    Raises:
        UsageError: fewer than two readings, powers that cannot be, too little difference in P, or a line that falls
            or starts below zero.
    """
    pairs = tuple((float(power), float(wall)) for power, wall in readings)
    if len(pairs) < 2:
        raise UsageError("a line needs two readings at least, one at rest and one under load", "idle=WATTS,load=WATTS")
    if not all(isfinite(power) and isfinite(wall) and power >= 0 and wall > 0 for power, wall in pairs):
        raise UsageError("a reading is no power", "state watts above zero")
    n = len(pairs)
    mean_p = sum(power for power, _ in pairs) / n
    mean_w = sum(wall for _, wall in pairs) / n
    spread = sum((power - mean_p) ** 2 for power, _ in pairs)
    largest = max(power for power, _ in pairs)
    if largest - min(power for power, _ in pairs) < _LEAST_SPREAD * largest or spread == 0:
        raise UsageError(
            f"the readings differ by less than {_LEAST_SPREAD:.0%} in the machine's own power: no slope can be told",
            "take one reading at rest and one with all CPUs (and GPUs) at work",
        )
    slope = sum((power - mean_p) * (wall - mean_w) for power, wall in pairs) / spread
    offset = mean_w - slope * mean_p
    if slope <= 0:
        raise UsageError(
            f"the wall meter falls when the load rises (slope {slope:.2f}): the readings are mixed up",
            "check which reading is at rest and which under load",
        )
    slope_error, offset_error, residual = _errors(pairs, slope, offset, mean_p, spread)
    if offset + offset_error < 0:
        raise UsageError(
            f"by these readings the machine would give power away at rest (offset {offset:.1f} W): it was not at rest "
            "when its own channels were read, or the wall meter showed another moment",
            "close what runs, and take the reading at rest again",
        )
    return Calibration(
        machine=machine,
        channels=tuple(channels),
        slope=Estimate(slope, slope - slope_error, slope + slope_error, Origin.MODELLED),
        offset_w=Estimate(offset, offset - offset_error, offset + offset_error, Origin.MODELLED),
        residual_w=residual,
        readings=pairs,
        made_at=made_at,
    )


def wall_power(calibration: Calibration, power_w: float) -> Estimate:
    """P_wall at one P, with the range that the line, the wall meter and another day's work leave."""
    slope = calibration.slope.value
    wall_w = slope * power_w + calibration.offset_w.value
    error_w = sqrt(_line_error2(calibration, power_w) + (_other_day(calibration) * wall_w) ** 2)
    return Estimate(wall_w, min(wall_w, max(0.0, wall_w - error_w)), wall_w + error_w, Origin.MODELLED)


def wall_energy(
    calibration: Calibration,
    energies: Sequence[ChannelEnergy],
    attributed: Sequence[ChannelEnergy],
    duration_s: float,
) -> WallEnergy | None:
    """Energy at the wall over a window; None when a channel of the calibration was not read, or a wall meter was."""
    by_name = {item.channel.name: item for item in energies}
    parts = [by_name[name] for name in calibration.channels if name in by_name]
    walled = any(item.channel.meter in WALL_METERS for item in energies)
    if walled or duration_s <= 0 or len(parts) < len(calibration.channels):
        return None
    power_w = sum(item.energy_j.value for item in parts) / duration_s
    wall = wall_power(calibration, power_w)
    resolution_j = calibration.slope.value * sum(item.resolution_j or 0.0 for item in parts)
    machine_j = Estimate(
        wall.value * duration_s,
        max(0.0, wall.low * duration_s - resolution_j),
        wall.high * duration_s + resolution_j,
        Origin.MODELLED,
    )
    channel = wall_channel(calibration, [item.channel for item in energies])
    machine = ChannelEnergy(channel, machine_j, resolution_j=resolution_j, counted_j=_counted(parts, machine_j))
    ours = [item for item in attributed if item.channel.name in calibration.channels]
    tree = ChannelEnergy(channel, _of_tree(calibration, ours)) if ours else None
    return WallEnergy(machine, tree, _notes(calibration, power_w))


def _counted(parts: Sequence[ChannelEnergy], machine_j: Estimate) -> Estimate | None:
    """The part of the wall energy that this recording counts, where others of the node count too: as its parts do."""
    if all(item.counted_j is None for item in parts):
        return None
    whole = sum(item.energy_j.value for item in parts)
    own = sum((item.energy_j if item.counted_j is None else item.counted_j).value for item in parts)
    share = min(1.0, own / whole) if whole > 0 else 0.0
    return Estimate(machine_j.value * share, machine_j.low * share, machine_j.high * share, machine_j.origin)


def at_the_wall(
    calibration: Calibration, energies: Sequence[ChannelEnergy], attribution: Attribution, duration_s: float
) -> tuple[tuple[ChannelEnergy, ...], Attribution]:
    """The same figures with the channel `wall` first among the machine's, and what is attributed scaled by the slope.

    The attributed total becomes the wall's where the line covers everything that was summed to it; idle energy too,
    offset included, where the line covers no device. Where the calibration cannot be applied, nothing changes.
    """
    found = wall_energy(calibration, energies, attribution.channels, duration_s)
    if found is None:
        return tuple(energies), attribution
    channels, total, idle = attribution.channels, attribution.total_j, attribution.idle_j
    if found.attributed is not None:
        measured = [item for item in channels if item.energy_j.origin is not Origin.MODELLED]
        if all(item.channel.name in calibration.channels for item in measured or channels):
            total = found.attributed.energy_j
        channels = (*channels, found.attributed)
    devices = any(item.channel.part is Part.GPU for item in energies if item.channel.name in calibration.channels)
    if idle is not None and not devices:
        rest = wall_power(calibration, idle.value / duration_s)
        idle = Estimate(rest.value * duration_s, rest.low * duration_s, rest.high * duration_s, rest.origin)
    notes = (*attribution.notes, *found.notes)
    return (found.machine, *energies), replace(attribution, channels=channels, total_j=total, idle_j=idle, notes=notes)


def wall_channel(calibration: Calibration, channels: Sequence[Channel]) -> Channel:
    """The channel `wall`, which contains all others."""
    share = _other_day(calibration)
    return Channel(
        name=WALL,
        meter="calibration",
        part=Part.MACHINE,
        origin=Origin.MODELLED,
        quantity=Quantity.ENERGY_J,
        period_s=max((c.period_s for c in channels if c.name in calibration.channels), default=1.0),
        relative_low=1 - share,
        relative_high=1 + share,
        contains=frozenset(c.name for c in channels if c.name != WALL),
        idle_w=None,
        device="calibrated with a wall meter",
        source=describe(calibration),
    )


def describe(calibration: Calibration) -> str:
    """The line in words: what was fitted to what, and how well it fits."""
    left = "no residual: two readings" if calibration.residual_w is None else f"residual {calibration.residual_w:.2g} W"
    return (
        f"calibrated: P_wall = {calibration.slope.value:.3f} x P + {calibration.offset_w.value:.2f} W, "
        f"P = {' + '.join(calibration.channels)}; {len(calibration.readings)} readings, {left}; "
        f"{calibration.made_at[:10]}"
    )


def _errors(
    pairs: Sequence[tuple[float, float]], slope: float, offset: float, mean_p: float, spread: float
) -> tuple[float, float, float | None]:
    """Half-widths of slope and offset, and the root mean square of what the line leaves over."""
    n = len(pairs)
    if n == 2:
        (p1, w1), (p2, w2) = pairs
        e1, e2, dp = _READING_ERROR * w1, _READING_ERROR * w2, abs(p2 - p1)
        return sqrt(e1**2 + e2**2) / dp, sqrt((e1 * p2) ** 2 + (e2 * p1) ** 2) / dp, None
    from scipy.stats import t  # noqa: PLC0415 - only who calibrates pays for it

    left = sum((wall - offset - slope * power) ** 2 for power, wall in pairs)
    width = float(t.ppf(0.975, n - 2)) * sqrt(left / (n - 2))
    slope_error = sqrt(width**2 / spread + (_READING_ERROR * slope) ** 2)
    offset_error = sqrt(width**2 * (1 / n + mean_p**2 / spread) + (_READING_ERROR * offset) ** 2)
    return slope_error, offset_error, sqrt(left / n)


def _line_error2(calibration: Calibration, power_w: float) -> float:
    """Squared half-width of a prediction at one P, from the readings that are kept."""
    pairs, slope = calibration.readings, calibration.slope
    n = len(pairs)
    if n == 2:
        (p1, w1), (p2, w2) = pairs
        share = (power_w - p1) / (p2 - p1)
        return (_READING_ERROR * w1 * (1 - share)) ** 2 + (_READING_ERROR * w2 * share) ** 2
    mean_p = sum(power for power, _ in pairs) / n
    spread = sum((power - mean_p) ** 2 for power, _ in pairs)
    # The slope's own range holds Student's t times the scatter: what is left without the wall meter's error.
    width2 = max(0.0, (slope.high - slope.value) ** 2 - (_READING_ERROR * slope.value) ** 2) * spread
    wall_w = slope.value * power_w + calibration.offset_w.value
    return width2 * (1 + 1 / n + (power_w - mean_p) ** 2 / spread) + (_READING_ERROR * wall_w) ** 2


def _other_day(calibration: Calibration) -> float:
    return _TWO_READINGS_ERROR if len(calibration.readings) == 2 else _OTHER_DAY_ERROR


def _of_tree(calibration: Calibration, ours: Sequence[ChannelEnergy]) -> Estimate:
    """Slope x what is attributed. The accuracy of each source is in the slope already; what is left of its range (the
    tree's share, idle power) stays.
    """
    slope = calibration.slope
    value = sum(item.energy_j.value for item in ours)
    low = sum(min(item.energy_j.value, item.energy_j.low / item.channel.relative_low) for item in ours)
    high = sum(max(item.energy_j.value, item.energy_j.high / item.channel.relative_high) for item in ours)
    share = sqrt(((slope.high - slope.value) / slope.value) ** 2 + _other_day(calibration) ** 2)
    return Estimate(
        slope.value * value, slope.value * low * max(0.0, 1 - share), slope.value * high * (1 + share), Origin.MODELLED
    )


def _notes(calibration: Calibration, power_w: float) -> tuple[str, ...]:
    powers = [power for power, _ in calibration.readings]
    margin = 0.1 * (max(powers) - min(powers))
    if min(powers) - margin <= power_w <= max(powers) + margin:
        return ()
    made = f"{min(powers):.1f} and {max(powers):.1f} W"
    return (f"wall: this run drew {power_w:.1f} W by its own channels, and was calibrated between {made}",)
