"""How many threads a program of the studies computes with."""

from __future__ import annotations

import os

from wattleak.environment.cpus import usable_cpus


def threads() -> int:
    """As many as $OMP_NUM_THREADS says, else as many as there are CPUs that this process may use."""
    stated = os.environ.get("OMP_NUM_THREADS", "")
    return int(stated) if stated.isdigit() and int(stated) else usable_cpus() or 1
