"""From readings of power to joules, over the whole log or a part of it."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING

from wattleak.archive.imported import DeviceEnergy
from wattleak.errors import UsageError
from wattleak.model import Estimate, Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wattleak.archive.imported import PowerLog, PowerPoint, PowerSeries

_GAP = 2.5  # times the usual distance between readings: two of them are missing


def device_energies(log: PowerLog, start_s: float | None, end_s: float | None) -> tuple[DeviceEnergy, ...]:
    """Joules of each device between two moments, in seconds since the first reading; None: as far as the log goes.

    Power is integrated by trapezoid. Over a gap (more than 2.5 times the usual distance between readings) the straight
    line stays the estimate, and the range takes the lowest and the highest power of the log for it. A counter is
    differenced, between its readings by a straight line.

    Raises:
        UsageError: fewer than two readings, a window that the log does not cover, a clock or a counter that goes back.
    """
    return tuple(_energy(log, series, start_s, end_s) for series in log.series)


def _energy(log: PowerLog, series: PowerSeries, start_s: float | None, end_s: float | None) -> DeviceEnergy:
    known = [(point.time_s, point.value) for point in series.points if point.value is not None]
    if len(known) < (1 if series.interval_j else 2):
        raise UsageError(
            f"{log.source.path} has {len(known)} readings of {series.device}: no energy follows from that",
            "give a log with at least two",
        )
    _check_clock(log, series.points)
    begin = series.points[0].time_s if series.interval_j else known[0][0]
    finish = series.points[-1].time_s if series.interval_j else known[-1][0]
    low, high = begin if start_s is None else start_s, finish if end_s is None else end_s
    if not begin - 1e-9 <= low < high <= finish + 1e-9:
        raise UsageError(
            f"{log.source.path} has readings of {series.device} from {begin:g} to {finish:g} s; "
            f"{low:g} to {high:g} s is not inside",
            "choose --from and --to within the log",
        )
    if log.start is None and (start_s is not None or end_s is not None):
        raise UsageError(f"{log.source.path} has no clock: no window can be cut out of it", "give --period SECONDS")
    joules, slack, gaps = (
        _intervals(series, low, high)
        if series.interval_j
        else _counter(log, known, low, high)
        if series.counter
        else _trapezoid(known, low, high)
    )
    lowest, highest = joules - slack[0], joules + slack[1]
    return DeviceEnergy(
        file=log.source.path.name,
        variant=log.source.variant,
        device=series.device,
        energy_j=Estimate(
            joules,
            max(0.0, lowest * (1 - series.relative_error)),
            highest * (1 + series.relative_error),
            Origin.QUOTED,
        ),
        start_s=low if log.start is not None else None,
        end_s=high if log.start is not None else None,
        readings=sum(low <= time_s <= high for time_s, _ in known),
        missing=sum(
            low <= p.time_s <= high and p.value is None for p in series.points[: -1 if series.interval_j else None]
        ),
        gaps=tuple(gaps) if log.start is not None else (),
        notes=(f"{series.window}; range +-{series.relative_error:.0%} ({series.error_source})",),
    )


def _check_clock(log: PowerLog, points: Sequence[PowerPoint]) -> None:
    for before, after in pairwise(points):
        if after.time_s < before.time_s:
            raise UsageError(
                f"the clock of {log.source.path} goes back after {before.time_s:g} s: two logs, or summer time",
                "cut it in two and import each",
            )


def _at(known: Sequence[tuple[float, float]], time_s: float) -> float:
    """The straight line between the readings around a moment."""
    from bisect import bisect_left  # noqa: PLC0415 - twice per window

    right = bisect_left(known, time_s, key=lambda point: point[0])
    if right == 0:
        return known[0][1]
    if right == len(known):
        return known[-1][1]
    (t0, v0), (t1, v1) = known[right - 1], known[right]
    return v1 if t1 == t0 else v0 + (v1 - v0) * (time_s - t0) / (t1 - t0)


def _gaps(known: Sequence[tuple[float, float]], low: float, high: float) -> list[tuple[float, float]]:
    steps = [after - before for (before, _), (after, _) in pairwise(known) if after > before]
    if not steps:
        return []
    limit = _GAP * statistics.median(steps)
    return [
        (max(low, before), min(high, after))
        for (before, _), (after, _) in pairwise(known)
        if after - before > limit and before < high and after > low
    ]


Piece = tuple[float, tuple[float, float], list[tuple[float, float]]]


def _trapezoid(known: Sequence[tuple[float, float]], low: float, high: float) -> Piece:
    inside = [(time_s, value) for time_s, value in known if low < time_s < high]
    points = [(low, _at(known, low)), *inside, (high, _at(known, high))]
    joules = sum((t1 - t0) * (v0 + v1) / 2 for (t0, v0), (t1, v1) in pairwise(points))
    gaps = _gaps(known, low, high)
    least, most = min(value for _, value in known), max(value for _, value in known)
    under = over = 0.0
    for start, end in gaps:
        straight = (_at(known, start) + _at(known, end)) / 2
        under += (end - start) * (straight - least)
        over += (end - start) * (most - straight)
    return joules, (under, over), gaps


def _counter(log: PowerLog, known: Sequence[tuple[float, float]], low: float, high: float) -> Piece:
    if any(after < before for (_, before), (_, after) in pairwise(known)):
        raise UsageError(
            f"a counter in {log.source.path} goes back: the driver was loaded again", "cut the log and import each part"
        )
    return _at(known, high) - _at(known, low), (0.0, 0.0), _gaps(known, low, high)


def _intervals(series: PowerSeries, low: float, high: float) -> Piece:
    """Joules of whole intervals; one that the window cuts counts by the part inside, and may lie in it or not.

    An interval that is missing is bridged by the median of the others, and may be as the lowest or the highest of them.
    """
    pairs = list(pairwise(series.points))
    usual = statistics.median(after.time_s - point.time_s for point, after in pairs) or 1.0
    powers = [point.value / usual for point in series.points if point.value is not None]
    middle, least, most = statistics.median(powers), min(powers), max(powers)
    joules = under = over = 0.0
    gaps = []
    for point, after in pairs:
        end = min(after.time_s, point.time_s + usual)
        if after.time_s - end > usual / 2 and end < high and after.time_s > low:
            gaps.append((max(low, end), min(high, after.time_s)))
        share = max(0.0, min(high, end) - max(low, point.time_s)) / usual
        if share <= 0.0:
            continue
        if point.value is None:
            gaps.append((max(low, point.time_s), min(high, end)))
            continue
        joules += share * point.value
        if share < 1.0 - 1e-9:
            under += share * point.value
            over += (1.0 - share) * point.value
    lost_s = sum(end - start for start, end in gaps)
    return joules + lost_s * middle, (under + lost_s * (middle - least), over + lost_s * (most - middle)), gaps
