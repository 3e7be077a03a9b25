"""Stretches and libraries as facts of a run, and back: what the outside probe notes beside what the agent does.

A fact that is not whole is passed over, as everything in `signals` that lacks what a reader needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.signals.outside.libraries import Device, LoadedLibraries, Mapped
from wattleak.signals.outside.stretches import ProcessStretch, Stretch

if TYPE_CHECKING:
    from wattleak.signals.seen import Signals

STRETCH = "stretch"
LIBRARIES = "libraries"
FILE = "outside.jsonl"  # among those of the agents
_MOST_PROCESSES = 64  # of a stretch: those that wanted the most of the CPUs
_PROCESS = tuple(ProcessStretch.__dataclass_fields__)


def stretch_record(stretch: Stretch) -> dict[str, Any]:
    """An event, at the end of the stretch."""
    kept = sorted(stretch.processes, key=lambda process: process.runnable or process.run_s, reverse=True)
    return {
        "k": STRETCH,
        "t": stretch.end_s,
        "start_s": stretch.start_s,
        "cpus": stretch.cpus,
        "why": stretch.why,
        "processes": [[getattr(process, name) for name in _PROCESS] for process in kept[:_MOST_PROCESSES]],
        "periods": stretch.periods,
        "throttled": stretch.throttled,
        "throttled_s": stretch.throttled_s,
        "others": stretch.others,
    }


def stretches_in(signals: Signals) -> tuple[Stretch, ...]:
    """The stretches that were noted, in time order."""
    found = []
    for fact in signals.of(STRETCH):
        values = fact.values
        try:
            processes = tuple(ProcessStretch(*values_of) for values_of in values["processes"])
            found.append(
                Stretch(
                    start_s=float(values["start_s"]),
                    end_s=float(fact.time_s or 0.0),
                    cpus=float(values["cpus"]),
                    why=str(values["why"]),
                    processes=processes,
                    periods=int(values["periods"]),
                    throttled=int(values["throttled"]),
                    throttled_s=float(values["throttled_s"]),
                    others=None if values.get("others") is None else float(values["others"]),
                )
            )
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(sorted(found, key=lambda stretch: stretch.end_s))


def libraries_record(libraries: LoadedLibraries) -> dict[str, Any]:
    """The state of one process: the last one holds."""
    return {
        "k": LIBRARIES,
        "key": f"{libraries.pid}-{libraries.born_ticks}",
        "pid": libraries.pid,
        "born_ticks": libraries.born_ticks,
        "command": libraries.command,
        "mapped": [[item.path, item.file] for item in libraries.mapped],
        "search_path": list(libraries.search_path),
        "preload": list(libraries.preload),
        "hides_devices": libraries.hides_devices,
        "folders": list(libraries.folders),
        "packages": dict(libraries.packages),
        "wanted": dict(libraries.wanted),
        "own_copies": dict(libraries.own_copies),
        "devices": [[item.path, item.held] for item in libraries.devices],
        "cpu_s": libraries.cpu_s,
    }


def libraries_in(signals: Signals) -> tuple[LoadedLibraries, ...]:
    """What was loaded, by process."""
    found = []
    for fact in signals.of(LIBRARIES):
        values = fact.values
        try:
            found.append(
                LoadedLibraries(
                    pid=int(values["pid"]),
                    born_ticks=int(values["born_ticks"]),
                    command=str(values["command"]),
                    mapped=tuple(Mapped(str(path), str(file)) for path, file in values["mapped"]),
                    search_path=tuple(values["search_path"]),
                    preload=tuple(values["preload"]),
                    hides_devices=bool(values["hides_devices"]),
                    folders=tuple(values["folders"]),
                    packages=dict(values["packages"]),
                    wanted=dict(values["wanted"]),
                    own_copies=dict(values["own_copies"]),
                    devices=tuple(Device(str(path), bool(held)) for path, held in values["devices"]),
                    cpu_s=float(values["cpu_s"]),
                )
            )
        except (KeyError, TypeError, ValueError):
            continue
    return tuple(found)
