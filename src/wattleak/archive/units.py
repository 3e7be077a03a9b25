"""Units as other tools write them, and what they are in SI.

`MB` is a million bytes and `MiB` is 2**20 (IEC 80000-13). What two readers could take for different things (`mj`, `mw`)
is not guessed: it has to be written with its capital, as the SI does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from wattleak.errors import UsageError


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as written, with the SI unit that ends our names ("j" of energy_j) and its size in it."""

    symbol: str
    ending: str
    size: float


_SIZES: dict[str, dict[str, float]] = {
    "j": {"uJ": 1e-6, "mJ": 1e-3, "J": 1.0, "kJ": 1e3, "MJ": 1e6, "mWh": 3.6, "Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9},
    "s": {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    "w": {"mW": 1e-3, "W": 1.0, "kW": 1e3},
    "b": {
        "B": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "TB": 1e12,
        "KiB": 2.0**10,
        "MiB": 2.0**20,
        "GiB": 2.0**30,
        "TiB": 2.0**40,
    },
    "g": {"ug": 1e-6, "mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6},
}
_UNITS = {symbol: Unit(symbol, ending, size) for ending, sizes in _SIZES.items() for symbol, size in sizes.items()}
_WORDS = {
    "joule": "J",
    "joules": "J",
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
    "watt": "W",
    "watts": "W",
    "byte": "B",
    "bytes": "B",
    "µs": "us",
    "µj": "uJ",
    "kb": "kB",
    "kib": "KiB",
}
_BY_LOWER: dict[str, list[str]] = {}
for _symbol in _UNITS:
    _BY_LOWER.setdefault(_symbol.lower(), []).append(_symbol)
_END = re.compile(r"^(?P<name>.*?)(?:[\s_.]*[\[(](?P<bracket>[^\])]+)[\])]|_(?P<tail>[A-Za-zµ]+))$")


def unit_named(text: str) -> Unit | None:
    """The unit that is written so; None when it is no unit of ours, or could be two."""
    plain = text.strip()
    if plain in _UNITS:
        return _UNITS[plain]
    if plain.lower() in _WORDS:
        return _UNITS[_WORDS[plain.lower()]]
    candidates = _BY_LOWER.get(plain.lower(), [])
    return _UNITS[candidates[0]] if len(candidates) == 1 else None


def unit_asked(text: str) -> Unit:
    """The unit that a user wrote.

    Raises:
        UsageError: there is no such unit, or it could be two.
    """
    unit = unit_named(text)
    if unit is None:
        both = _BY_LOWER.get(text.strip().lower(), [])
        what = f"{text!r} could be {' or '.join(both)}" if both else f"there is no unit {text!r}"
        raise UsageError(what, "write one of " + ", ".join(_UNITS))
    return unit


def split_column(column: str) -> tuple[str, Unit | None]:
    """A column's name without its unit, and the unit: `train_energy_kwh`, `power.draw [W]`, `time (ms)`."""
    match = _END.match(column.strip())
    if match is None:
        return column.strip(), None
    unit = unit_named(match["bracket"] or match["tail"])
    return (column.strip(), None) if unit is None else (match["name"].strip(" _."), unit)


def metric_name(name: str, unit: Unit | None) -> str:
    """The name with the SI unit that ends it; as it is where there is none."""
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_").lower() or "value"
    if unit is None:
        return plain
    return plain if plain.endswith(f"_{unit.ending}") else f"{plain}_{unit.ending}"
