"""What a program may use of its machine: container, cgroup limits, CPU binding, Slurm allocation.

All of it is read from files and variables, nothing is asked from a daemon. What cannot be known is None.

Sources: cgroups(7) and the kernel's cgroup-v2 and cfs-bandwidth pages for `cpu.max`, `cpu.cfs_quota_us`, `memory.max`,
`memory.limit_in_bytes`; proc_pid_mountinfo(5) for where they are mounted; sbatch(1) for the variables of Slurm.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NO_LIMIT_B = 1 << 60  # version 1 says "no limit" as the largest multiple of a page
_BY_PATH = re.compile(r"kubepods|docker|libpod|lxc|machine\.slice/machine-|garden|crio|containerd")
_NAMES = {"kubepods": "kubernetes", "libpod": "podman", "machine.slice/machine-": "systemd-nspawn"}


@dataclass(frozen=True, slots=True)
class Allocation:
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


class _Mount(NamedTuple):
    root: str
    point: str
    kind: str
    options: frozenset[str]


def read_allocation(root: str = "/", environ: Mapping[str, str] | None = None) -> Allocation:
    """What this process was given. `root` is where /proc and /sys are, for tests on a written tree."""
    base = Path(root)
    env = os.environ if environ is None else environ
    mounts = list(_mounts(_read(base / "proc/self/mountinfo")))
    groups = _groups(_read(base / "proc/self/cgroup"))
    folders = {kind: list(_levels(base, mounts, groups, kind)) for kind in ("cpu", "memory")}
    return Allocation(
        cpus=_cpus(base),
        cpus_allowed=_cpus_allowed(_read(base / "proc/self/status")),
        cpu_quota=min((q for folder in folders["cpu"] if (q := _quota(folder)) is not None), default=None),
        memory_limit_b=min((b for folder in folders["memory"] if (b := _memory(folder)) is not None), default=None),
        container=_container(base, env, groups, mounts),
        slurm_job=env.get("SLURM_JOB_ID"),
        slurm_step=env.get("SLURM_STEP_ID"),
        hidden_stat=next((mount.kind for mount in mounts if mount.point == "/proc/stat"), None),
    )


def own_groups(root: str = "/") -> tuple[str, ...]:
    """Folders of the control groups that this process is in and that have a clock of CPU time, version 2 first."""
    base = Path(root)
    mounts = sorted(_mounts(_read(base / "proc/self/mountinfo")), key=lambda mount: mount.kind != "cgroup2")
    groups = _groups(_read(base / "proc/self/cgroup"))
    found = (next(_levels(base, [mount], groups, "cpuacct"), None) for mount in mounts)
    return tuple(str(folder) for folder in found if folder is not None)


# -- cgroups ----------------------------------------------------------------------------------------------------------


def _mounts(text: str) -> Iterator[_Mount]:
    """36 35 98:0 /root /mount/point options - type source superoptions (proc_pid_mountinfo(5))."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        own, rest = before.split(" "), after.split(" ")
        if len(own) >= 5 and len(rest) >= 3:
            yield _Mount(own[3], own[4], rest[0], frozenset(rest[2].split(",")))


def _groups(text: str) -> dict[str, str]:
    """Controller -> path of our group; "" is version 2 (cgroups(7), /proc/PID/cgroup)."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        found.update(dict.fromkeys(controllers.split(","), path))
    return found


def _levels(base: Path, mounts: list[_Mount], groups: dict[str, str], controller: str) -> Iterator[Path]:
    """The folder of our group and of each group above it that can be seen: any of them may limit us."""
    for mount in mounts:
        first = mount.kind == "cgroup" and controller in mount.options
        second = mount.kind == "cgroup2"
        group = groups.get(controller if first else "") if first or second else None
        if group is None:
            continue
        top = base / mount.point.lstrip("/")
        inside = group.removeprefix(mount.root) if mount.root != "/" else group
        if ".." in inside.split("/"):  # our group lies outside of what is mounted here
            inside = ""
        folder = top / inside.strip("/")
        while folder != top and top in folder.parents:
            yield folder
            folder = folder.parent
        yield top


def _quota(folder: Path) -> float | None:
    words = _read(folder / "cpu.max").split()
    if len(words) != 2:
        words = [_read(folder / "cpu.cfs_quota_us").strip(), _read(folder / "cpu.cfs_period_us").strip()]
    try:
        quota, period = int(words[0]), int(words[1])
    except ValueError:  # "max", or no such file
        return None
    return quota / period if quota > 0 and period > 0 else None


def _memory(folder: Path) -> int | None:
    for name in ("memory.max", "memory.limit_in_bytes"):
        text = _read(folder / name).strip()
        if text.isdigit() and int(text) < _NO_LIMIT_B:
            return int(text)
    return None


# -- the rest ---------------------------------------------------------------------------------------------------------


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


def _container(base: Path, env: Mapping[str, str], groups: dict[str, str], mounts: list[_Mount]) -> str | None:
    """The manager's own sign first; the path of a group last, because a host may show the groups of its guests."""
    paths = [*groups.values(), *(mount.root for mount in mounts if mount.kind.startswith("cgroup"))]
    by_path = next((found[0] for path in paths if (found := _BY_PATH.search(path))), None)
    signs = (
        ("kubernetes", bool(env.get("KUBERNETES_SERVICE_HOST"))),
        ("apptainer", bool(env.get("APPTAINER_NAME") or env.get("SINGULARITY_NAME"))),
        ("docker", (base / ".dockerenv").exists()),
        ("podman", (base / "run/.containerenv").exists()),
        (_NAMES.get(by_path or "", by_path), by_path is not None),
        ("lxc", any(mount.kind == "fuse.lxcfs" for mount in mounts)),
        (env.get("container"), True),  # systemd's container interface: the manager names itself
    )
    return next((name for name, holds in signs if holds), None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
