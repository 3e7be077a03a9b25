"""How many CPUs this process may use: the one answer for everything in wattleak that starts or judges threads."""

from __future__ import annotations

import os
import sys


def allowed_cpus() -> int | None:
    """The CPUs of this process' affinity (sched_setaffinity(2), cpuset); None: macOS has no such limit to ask for."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    if sys.platform == "win32":
        import psutil  # noqa: PLC0415 - Linux does without

        return len(psutil.Process().cpu_affinity() or ()) or None
    return None


def usable_cpus() -> int | None:
    """The same; without a limit to ask for, the CPUs of the machine. None: the system tells neither."""
    return allowed_cpus() or os.cpu_count()
