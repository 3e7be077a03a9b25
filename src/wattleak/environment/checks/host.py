"""What the checks look at: files below one root, the variables of this process, and two moments a second apart.

Tests hand in the root of a tree that they wrote; a user's is `/`. Whatever cannot be read is None, and the check that
needs it says "not known".
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.cgroups import control_groups, cpu_statistics
from wattleak.environment.checks.reading import cpu_list, read, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.environment.checks.gpu import Gpu

# Fields of the first line of /proc/stat after "cpu" (proc_stat(5)). `guest` and `guest_nice` are inside user and nice.
_STAT = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_BUSY = ("user", "nice", "system", "irq", "softirq")
_TIME_ERROR = 5  # linux/timex.h


@dataclass(frozen=True, slots=True)
class Moment:
    """Counters of the machine as they stood at `time_s`; what could not be read is None or absent."""

    time_s: float
    cpu_s: Mapping[str, float]  # seconds of all CPUs by kind (user, idle, steal, ...) since boot
    processes: Mapping[int, tuple[str, float]]  # pid -> name, CPU-seconds so far
    swapped: int | None  # pages swapped in and out since boot
    throttled: int | None  # periods in which our cgroup was throttled
    cooled: int | None  # thermal throttle events of all CPUs since boot

    @property
    def busy_s(self) -> float | None:
        return sum(self.cpu_s[name] for name in _BUSY) if self.cpu_s else None


@dataclass(frozen=True, slots=True)
class Host:
    """One machine. `before` and `after` are two moments; `gpus` is None where NVML does not open."""

    root: Path = Path("/")
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    store: Path = Path(".wattleak")
    before: Moment | None = None
    after: Moment | None = None
    gpus: tuple[Gpu, ...] | None = None
    clock_synchronised: bool | None = None  # as the kernel says (adjtimex)
    system: str = sys.platform

    def read(self, path: str) -> str | None:
        """Text of a file below the root, stripped; None when it cannot be read."""
        return read(self.root, path)

    def number(self, path: str) -> int | None:
        """The whole number that a file holds; None when it cannot be read or holds none."""
        return whole(self.read(path))

    def names(self, path: str) -> list[str] | None:
        """Names in a folder, sorted; None when it cannot be read."""
        try:
            return sorted(entry.name for entry in (self.root / path).iterdir())
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        return (self.root / path).exists()

    def fields(self, path: str) -> dict[str, str]:
        """`name: value` or `name value` lines of a file; empty when it cannot be read."""
        found: dict[str, str] = {}
        for line in (self.read(path) or "").splitlines():
            name, colon, value = line.partition(":")
            if not colon:
                name, _, value = line.partition(" ")
            found.setdefault(name.strip(), value.strip())
        return found

    def cpus(self) -> list[int] | None:
        """The CPUs that are online."""
        return cpu_list(self.read("sys/devices/system/cpu/online"))

    def allowed_cpus(self) -> list[int] | None:
        """The CPUs that this process may use."""
        return cpu_list(self.fields("proc/self/status").get("Cpus_allowed_list"))

    def is_guest(self) -> bool | None:
        """Whether a hypervisor runs this machine; None when nothing says."""
        flags = self.fields("proc/cpuinfo").get("flags")
        if flags is not None:
            return "hypervisor" in flags.split()
        return True if self.exists("proc/device-tree/hypervisor") or self.exists("sys/hypervisor/type") else None


def this_machine(store: Path, *, pause_s: float = 1.0, gpus: tuple[Gpu, ...] | None = None) -> Host:
    """The machine that we run on, watched for `pause_s` seconds."""
    root = Path("/")
    before = moment(root)
    time.sleep(pause_s)
    after = moment(root)
    return Host(root, store=store, before=before, after=after, gpus=gpus, clock_synchronised=_synchronised())


def moment(root: Path, time_s: float | None = None) -> Moment:
    """The counters below a root now (or, for a tree that stands still, at a stated time)."""
    return Moment(
        time_s=time.monotonic() if time_s is None else time_s,
        cpu_s=_cpu_seconds(root),
        processes=_processes(root),
        swapped=_swapped(root),
        throttled=cpu_statistics(control_groups(root)).get("nr_throttled"),
        cooled=_cooled(root),
    )


def _tick_s() -> float:
    return 1.0 / os.sysconf("SC_CLK_TCK")


def _cpu_seconds(root: Path) -> dict[str, float]:
    words = (read(root, "proc/stat") or "").split("\n", 1)[0].split()[1:]
    ticks = [whole(word) for word in words[: len(_STAT)]]
    if len(ticks) < len(_STAT):
        return {}
    return {name: count * _tick_s() for name, count in zip(_STAT, ticks, strict=True) if count is not None}


def _processes(root: Path) -> dict[int, tuple[str, float]]:
    found = {}
    try:
        pids = [entry.name for entry in (root / "proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return {}
    for pid in pids:
        head, closed, rest = (read(root, f"proc/{pid}/stat") or "").rpartition(")")  # a name may hold blanks and )
        words = rest.split()
        if closed and len(words) > 12:
            used = (whole(words[11]) or 0) + (whole(words[12]) or 0)  # utime and stime, proc_pid_stat(5)
            found[int(pid)] = (head.partition("(")[2], used * _tick_s())
    return found


def _swapped(root: Path) -> int | None:
    fields = dict(line.split(" ", 1) for line in (read(root, "proc/vmstat") or "").splitlines() if " " in line)
    pages = [whole(fields.get(name)) for name in ("pswpin", "pswpout")]
    return None if pages[0] is None or pages[1] is None else pages[0] + pages[1]


def _cooled(root: Path) -> int | None:
    """Thermal events, once per CPU for its core and for its package: a rise is what matters, not the number."""
    counts = [
        whole(read(root, str(path.relative_to(root))))
        for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")
    ]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _synchronised() -> bool | None:
    """Whether the kernel holds its clock for synchronised: adjtimex(2) returns TIME_ERROR when it does not."""
    import ctypes  # noqa: PLC0415 - only a look at this machine needs it

    if not sys.platform.startswith("linux"):
        return None
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    answer = adjtimex(ctypes.create_string_buffer(256))  # struct timex is 208 bytes on 64-bit Linux; modes = 0 reads
    return None if answer < 0 else answer != _TIME_ERROR
