"""Why energy counters of CPUs cannot be read here, through powercap or through perf. Imported by probes only."""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.meters.cpuinfo import hypervisor, read_processor
from wattleak.meters.rapl import zone_names
from wattleak.model import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.meters.perf_events import Event
    from wattleak.meters.powercap import Zone

_LOST = "without it CPU energy is modelled from CPU-seconds, right within a factor of two, instead of counted"
_OPEN_UP = (
    "sudo chmod a+r /sys/class/powercap/*rapl*:*/energy_uj (until reboot), or for good a file "
    '/etc/udev/rules.d/60-rapl.rules with the line: SUBSYSTEM=="powercap", ACTION=="add", '
    'RUN+="/bin/chmod a+r /sys%p/energy_uj". Not on a machine shared with people you do not trust: the counters '
    "betray what others compute (PLATYPUS, CVE-2020-8694)"
)
_ALLOW = (
    "sudo sysctl kernel.perf_event_paranoid=0 (until reboot; for good: a file /etc/sysctl.d/60-perf.conf with the line "
    "kernel.perf_event_paranoid = 0), or give CAP_PERFMON to the user's session. Not on a machine shared with people "
    "you do not trust: the counters betray what others compute (PLATYPUS, CVE-2020-8694)"
)


def why_no_zone(root: str, zones: Sequence[Zone], host: str) -> Unavailable:
    """Why nothing can be read: root only, hidden by the container, a guest, no driver, not Linux."""
    if zones:
        return _unreadable(zones, "no RAPL counter can be read")
    hidden = zone_names(root)
    if hidden:
        return Unavailable(
            "rapl",
            f"{root} lists {hidden[0]} but hides what is in it, as containers do; {_LOST}",
            "docker run --security-opt systempaths=unconfined, or podman run --security-opt "
            "unmask=/sys/devices/virtual/powercap",
        )
    processor = read_processor(host)
    if processor.guest:
        reason = f"this is a {_guest(host)}, and the hypervisor does not pass the CPU's energy counters on; {_LOST}"
        return Unavailable("rapl", reason, "nothing to type here: counters need a bare-metal machine or instance")
    if not sys.platform.startswith("linux"):
        return Unavailable("rapl", f"powercap is an interface of Linux; {_LOST}", "run on Linux")
    if processor.vendor not in {"intel", "amd"}:
        reason = f"this processor has no RAPL counters (they are Intel's and AMD's); {_LOST}"
        return Unavailable("rapl", reason, "nothing to type here")
    reason = f"{root} has no RAPL zones: the kernel's driver is not loaded; {_LOST}"
    return Unavailable("rapl", reason, "sudo modprobe intel_rapl_msr (AMD: kernel 5.11 or later)")


def zones_lost(zones: Sequence[Zone]) -> tuple[Unavailable, ...]:
    """What is lost where some zones can be read and these cannot."""
    return (_unreadable(zones, "some RAPL counters cannot be read"),) if zones else ()


def _unreadable(zones: Sequence[Zone], what: str) -> Unavailable:
    listed = ", ".join(f"{zone.kind} {zone.id}" for zone in zones)
    if any(isinstance(zone.failure, PermissionError) for zone in zones):
        return Unavailable("rapl", f"{what}: only root may read {listed}; {_LOST}", _OPEN_UP)
    why = next((str(zone.failure) for zone in zones if zone.failure), "unknown")
    return Unavailable("rapl", f"{what}: {listed}: {why}; {_LOST}", f"cat {zones[0].path} shows what the kernel says")


def why_no_event(root: str, events: Sequence[Event], failures: Mapping[str, int], host: str) -> Unavailable:
    """Why events cannot be opened, or why there are none."""
    if events:
        names = ", ".join(sorted(failures))
        code = next(iter(failures.values()))
        level = _paranoid(host)
        if code in {errno.EACCES, errno.EPERM} and (level is None or level > 0):
            reason = f"perf may not count {names} for this user (kernel.perf_event_paranoid is {level}); {_LOST}"
            return Unavailable("perf-rapl", reason, _ALLOW)
        if code in {errno.EACCES, errno.EPERM}:
            reason = (
                f"the kernel would let perf count {names}, but something forbids the call, as containers do; {_LOST}"
            )
            return Unavailable(
                "perf-rapl", reason, "docker run --cap-add PERFMON (or --cap-add SYS_ADMIN before 20.10)"
            )
        reason = f"perf cannot count {names}: {errno.errorcode.get(code, str(code))}; {_LOST}"
        return Unavailable(
            "perf-rapl", reason, f"perf stat -e power/{events[0].event}/ -a true shows what the kernel says"
        )
    processor = read_processor(host)
    if processor.guest:
        reason = f"this is a {_guest(host)}, and perf has no energy events in it; {_LOST}"
        return Unavailable("perf-rapl", reason, "nothing to type here: counters need a bare-metal machine or instance")
    if not sys.platform.startswith("linux") or processor.vendor not in {"intel", "amd"}:
        reason = f"perf has energy events only on Linux with Intel's and AMD's processors; {_LOST}"
        return Unavailable("perf-rapl", reason, "nothing to type here")
    reason = f"{root} is not there: the kernel's driver for perf's energy events is not loaded; {_LOST}"
    return Unavailable("perf-rapl", reason, "sudo modprobe rapl (kernels before 5.8: intel_rapl_perf)")


def _guest(host: str) -> str:
    called = hypervisor(host)
    return f"virtual machine ({called})" if called else "virtual machine"


def _paranoid(host: str) -> int | None:
    try:
        return int((Path(host) / "proc/sys/kernel/perf_event_paranoid").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
