"""Checks of memory: how much is left, and whether the machine moves pages to disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.environment.cgroups import control_groups, memory_limit
from wattleak.environment.checks.check import Outcome, info, not_known, ok, warning
from wattleak.environment.checks.reading import whole

if TYPE_CHECKING:
    from wattleak.environment.checks.host import Host

_LITTLE = 0.10  # fraction of memory that is left: an assumption
_STALLED_PERCENT = 1.0  # of the last ten seconds: an assumption


def memory_pressure(host: Host) -> Outcome:
    """Memory that is left, and how long programs have waited for memory (pressure stall information). A program that
    waits for memory takes longer and burns nothing but time.

    ok: more than 10 % is available and nobody waited. warning: less, or somebody waited 1 % of the last ten seconds
    (both thresholds are assumptions). not known: /proc/meminfo cannot be read.

    Remedy: end what fills the memory; `ps aux --sort=-rss | head` shows it.
    Source: proc_meminfo(5) (MemAvailable); kernel documentation, accounting/psi.
    """
    memory = _memory(host)
    total, left = memory.get("MemTotal"), memory.get("MemAvailable")
    if not total or left is None:
        return not_known("/proc/meminfo cannot be read")
    said = f"{left / 2**30:.1f} of {total / 2**30:.1f} GiB available"
    waited = _stalled(host)
    if waited is not None and waited >= _STALLED_PERCENT:
        return warning(f"{said}; programs waited {waited:g} % of the last 10 s for memory", _SHOW)
    if left < _LITTLE * total:
        return warning(said, _SHOW)
    return ok(said if waited is not None else f"{said} (the kernel keeps no account of waiting)")


_SHOW = "ps aux --sort=-rss | head shows what fills it"


def swap(host: Host) -> Outcome:
    """Swap moves pages of memory to disk. A program whose pages come back from there is slowed down by the disk, in
    some runs and not in others.

    ok: no swap. info: swap is there and unused. warning: it is in use, or pages moved in the second that doctor
    looked. not known: /proc/meminfo cannot be read.

    Remedy: `sudo swapoff -a` for the time of an experiment, when memory suffices.
    Source: proc_meminfo(5), proc_vmstat(5) (pswpin, pswpout).
    """
    memory = _memory(host)
    total, free = memory.get("SwapTotal"), memory.get("SwapFree")
    if total is None or free is None:
        return not_known("/proc/meminfo cannot be read")
    if total == 0:
        return ok("off")
    moved = None
    if host.before is not None and host.after is not None and None not in {host.before.swapped, host.after.swapped}:
        moved = (host.after.swapped or 0) - (host.before.swapped or 0)
    if moved:
        return warning(f"{moved} pages moved to or from disk in one look", "end what needs the memory, then look again")
    if total > free:
        return warning(f"{(total - free) / 2**20:.0f} MiB are swapped out", "sudo swapoff -a, when memory suffices")
    return info("on, not used", "sudo swapoff -a")


def memory_limit_of_group(host: Host) -> Outcome:
    """The control group (container, Slurm job, systemd unit) may grant less memory than the machine has. A program
    that needs more is killed.

    ok: no limit below the machine's memory. info: there is one. not known: no control group can be read.

    Remedy: `docker run --memory`, `--mem` of Slurm, `resources.limits.memory` of Kubernetes.
    Source: kernel documentation, admin-guide/cgroup-v2 (memory.max), admin-guide/cgroup-v1/memory.
    """
    limit = memory_limit(control_groups(host.root))
    if limit is None:
        return not_known("no control group for memory can be read")
    total = _memory(host).get("MemTotal")
    if limit == float("inf") or (total is not None and limit >= total):
        return ok("none below the machine's memory")
    return info(
        f"{limit / 2**30:.1f} GiB: a program that needs more is killed", "ask for more where the job is started"
    )


def _memory(host: Host) -> dict[str, int]:
    """Bytes by name."""
    found = {}
    for name, text in host.fields("proc/meminfo").items():
        number = whole(text.removesuffix("kB").strip())
        if number is not None:
            found[name] = number * 1024
    return found


def _stalled(host: Host) -> float | None:
    """Percent of the last ten seconds in which some program waited for memory."""
    for line in (host.read("proc/pressure/memory") or "").splitlines():
        kind, _, rest = line.partition(" ")
        averages = dict(pair.split("=", 1) for pair in rest.split() if "=" in pair)
        if kind == "some" and "avg10" in averages:
            try:
                return float(averages["avg10"])
            except ValueError:
                return None
    return None
