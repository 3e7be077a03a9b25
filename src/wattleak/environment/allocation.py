"""What a program may use of its machine: container, cgroup limits, CPU binding, Slurm allocation.

All of it is read from files and variables, nothing is asked from a daemon. What cannot be known is None.

Source: sbatch(1) for the variables of Slurm; `wattleak.environment.cgroups` for the rest.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from wattleak.environment.cgroups import control_groups, cpu_quota, memory_limit
from wattleak.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wattleak.environment.cgroups import ControlGroups

_BY_PATH = ("kubepods", "docker", "libpod", "lxc", "machine.slice/machine-", "garden", "crio", "containerd")
_NAMES = {"kubepods": "kubernetes", "libpod": "podman", "machine.slice/machine-": "systemd-nspawn"}


class Allocation(NamedTuple):
    """The part of a machine that a program was given."""

    cpus: int  # of the machine, as /proc/stat lists them
    cpus_allowed: int | None = None  # that this process may run on (sched_setaffinity(2), cpuset)
    cpu_quota: float | None = None  # CPUs' worth of time that its cgroup, or one above it, may use
    memory_limit_b: int | None = None
    container: str | None = None  # "docker", "kubernetes", ...; "container" when the kind is not known
    slurm_job: str | None = None
    slurm_step: str | None = None
    hidden_stat: str | None = None  # what is mounted over /proc/stat, which then is not the machine's

    def notes(self) -> tuple[str, ...]:
        """What a reader of a measurement must know; empty on a machine of one's own."""
        usable = [float(self.cpus), self.cpu_quota, None if self.cpus_allowed is None else float(self.cpus_allowed)]
        given = min(value for value in usable if value is not None)
        part = f"with {given:g} of {self.cpus} CPUs" if given < self.cpus else "with all CPUs of the machine"
        where = []
        if self.container is not None:
            where.append("in a container" if self.container == "container" else f"in a container ({self.container})")
        if self.slurm_job is not None:
            step = f", step {self.slurm_step}" if self.slurm_step is not None else ""
            where.append(f"in Slurm job {self.slurm_job}{step}")
        found = []
        if where or given < self.cpus:
            found.append(f"measured {', '.join(where)} {part}" if where else f"measured {part}")
        if self.hidden_stat is not None:
            found.append(
                f"/proc/stat is not the machine's ({self.hidden_stat} is mounted over it): how busy the machine was "
                "cannot be seen from here; measure from outside the container to have its CPU counters shared out"
            )
        return tuple(found)

    def facts(self) -> dict[str, str]:
        """For a fingerprint: what makes this another machine to a program. What is not limited is absent."""
        facts = {
            "container": self.container,
            "cpu_quota": None if self.cpu_quota is None else f"{self.cpu_quota:g}",
            "memory_limit_b": None if self.memory_limit_b is None else str(self.memory_limit_b),
            "slurm_job": self.slurm_job,
        }
        return {name: value for name, value in facts.items() if value is not None}


def read_allocation(groups: ControlGroups | None = None, environ: Mapping[str, str] | None = None) -> Allocation:
    """What this process was given, by its control groups (default: `control_groups()`) and what lies beside them."""
    env = os.environ if environ is None else environ
    groups = control_groups() if groups is None else groups
    base = groups.base
    memory = _limited(memory_limit(groups))
    return Allocation(
        cpus=_cpus(base),
        cpus_allowed=_cpus_allowed(_read(base / "proc/self/status")),
        cpu_quota=_limited(cpu_quota(groups)),
        memory_limit_b=None if memory is None else int(memory),
        container=_container(env, groups),
        slurm_job=env.get("SLURM_JOB_ID"),
        slurm_step=env.get("SLURM_STEP_ID"),
        hidden_stat=next((mount.kind for mount in groups.mounts if mount.point == "/proc/stat"), None),
    )


def _limited(limit: float | None) -> float | None:
    return limit if limit is not None and math.isfinite(limit) else None


def _cpus(base: Path) -> int:
    lines = _read(base / "proc/stat").splitlines()
    return sum(line.startswith("cpu") and line[3:4].isdigit() for line in lines) or os.cpu_count() or 1


def _cpus_allowed(status: str) -> int | None:
    """From the list in /proc/self/status: "0-3,8" is five CPUs."""
    for line in status.splitlines():
        if line.startswith("Cpus_allowed_list:"):
            ranges = [part.partition("-") for part in line.split(":", 1)[1].strip().split(",") if part]
            return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)
    return None


def _container(env: Mapping[str, str], groups: ControlGroups) -> str | None:
    """The manager's own sign first; the path of a group last, because a host may show the groups of its guests."""
    paths = [*groups.paths.values(), *(mount.root for mount in groups.mounts if mount.kind.startswith("cgroup"))]
    by_path = next(filter(None, map(_outermost, paths)), None)
    signs = (
        ("kubernetes", bool(env.get("KUBERNETES_SERVICE_HOST"))),
        ("apptainer", bool(env.get("APPTAINER_NAME") or env.get("SINGULARITY_NAME"))),
        ("docker", (groups.base / ".dockerenv").exists()),
        ("podman", (groups.base / "run/.containerenv").exists()),
        (_NAMES.get(by_path or "", by_path), by_path is not None),
        ("lxc", any(mount.kind == "fuse.lxcfs" for mount in groups.mounts)),
        (env.get("container"), True),  # systemd's container interface: the manager names itself
    )
    return next((name for name, holds in signs if holds), None)


def _outermost(path: str) -> str | None:
    """The manager whose name stands first in the path of a group."""
    named = [(path.index(name), name) for name in _BY_PATH if name in path]
    return min(named)[1] if named else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
