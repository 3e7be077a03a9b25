"""A watched process in words: one line for each thing, most important first, then what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.reports import units

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.model.watching import Activity, Library, Slope, Watched

_KINDS = ("framework", "openmp", "math", "gpu")
_LEAST_SHARE = 0.01  # of a CPU, before its parts mean anything
_MOST_LIBRARIES = 3  # of a kind


@dataclass(frozen=True, slots=True)
class WatchRow:
    """One line: what it is about, what it is, and what there is to know about it."""

    label: str
    text: str
    note: str = ""
    warns: bool = False


@dataclass(frozen=True, slots=True)
class WatchStory:
    title: str
    aside: str
    rows: tuple[WatchRow, ...]
    seen: tuple[tuple[str, str], ...]  # code of the smell, and what was seen
    closing: tuple[str, ...]


def tell_watched(watched: Watched) -> WatchStory:
    """Everything that there is to say."""
    state = "ended" if watched.ended else "running"
    return WatchStory(
        title=f"process {watched.pid}  {' '.join(watched.command.split())}",
        aside=f"{state} · watched {units.duration(watched.duration_s)} · {watched.looks} looks",
        rows=tuple(_rows(watched)),
        seen=tuple((item.code, item.message) for item in watched.evidence),
        closing=tuple(_closing(watched)),
    )


def _rows(watched: Watched) -> Iterable[WatchRow]:
    now = watched.now
    many = "" if watched.processes == 1 else f" in {watched.processes} processes"
    yield WatchRow("threads", f"{watched.threads}{many}", f"{watched.running} ran or waited for a CPU at the last look")
    yield WatchRow("may use", _cpus(watched.cpus), watched.cpus_why)
    if now is not None:
        yield from _activity(now, watched)
    yield _memory(watched)
    for item in watched.power:
        value, interval = units.with_range(item.power_w, "W")
        whose = "this tree" if item.of_tree else "machine"
        yield WatchRow("power", f"{value} {interval}", f"{whose}, {item.channel} ({item.power_w.origin.value})")
    yield from _libraries(watched.libraries)
    if watched.packages:
        yield WatchRow("packages", ", ".join(watched.packages))
    if watched.devices:
        held = ", ".join(watched.devices_held) or "none of them"
        yield WatchRow("devices", ", ".join(watched.devices), f"held: {held}", warns=not watched.devices_held)


def _activity(now: Activity, watched: Watched) -> Iterable[WatchRow]:
    crowded = now.runnable is not None and now.runnable > 2 * max(1.0, watched.cpus)
    wanted = "the kernel does not count how long threads wait"
    if now.runnable is not None:
        wanted = f"{now.runnable:.1f} wanted a CPU at once"
    yield WatchRow("at work", f"{now.workers:.0f} threads", wanted, warns=crowded)
    kernel = f"{now.system_share:.0%} of it in the kernel" if now.cpu_share >= _LEAST_SHARE else ""
    yield WatchRow("CPU", f"{now.cpu_share:.2f} CPUs busy", kernel)
    total = now.voluntary_per_s + now.involuntary_per_s
    share = f"{now.involuntary_per_s / total:.0%} involuntary" if total else ""
    yield WatchRow("switches", f"{total:,.0f} a second", share)
    if now.throttled_share is not None:
        yield WatchRow(
            "quota",
            f"{_cpus(watched.quota_cpus or 0.0)}",
            f"stopped in {now.throttled_share:.0%} of periods",
            warns=now.throttled_share > 0.05,
        )


def _memory(watched: Watched) -> WatchRow:
    text = units.memory(watched.memory_b)
    grown = watched.memory_slope
    if grown is None:
        return WatchRow("memory", text, "too few looks for a slope")
    note = _slope(grown)
    if watched.memory_full_in_s is not None:
        note += f"; full in {units.duration(watched.memory_full_in_s)} at that slope"
    return WatchRow("memory", text, note, warns=watched.memory_full_in_s is not None)


def _slope(grown: Slope) -> str:
    """Bytes a minute, with the sign of what grows."""
    value, interval = units.interval_in_unit(60 * grown.per_s, 60 * grown.interval.low, 60 * grown.interval.high, "B")
    if not grown.per_s and not grown.interval.low and not grown.interval.high:
        return f"does not move (over {units.duration(grown.duration_s)})"
    return f"{value} a minute {interval} (over {units.duration(grown.duration_s)})"


def _libraries(libraries: Iterable[Library]) -> Iterable[WatchRow]:
    by_kind: dict[str, list[str]] = {}
    for item in libraries:
        paths = by_kind.setdefault(item.kind, [])
        if item.path not in paths:
            paths.append(item.path)
    for kind in _KINDS:
        paths = by_kind.get(kind, [])
        shown = ", ".join(_short(path) for path in paths[:_MOST_LIBRARIES])
        if paths:
            more = f" and {len(paths) - _MOST_LIBRARIES} more" if len(paths) > _MOST_LIBRARIES else ""
            yield WatchRow({"gpu": "GPU libs", "math": "math", "openmp": "OpenMP"}.get(kind, kind), shown + more)


def _closing(watched: Watched) -> Iterable[str]:
    for item in watched.unavailable:
        yield f"missing: {item.meter}: {item.reason}"
    yield from watched.notes


def _cpus(count: float) -> str:
    return f"{count:g} CPU{'' if count == 1 else 's'}"


def _short(path: str) -> str:
    """From the package on, where it is installed in one."""
    for mark in ("site-packages/", "dist-packages/"):
        if mark in path:
            return path.partition(mark)[2]
    return path
