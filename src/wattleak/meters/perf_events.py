"""Finding the energy events of perf's `power` PMU. Imported by probes only, where there is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

_KINDS = {"energy-pkg": ("package", "cpu"), "energy-ram": ("dram", "dram"), "energy-psys": ("psys", "machine")}


class Event(NamedTuple):
    """One counter: what `perf_event_open` needs, and the joules of one count."""

    channel: str
    kind: str  # package, dram, psys
    event: str  # "energy-pkg"
    type: int
    config: int
    cpu: int
    scale_j: float


def find_events(root: str, host: str) -> list[Event]:
    """The events that a PMU folder describes, each for every CPU of its cpumask; psys once. Empty: no such PMU."""
    base = Path(root)
    pmu = _number(_read(base / "type"))
    cpus = _cpus(_read(base / "cpumask"))
    if pmu is None or not cpus:
        return []
    places = {cpu: _place(host, cpu) for cpu in cpus}
    dies = [package for package, _die in places.values()]
    found: list[Event] = []
    for name, (kind, prefix) in _KINDS.items():
        config = _config(base, name)
        scale_j = _scale(base, name)
        if config is None or scale_j is None:
            continue
        for cpu in cpus[:1] if kind == "psys" else cpus:
            package, die = places[cpu]
            several = dies.count(package) > 1
            channel = prefix if kind == "psys" else f"{prefix}{package}" + (f"-die{die}" if several else "")
            found.append(Event(channel, kind, name, pmu, config, cpu, scale_j))
    return found


def _config(base: Path, name: str) -> int | None:
    """The number for `perf_event_attr.config`: `event=0x02`, put where `format/event` says (`config:0-7`)."""
    words = _read(base / "events" / name)
    match = re.search(r"\bevent=(0x[0-9a-fA-F]+|\d+)", words or "")
    if match is None:
        return None
    place = re.fullmatch(r"config:(\d+)(?:-\d+)?", _read(base / "format/event") or "config:0-7")
    return None if place is None else int(match[1], 0) << int(place[1])


def _scale(base: Path, name: str) -> float | None:
    """Joules of one count; None when the unit is another one or not said."""
    if _read(base / "events" / f"{name}.unit") != "Joules":
        return None
    try:
        scale_j = float(_read(base / "events" / f"{name}.scale") or "")
    except ValueError:
        return None
    return scale_j if scale_j > 0 else None


def _place(host: str, cpu: int) -> tuple[int, int]:
    """Package and die of a CPU."""
    topology = Path(host) / f"sys/devices/system/cpu/cpu{cpu}/topology"
    return _number(_read(topology / "physical_package_id")) or 0, _number(_read(topology / "die_id")) or 0


def _cpus(mask: str | None) -> list[int]:
    """CPUs of a list such as `0,18` or `0-1,4`."""
    cpus: list[int] = []
    for piece in (mask or "").split(","):
        low, _, high = piece.partition("-")
        if low.isdigit():
            cpus += range(int(low), int(high) + 1 if high.isdigit() else int(low) + 1)
    return cpus


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
