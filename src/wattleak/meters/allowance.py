"""What part of a machine a container was given: CPUs by its cgroup's quota or set, memory by its limit.

Only the top of the cgroup file system as we see it is read. On a host that is the root cgroup, which has no limits;
in a container with a name space of its own it is the container's cgroup (cgroups(7), cgroup_namespaces(7)). So a limit
that is found there is what was rented, as the vCPUs of a virtual machine are.

Imported by probes only, never by the recorder.
"""

from __future__ import annotations

from pathlib import Path

from wattleak.records import NamedTuple


class CpuAllowance(NamedTuple):
    """CPUs that may be used at once, and the file that counts the CPU time of everything in the container."""

    cpus: float
    usage_path: str
    usage_field: int  # which word of the file is the count
    usage_unit_s: float


def cpu_allowance(cpus: int, host: str = "/") -> CpuAllowance | None:
    """The container's share of `cpus` CPUs; None where nothing limits us, or nothing counts what the container uses."""
    base = Path(host) / "sys/fs/cgroup"
    limits = [_quota_v2(base), _quota_v1(base), *(_set_size(base / name) for name in _SETS)]
    allowed = min([limit for limit in limits if limit], default=None)
    if allowed is None or allowed >= cpus:
        return None
    for name, field, unit_s in (("cpu.stat", 1, 1e-6), ("cpuacct/cpuacct.usage", 0, 1e-9)):
        words = _words(base / name)
        if len(words) > field and words[field].isdigit() and (field == 0 or words[0] == "usage_usec"):
            return CpuAllowance(allowed, str(base / name), field, unit_s)
    return None


def memory_allowance_b(host: str = "/") -> int | None:
    """The container's memory limit in bytes; None where there is none."""
    base = Path(host) / "sys/fs/cgroup"
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        words = _words(base / name)
        if words and words[0].isdigit():
            return int(words[0])
    return None


_SETS = ("cpuset.cpus.effective", "cpuset/cpuset.cpus")


def _quota_v2(base: Path) -> float | None:
    words = _words(base / "cpu.max")  # "200000 100000": microseconds of CPU time in each period; "max": no quota
    if len(words) < 2 or not all(word.isdigit() for word in words[:2]):
        return None
    return int(words[0]) / int(words[1]) if int(words[1]) else None


def _quota_v1(base: Path) -> float | None:
    quota, period = _words(base / "cpu/cpu.cfs_quota_us"), _words(base / "cpu/cpu.cfs_period_us")
    if not quota or not period or not quota[0].isdigit() or not period[0].isdigit():
        return None  # no quota reads as -1
    return int(quota[0]) / int(period[0]) if int(period[0]) else None


def _set_size(path: Path) -> float | None:
    """CPUs in a list such as `0-3,8`; None when it cannot be read."""
    words = _words(path)
    if not words:
        return None
    try:
        bounds = [part.partition("-") for part in words[0].split(",")]
        return float(sum(int(last or first) - int(first) + 1 for first, _, last in bounds))
    except ValueError:
        return None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []
