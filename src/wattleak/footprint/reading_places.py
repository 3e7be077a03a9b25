"""Where and when: the mix of regions, the hours of the day, and the PUE of a building whose weather is known."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.inputs import Input, amount, bounded
from wattleak.footprint.intensity import intensity
from wattleak.footprint.quantities import Dimension, unit_of
from wattleak.footprint.scenario import Hours, Place
from wattleak.model import Origin

if TYPE_CHECKING:
    from collections.abc import Sequence

_PER_KWH = unit_of("g/kWh")
INTENSITY: Dimension = _PER_KWH[1]
_HOURS = 24
_MIX = "DE, or a mix whose shares add up to 1: DE:0.6,FR:0.4"
_SPAN = re.compile(r"(\d{1,2})\s*-\s*(\d{1,2})")


def places(region: str | None, stated: object = None) -> tuple[Place, ...]:
    """`DE`, `DE:0.6,FR:0.4`, `gcp:europe-west1:60%,SE:40%`; None is the world's average. `stated`: an intensity.

    Raises:
        UsageError: an unknown region (with the nearest names), shares that are none, or do not add up to 1.
    """
    if stated is not None:
        if region is not None:
            raise UsageError("an intensity and a region are both stated", "leave one of them out")
        text = f"{stated} g/kWh" if isinstance(stated, (int, float)) else str(stated)
        text = text if "/" in text else f"{text} g/kWh"
        item = amount("carbon intensity", text, INTENSITY, "380 g/kWh ± 10%, or 0.38 kg/kWh")
        return (Place("as stated", 1.0, item, "", item.source),)
    if region is None:
        return (_place(None, 1.0),)
    if region.strip()[:1].isdigit():  # a figure of the configuration: `350 [300, 420] g/kWh`
        return places(None, region)
    parts = [part.strip() for part in region.split(",") if part.strip()]
    found = [_with_share(part, alone=len(parts) == 1) for part in parts]
    whole = sum(share for _, share in found)
    if abs(whole - 1.0) > 1e-6:
        raise UsageError(f"the shares of {region!r} add up to {whole:g}, not to 1", f"write {_MIX}")
    names = [name.lower() for name, _ in found]
    if len(set(names)) != len(names):
        raise UsageError(f"a region stands twice in {region!r}", f"write {_MIX}")
    return tuple(_place(name, share) for name, share in found)


def _with_share(text: str, *, alone: bool) -> tuple[str, float]:
    """The region and its share; the region may hold colons of its own."""
    name, colon, last = text.rpartition(":")
    number = re.fullmatch(r"(\d*\.?\d+)(%?)", last.strip()) if colon else None
    if number is None:
        if not alone:
            raise UsageError(f"{text!r} says no share", f"write {_MIX}")
        return text, 1.0
    share = float(number[1]) / (100 if number[2] else 1)
    if not 0 < share <= 1:
        raise UsageError(f"{text!r}: a share is more than 0 and at most 1", f"write {_MIX}")
    return name, share


def _place(region: str | None, share: float) -> Place:
    grid = intensity(region)
    size = _PER_KWH[0]
    item = Input(
        f"carbon intensity of {grid.region}",
        grid.value * size,
        grid.low * size,
        grid.high * size,
        INTENSITY,
        Origin.QUOTED,
        f"{grid.source}{'' if grid.year is None else f' ({grid.year})'}",
    )
    return Place(grid.region, share, item, grid.table, grid.note)


# -- hours -----------------------------------------------------------------------------------------------------------


def hours_of_work(key: str, value: object) -> tuple[float, ...]:
    """`22-6` (from 22:00 to 6:00, evenly), or 24 weights from midnight; they add up to 1. Raises UsageError."""
    if isinstance(value, str) and (span := _SPAN.fullmatch(value.strip())):
        start, end = int(span[1]), int(span[2])
        if max(start, end) > _HOURS or start % _HOURS == end % _HOURS:
            raise UsageError(f"{key}: {value!r} is no stretch of a day", "write 22-6, hours from 0 to 24")
        count = (end - start) % _HOURS
        inside = {(start + step) % _HOURS for step in range(count)}
        return tuple(1.0 / count if hour in inside else 0.0 for hour in range(_HOURS))
    weights = hourly(key, value, "write 22-6, or 24 weights from midnight")
    return tuple(weight / sum(weights) for weight in weights)


def hourly(key: str, value: object, example: str = "24 numbers from midnight, by comma") -> tuple[float, ...]:
    """24 numbers of 0 or more, not all of them 0. Raises UsageError."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        numbers = tuple(float(part) for part in parts)  # type: ignore[attr-defined]  # what is no list is reported
    except (TypeError, ValueError) as error:
        raise UsageError(f"{key}: {value!r} is no list of numbers", example) from error
    if len(numbers) != _HOURS:
        raise UsageError(f"{key}: {len(numbers)} numbers, and a day has {_HOURS} hours", example)
    if not all(0 <= number < float("inf") for number in numbers) or not any(numbers):
        raise UsageError(f"{key}: each hour has a number of 0 or more, and one of them more", example)
    return numbers


def cleanest(hours: Hours) -> Hours:
    """The same number of hours, those with the lowest intensity, evenly."""
    assert hours.intensity is not None
    count = sum(1 for weight in hours.work if weight > 0)
    chosen = sorted(range(_HOURS), key=lambda hour: (hours.intensity or ())[hour])[:count]
    return replace(hours, work=tuple(1.0 / count if hour in chosen else 0.0 for hour in range(_HOURS)))


def spans(work: Sequence[float]) -> str:
    """Hours with work, in words: 0-6, 22-24."""
    busy = [hour for hour, weight in enumerate(work) if weight > 0]
    stretches: list[list[int]] = []
    for hour in busy:
        if stretches and stretches[-1][1] == hour:
            stretches[-1][1] = hour + 1
        else:
            stretches.append([hour, hour + 1])
    return ", ".join(f"{start}-{end}" for start, end in stretches)


# -- the building ----------------------------------------------------------------------------------------------------


def pue_by_temperature(curve: object, temperatures: object) -> tuple[Input, str]:
    """Mean PUE over the temperatures outside: `10:1.10,30:1.40` and 12 or 24 (or any number of) degrees.

    Straight lines between the points, level beyond them. Returns the PUE and how it came about. Raises UsageError.
    """
    points = sorted(_points(curve))
    degrees = _degrees(temperatures)
    mean = sum(_between(points, degree) for degree in degrees) / len(degrees)
    note = f"PUE {mean:.3f}: mean over {len(degrees)} temperatures of the stated curve"
    return bounded("PUE", curve, (mean, mean, mean), least=1.0, example="10:1.10,30:1.40"), note


def _points(curve: object) -> list[tuple[float, float]]:
    pairs = curve.items() if isinstance(curve, dict) else [part.partition(":")[::2] for part in str(curve).split(",")]
    try:
        points = [(float(degree), float(value)) for degree, value in pairs]
    except ValueError as error:
        raise UsageError(f"pue-at: {curve!r} is no curve", "write degrees:PUE, as 10:1.10,30:1.40") from error
    if len(points) < 2 or min(value for _, value in points) < 1 or len({degree for degree, _ in points}) < len(points):
        raise UsageError(
            f"pue-at: {curve!r}: two or more temperatures, each with a PUE of 1 or more", "10:1.10,30:1.40"
        )
    return points


def _degrees(temperatures: object) -> list[float]:
    parts = temperatures if isinstance(temperatures, (list, tuple)) else str(temperatures).split(",")
    try:
        degrees = [float(part) for part in parts]
    except (TypeError, ValueError) as error:
        raise UsageError(f"temperature: {temperatures!r} is no list of degrees", "write 2,3,7,11,16,19") from error
    if not all(-90 <= degree <= 70 for degree in degrees):
        raise UsageError(f"temperature: {temperatures!r}: degrees Celsius outside", "write 2,3,7,11,16,19")
    return degrees


def _between(points: list[tuple[float, float]], degree: float) -> float:
    if degree <= points[0][0]:
        return points[0][1]
    for (cold, low), (warm, high) in pairwise(points):
        if degree <= warm:
            return low + (high - low) * (degree - cold) / (warm - cold)
    return points[-1][1]
