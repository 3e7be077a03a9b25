"""What a program was given of its machine, on trees written as kernels, container managers and Slurm write them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from wattleak.environment.allocation import read_allocation
from wattleak.environment.cgroups import control_groups
from wattleak.environment.fingerprint import current_session, fingerprint

if TYPE_CHECKING:
    from pathlib import Path

STAT = "cpu  1 2 3\n" + "".join(f"cpu{number} 1 2 3\n" for number in range(64)) + "intr 5\n"
V2 = "30 25 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw,nsdelegate\n"
V1 = (
    "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "33 31 0:30 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


@pytest.fixture
def machine(tmp_path: Path):
    """A machine of 64 CPUs; each call writes more files of it."""

    def write(files: dict[str, str]) -> str:
        for name, text in {"proc/stat": STAT, **files}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return str(tmp_path)

    return write


def test_a_machine_of_ones_own_has_nothing_to_say(machine) -> None:
    root = machine({"proc/self/status": "Cpus_allowed_list:\t0-63\n", "proc/self/cgroup": "0::/user.slice\n"})
    found = read_allocation(control_groups(root), {})

    assert (found.cpus, found.cpus_allowed, found.cpu_quota, found.container) == (64, 64, None, None)
    assert found.notes() == ()
    assert found.facts() == {}


def test_docker_with_two_cpus_under_version_2(machine) -> None:
    """In a cgroup namespace the group shows as "/", and its files lie at the mount point."""
    root = machine(
        {
            ".dockerenv": "",
            "proc/self/mountinfo": V2,
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "200000 100000\n",
            "sys/fs/cgroup/memory.max": "4294967296\n",
        }
    )
    found = read_allocation(control_groups(root), {})

    assert (found.cpu_quota, found.memory_limit_b) == (2.0, 4 << 30)
    assert found.notes() == ("measured in a container (docker) with 2 of 64 CPUs",)
    assert found.facts() == {"container": "docker", "cpu_quota": "2", "memory_limit_b": str(4 << 30)}


def test_kubernetes_under_version_1(machine) -> None:
    """The mount shows only our own group, so the path in /proc/self/cgroup is cut by the root of the mount."""
    group = "/kubepods/burstable/pod12/34"
    root = machine(
        {
            "proc/self/mountinfo": V1.format(root=group),
            "proc/self/cgroup": f"4:memory:{group}\n3:cpu,cpuacct:{group}\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        }
    )
    found = read_allocation(control_groups(root), {})

    assert (found.container, found.cpu_quota, found.memory_limit_b) == ("kubernetes", 1.5, None)
    assert found.notes() == ("measured in a container (kubernetes) with 1.5 of 64 CPUs",)


def test_a_limit_above_our_own_group_counts(machine) -> None:
    root = machine(
        {
            "proc/self/mountinfo": V2,
            "proc/self/cgroup": "0::/team.slice/job.scope\n",
            "sys/fs/cgroup/team.slice/cpu.max": "400000 100000\n",
            "sys/fs/cgroup/team.slice/job.scope/cpu.max": "max 100000\n",
        }
    )
    found = read_allocation(control_groups(root), {})

    assert found.cpu_quota == 4.0
    assert found.notes() == ("measured with 4 of 64 CPUs",)


def test_a_slurm_step_that_is_bound_to_eight_cpus(machine) -> None:
    root = machine({"proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-3,32-35\n"})
    found = read_allocation(control_groups(root), {"SLURM_JOB_ID": "4711", "SLURM_STEP_ID": "0"})

    assert found.cpus_allowed == 8
    assert found.notes() == ("measured in Slurm job 4711, step 0 with 8 of 64 CPUs",)
    assert found.facts() == {"slurm_job": "4711"}


def test_lxcfs_over_proc_stat_is_seen(machine) -> None:
    mount = "88 87 0:50 /proc/stat /proc/stat rw,nosuid - fuse.lxcfs lxcfs rw,user_id=0\n"
    found = read_allocation(control_groups(machine({"proc/self/mountinfo": mount})), {})

    assert (found.container, found.hidden_stat) == ("lxc", "fuse.lxcfs")
    assert any("/proc/stat is not the machine's" in note for note in found.notes())


def test_here_it_agrees_with_the_kernel() -> None:
    found = read_allocation()

    assert found.cpus_allowed == len(os.sched_getaffinity(0))
    assert found.cpus >= found.cpus_allowed


def test_another_slurm_job_is_another_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """design: a session is a stretch of runs on one boot of one node in one allocation."""
    facts = []
    for job in ("1", "2"):
        monkeypatch.setenv("SLURM_JOB_ID", job)
        facts.append(fingerprint())
    first = current_session(facts[0], None, None)
    now = first.started_at

    assert current_session(facts[0], first, now) == first
    assert current_session(facts[1], first, now) != first


def test_the_groups_of_both_versions_are_found_version_2_first(machine) -> None:
    mounts = V1.format(root="/") + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    groups = "3:cpu,cpuacct:/job\n2:memory:/elsewhere\n0::/job.scope\n"
    there = ("sys/fs/cgroup/unified/job.scope/cpu.stat", "sys/fs/cgroup/cpu,cpuacct/job/cpuacct.usage")
    root = machine({"proc/self/mountinfo": mounts, "proc/self/cgroup": groups, **dict.fromkeys(there, "")})

    assert [str(folder) for folder in control_groups(root).clocks()] == [
        f"{root}/sys/fs/cgroup/unified/job.scope",
        f"{root}/sys/fs/cgroup/cpu,cpuacct/job",
    ]
