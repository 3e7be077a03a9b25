"""Finding the energy events of perf's `power` PMU, and saying why they cannot be used. Imported by probes only."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from wattleak.meters.cpuinfo import hypervisor, read_processor
from wattleak.model import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_METER = "perf-rapl"
_KINDS = {"energy-pkg": ("package", "cpu"), "energy-ram": ("dram", "dram"), "energy-psys": ("psys", "machine")}
_LOST = "without it CPU energy is modelled from CPU-seconds, right within a factor of two, instead of counted"
_ALLOW = (
    "sudo sysctl kernel.perf_event_paranoid=0 (until reboot; for good: a file /etc/sysctl.d/60-perf.conf with the line "
    "kernel.perf_event_paranoid = 0), or give CAP_PERFMON to the user's session. Not on a machine shared with people "
    "you do not trust: the counters betray what others compute (PLATYPUS, CVE-2020-8694)"
)


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


def explain(root: str, events: Sequence[Event], failures: Mapping[str, int], host: str) -> Unavailable:
    """Why events cannot be opened, or why there are none."""
    if events:
        names = ", ".join(sorted(failures))
        code = next(iter(failures.values()))
        level = _read(Path(host) / "proc/sys/kernel/perf_event_paranoid")
        if code in {errno.EACCES, errno.EPERM} and (_number(level) is None or (_number(level) or 0) > 0):
            reason = f"perf may not count {names} for this user (kernel.perf_event_paranoid is {level}); {_LOST}"
            return Unavailable(_METER, reason, _ALLOW)
        if code in {errno.EACCES, errno.EPERM}:
            reason = (
                f"the kernel would let perf count {names}, but something forbids the call, as containers do; {_LOST}"
            )
            return Unavailable(_METER, reason, "docker run --cap-add PERFMON (or --cap-add SYS_ADMIN before 20.10)")
        reason = f"perf cannot count {names}: {errno.errorcode.get(code, str(code))}; {_LOST}"
        return Unavailable(_METER, reason, f"perf stat -e power/{events[0].event}/ -a true shows what the kernel says")
    processor = read_processor(host)
    if processor.guest:
        called = hypervisor(host)
        where = f"virtual machine ({called})" if called else "virtual machine"
        reason = f"this is a {where}, and perf has no energy events in it; {_LOST}"
        return Unavailable(_METER, reason, "nothing to type here: counters need a bare-metal machine or instance")
    if not sys.platform.startswith("linux") or processor.vendor not in {"intel", "amd"}:
        reason = f"perf has energy events only on Linux with Intel's and AMD's processors; {_LOST}"
        return Unavailable(_METER, reason, "nothing to type here")
    reason = f"{root} is not there: the kernel's driver for perf's energy events is not loaded; {_LOST}"
    return Unavailable(_METER, reason, "sudo modprobe rapl (kernels before 5.8: intel_rapl_perf)")


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
