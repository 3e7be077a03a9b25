"""Settings, resolved once: command line > environment > [tool.wattleak] in pyproject.toml > default.

An unknown key is an error, because a misspelt budget that is silently ignored is worse than none.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError
from wattleak.model import StoppingRule

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping

    from wattleak.analysis.budgets import Budgets


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may set anywhere. A field of None was set nowhere."""

    store: Path = Path(".wattleak")
    region: str | None = None
    pue: float | None = None
    intensity: str | None = None  # g/kWh; stands in for the region's (footprint.own_figures)
    intensity_table: str | None = None  # a CSV file of the user's own
    provider: str | None = None  # NAME[:ZONE] of who publishes intensities by the hour
    price: str | None = None  # of a kWh, with its currency
    wue: str | None = None  # litres on site per kWh
    grid_water: str | None = None  # litres at the power station per kWh
    embodied: str | None = None  # kg of making the device
    device_life: float | None = None  # years
    utilisation: float | None = None  # share of its life in which the device works for somebody
    device_share: float | None = None  # of the device that a run reserves
    sci: str | None = None  # functional units of a run
    equivalents: bool = False
    meters: tuple[str, ...] | None = None
    idle_power: Mapping[str, float] = field(default_factory=dict)  # channel -> watts at rest
    instance_type: str | None = None  # the cloud's name of this machine, where its firmware does not say it
    interval: float | None = None  # seconds between samples; None: as the meters need it
    linger: float = 30.0  # seconds to wait for processes that outlive the command
    blocks: int = 20
    warmups: int = 1
    cooldown: float | None = 0.0  # seconds before each run; None: until the machine is at rest ("auto")
    sessions: int = 1
    stop: str | None = None  # rule of early stopping
    looks: tuple[int, ...] | None = None  # numbers of complete blocks after which it looks
    smallest_effect: float | None = None  # None: 2 %, or this machine's noise floor where that is larger
    metric: str | None = None
    seed: int | None = None
    quality: str | None = None
    quality_regex: str | None = None
    timeout: float | None = None  # seconds of one run
    data_dir: Path | None = None
    check_runs: int = 6  # of `check`: the fewest that give an interval at 95 %
    budgets: Budgets | None = None  # of [tool.wattleak.budgets]; judged by `check`

    @classmethod
    def resolve(cls, args: Namespace) -> Settings:
        """Read all three places. Raises UsageError that names the place and the key."""
        values: dict[str, Any] = {}
        for origin, found in (
            *_from_pyproject(Path.cwd()),
            ("environment", _from_environment(os.environ)),
            ("command line", {name: getattr(args, _option(name), None) for name in _READERS}),
        ):
            for name, value in found.items():
                if value is not None:
                    values[name] = _read(name, value, origin)
        return cls(**_placed(values))


def _option(name: str) -> str:
    """Where the command line keeps it: `project` has options of the same names with forms of their own."""
    return f"stated_{name}" if name in _STATED else name


def _placed(values: dict[str, Any]) -> dict[str, Any]:
    """With the region as the text that says where its intensity comes from (footprint.intensity)."""
    region, table = values.get("region"), values.get("intensity_table")
    if (figure := values.get("intensity")) is not None:
        from wattleak.footprint.own_figures import as_region

        region = as_region(figure)
    elif table is not None and region is not None:
        from wattleak.footprint.own_figures import has_row, table_region

        if has_row(table, region):
            region = table_region(table, region)
    if (provider := values.get("provider")) is not None:
        from wattleak.footprint.providers import online_region

        region = online_region(provider, region)
    return values if region is None else values | {"region": region}


def _from_pyproject(start: Path) -> list[tuple[str, dict[str, Any]]]:
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if not path.is_file():
            continue
        try:
            tables = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UsageError(f"cannot read {path}: {error}", "mend the file, or run wattleak elsewhere") from error
        table = tables.get("tool", {}).get("wattleak")
        if table is None:
            return []
        for key in table:
            if key.replace("-", "_") not in _READERS:
                near = get_close_matches(key.replace("-", "_"), _READERS, n=1)
                hint = f"did you mean {near[0].replace('_', '-')}?" if near else f"known: {_known()}"
                raise UsageError(f"{path}: [tool.wattleak] has an unknown key {key!r}", hint)
        return [(str(path), {key.replace("-", "_"): value for key, value in table.items()})]
    return []


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Only what describes a place; WATTLEAK_SEED and the like are what experiments tell their runs."""
    return {
        name: environ.get(f"WATTLEAK_{name.upper()}") or None
        for name in ("store", "region", "pue", "intensity", "intensity_table", "provider", "meters", "data_dir")
    }


def _read(name: str, value: object, origin: str) -> object:
    try:
        return _READERS[name](value)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"{origin}: {name.replace('_', '-')} = {value!r} does not fit: {error}", "see --help"
        ) from error


def _known() -> str:
    return ", ".join(name.replace("_", "-") for name in _READERS)


def _at_least(low: float, kind: Callable[[Any], Any]) -> Callable[[object], Any]:
    def read(value: object) -> object:
        number = kind(value)
        if not low <= number < float("inf"):
            raise ValueError(f"it must be at least {low:g}")
        return number

    return read


def _above_zero(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]  # what float() refuses is reported by _read
    if not 0 < number < float("inf"):
        raise ValueError("it must be more than 0")
    return number


def _effect(value: object) -> float:
    """A fraction; `2%` is the same as 0.02."""
    text = str(value).strip()
    number = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    if not 0 <= number < 1:
        raise ValueError("it must be a fraction between 0 and 1, or a percentage")
    return number


def _share(value: object) -> float:
    number = float(value)  # type: ignore[arg-type]  # what float() refuses is reported by _read
    if not 0 < number <= 1:
        raise ValueError("it must be a share above 0, at most 1")
    return number


def _yes(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("write true or false")
    return value


def _names(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, (list, tuple)) else str(value).split(",")
    return tuple(str(part).strip() for part in parts if str(part).strip())


def _watts(value: object) -> dict[str, float]:
    """{"cpu0": 12.5} or ["cpu0=12.5"]."""
    if isinstance(value, dict):
        pairs = list(value.items())
    else:
        parts = [part.partition("=") for part in _names(value)]
        if not all(equals for _, equals, _ in parts):
            raise ValueError("write CHANNEL=WATTS")
        pairs = [(channel, watts) for channel, _, watts in parts]
    return {str(channel): _at_least(0, float)(watts) for channel, watts in pairs}


def _budgets(value: object) -> Budgets:
    from wattleak.analysis.budgets import parse_budgets

    return parse_budgets(value)


_READERS: dict[str, Callable[[Any], Any]] = {
    "store": Path,
    "region": str,
    "pue": _at_least(1, float),
    "intensity": str,
    "intensity_table": str,
    "provider": str,
    "price": str,
    "wue": str,
    "grid_water": str,
    "embodied": str,
    "device_life": _above_zero,
    "utilisation": _share,
    "device_share": _share,
    "sci": str,
    "equivalents": _yes,
    "meters": _names,
    "idle_power": _watts,
    "instance_type": str,
    "interval": _at_least(0.001, float),
    "linger": _at_least(0, float),
    "blocks": _at_least(1, int),
    "warmups": _at_least(0, int),
    "cooldown": lambda value: None if value == "auto" else _at_least(0, float)(value),
    "sessions": _at_least(1, int),
    "stop": StoppingRule,
    "looks": lambda value: tuple(int(part) for part in _names(value)),
    "smallest_effect": _effect,
    "metric": str,
    "seed": _at_least(0, int),
    "quality": str,
    "quality_regex": str,
    "timeout": _above_zero,
    "data_dir": Path,
    "check_runs": _at_least(1, int),
    "budgets": _budgets,
}

FOOTPRINT_TERMS = (
    "price",
    "wue",
    "grid_water",
    "embodied",
    "device_life",
    "utilisation",
    "device_share",
    "sci",
    "equivalents",
)
_STATED = frozenset({"intensity", "intensity_table", "provider", *FOOTPRINT_TERMS})

assert set(_READERS) == {item.name for item in fields(Settings)}
