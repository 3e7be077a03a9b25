"""What machine this is, in stable fields only, and which session a run belongs to.

A field that moves by itself (clock speed, bogomips, load) would split one machine into many; such things are readings
of a run, not part of its identity.
"""

from __future__ import annotations

import os
import platform
import socket
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.environment.allocation import read_allocation
from wattleak.environment.cpus import allowed_cpus
from wattleak.model import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_LONGEST_BREAK = timedelta(hours=6)  # design.md section 3: after that a new session begins
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_WAIT_POLICY",
    "CUDA_VISIBLE_DEVICES",
)


def fingerprint(channels: Iterable[str] = ()) -> dict[str, str]:
    """Name and value of each stable fact of this machine; what cannot be known is absent."""
    allowed = allowed_cpus()
    facts: dict[str, str | None] = {
        "node": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cpu": _cpu_name(),
        "cpus": str(os.cpu_count()),
        "cpus_allowed": None if allowed is None else str(allowed),
        "memory_b": _memory_b(),
        "microcode": _cpuinfo("microcode"),
        "hypervisor": "yes" if "hypervisor" in (_cpuinfo("flags") or "").split() else "no",
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "python": platform.python_version(),
        "channels": " ".join(channels) or "none",
        **{name: os.environ.get(name) for name in _THREAD_VARIABLES},
        **read_allocation().facts(),
    }
    return {name: value for name, value in facts.items() if value is not None}


def digest(facts: Mapping[str, str]) -> str:
    """Short digest of a fingerprint; two runs with the same one ran on the same machine, set up alike."""
    return sha256("\n".join(f"{name}={facts[name]}" for name in sorted(facts)).encode()).hexdigest()[:16]


def current_session(facts: Mapping[str, str], before: Session | None, last_run_at: str | None) -> Session:
    """The session of a run that starts now.

    It is that of `before`, or a new one after a boot, on another node, on a machine set up otherwise, or six hours
    after the last run.
    """
    now = datetime.now(UTC)
    boot = (_read("/proc/sys/kernel/random/boot_id") or "unknown") + " " + digest(facts)
    if before is not None and (before.node, before.boot) == (facts["node"], boot) and last_run_at is not None:
        rested = now - datetime.fromisoformat(last_run_at)
        if rested < _LONGEST_BREAK:
            return before
    started_at = now.isoformat(timespec="seconds")
    identity = sha256(f"{facts['node']} {boot} {started_at}".encode()).hexdigest()[:8]
    return Session(identity, facts["node"], boot, started_at)


def _memory_b() -> str | None:
    if hasattr(os, "sysconf"):
        return str(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    import psutil  # noqa: PLC0415 - Linux and macOS do without

    return str(psutil.virtual_memory().total)


def _cpu_name() -> str | None:
    return _cpuinfo("model name") or platform.processor() or None


def _cpuinfo(field: str) -> str | None:
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == field:
            return value.strip()
    return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip() or None
    except OSError:
        return None
