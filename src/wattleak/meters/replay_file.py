"""Scripts of the replay meter: reading them from JSON and refusing wrong ones with the place. For probes only."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Channel, Estimate, Origin, Part, Quantity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.meters.replay import Script

_REQUIRED = ("name", "part", "quantity", "period_s", "points")
_OPTIONAL = ("wrap_j", "idle_w", "relative_low", "relative_high", "contains", "device")
_REMEDY = "the format is in the docstring of wattleak.meters.replay: python -m pydoc wattleak.meters.replay"


def read_script(path: str) -> tuple[tuple[Channel, ...], dict[str, list[tuple[float, float | None]]]]:
    """Channels and points of a file. Raises UsageError for a file that is not there or not right."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"cannot read the replay script {path}: {reason}", _REMEDY) from error
    try:
        document = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", _REMEDY) from error
    rows = document.get("channels") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows:
        raise UsageError(f'{path}: wants {{"channels": [...]}} with at least one channel', _REMEDY)
    channels: list[Channel] = []
    script: dict[str, list[tuple[float, float | None]]] = {}
    for number, row in enumerate(rows):
        where = f"{path}: channels[{number}]"
        channel = _channel(row, where)
        if channel.name in script:
            raise UsageError(f"{where}.name: {channel.name!r} is there twice", _REMEDY)
        channels.append(channel)
        script[channel.name] = _points(row["points"], f"{where}.points")
    check_scripts(channels, script, f"{path}: ")
    return tuple(channels), script


def check_scripts(channels: Sequence[Channel], script: Mapping[str, Script], where: str = "") -> None:
    """Raise UsageError where a channel has no script or a script breaks the rules of the replay meter."""
    if set(script) != {channel.name for channel in channels}:
        raise UsageError(f"{where}channels and scripts have different names: {sorted(script)}", _REMEDY)
    for channel in channels:
        points = script[channel.name]
        spot = f"{where}script of {channel.name!r}"
        values = [value for _, value in points if value is not None]
        if not values or points[0][0] != 0 or points[0][1] is None:
            raise UsageError(f"{spot}: starts with a value at time 0", _REMEDY)
        for number in range(1, len(points)):
            if points[number][0] <= points[number - 1][0]:
                raise UsageError(f"{spot}: point {number} is not later than the one before", _REMEDY)
        if channel.quantity is Quantity.ENERGY_J and values != sorted(values):
            raise UsageError(f"{spot}: a cumulative energy falls (write it without wraps, with wrap_j)", _REMEDY)
        if min(values) < 0:
            raise UsageError(f"{spot}: a reading is negative", _REMEDY)


def _channel(row: object, where: str) -> Channel:
    if not isinstance(row, dict):
        raise UsageError(f"{where}: wants an object", _REMEDY)
    missing = [key for key in _REQUIRED if key not in row]
    unknown = [key for key in row if key not in (*_REQUIRED, *_OPTIONAL)]
    if missing or unknown:
        raise UsageError(f"{where}: {f'lacks {missing[0]!r}' if missing else f'unknown key {unknown[0]!r}'}", _REMEDY)
    if not isinstance(row["name"], str) or not row["name"]:
        raise UsageError(f"{where}.name: wants a name", _REMEDY)
    contains = row.get("contains", [])
    if not isinstance(contains, list) or not all(isinstance(name, str) for name in contains):
        raise UsageError(f"{where}.contains: wants a list of channel names", _REMEDY)
    part, quantity = row["part"], row["quantity"]
    if part not in list(Part):
        raise UsageError(f"{where}.part: {part!r} is none of {', '.join(Part)}", _REMEDY)
    if quantity not in list(Quantity):
        raise UsageError(f"{where}.quantity: {quantity!r} is none of {', '.join(Quantity)}", _REMEDY)
    idle_w = _positive(row, "idle_w", where, zero=True)
    return Channel(
        name=row["name"],
        meter="replay",
        part=Part(part),
        origin=Origin.SIMULATED,
        quantity=Quantity(quantity),
        period_s=_positive(row, "period_s", where) or 0.0,
        relative_low=_positive(row, "relative_low", where) or 1.0,
        relative_high=_positive(row, "relative_high", where) or 1.0,
        wrap_j=_positive(row, "wrap_j", where),
        contains=frozenset(contains),
        idle_w=None if idle_w is None else Estimate(idle_w, idle_w, idle_w, Origin.SIMULATED),
        device=str(row["device"]) if row.get("device") is not None else None,
        source="scripted readings of the replay meter",
    )


def _positive(row: dict[str, object], key: str, where: str, *, zero: bool = False) -> float | None:
    value = row.get(key)
    if value is None and key not in _REQUIRED:
        return None
    if not _is_number(value) or float(value) < 0 or (float(value) == 0 and not zero):  # type: ignore[arg-type]  # a number
        raise UsageError(f"{where}.{key}: wants a number above zero", _REMEDY)
    return float(value)  # type: ignore[arg-type]  # _is_number said so


def _points(rows: object, where: str) -> list[tuple[float, float | None]]:
    if not isinstance(rows, list):
        raise UsageError(f"{where}: wants a list of [seconds, reading]", _REMEDY)
    points: list[tuple[float, float | None]] = []
    for number, row in enumerate(rows):
        pair = isinstance(row, list) and len(row) == 2
        if not pair or not _is_number(row[0]) or not (row[1] is None or _is_number(row[1])):
            raise UsageError(f"{where}[{number}]: wants [seconds, reading or null]", _REMEDY)
        points.append((float(row[0]), None if row[1] is None else float(row[1])))
    return points


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
