"""Checks of what else works here, and of how much of the machine is ours."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING

from wattleak.environment.cgroups import control_groups, cpu_quota, cpu_statistics
from wattleak.environment.checks.check import Outcome, error, info, not_known, ok, warning
from wattleak.environment.checks.reading import whole

if TYPE_CHECKING:
    from wattleak.environment.checks.host import Host

_NEIGHBOURS = 0.05  # CPUs: an assumption; a resting Linux desktop stays below
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_CONTAINERS = (
    ("docker", "Docker"),
    ("kubepods", "Kubernetes"),
    ("libpod", "Podman"),
    ("containerd", "containerd"),
    ("lxc", "LXC"),
)
_BATCH = (
    ("SLURM_JOB_ID", "Slurm job"),
    ("PBS_JOBID", "PBS job"),
    ("LSB_JOBID", "LSF job"),
    ("_CONDOR_SCRATCH_DIR", "HTCondor job in"),
)


def other_load(host: Host) -> Outcome:
    """CPU time that other programs used in the second that doctor slept. Each of them takes caches, memory and clock
    from what is measured, and a counter of the whole machine sees their energy too.

    ok: less than 0.05 CPUs (an assumption). warning: more; the busiest are named. not known: /proc/stat cannot be
    read.

    Remedy: end them, or measure when they rest. `systemctl list-timers` shows what starts by itself.
    Source: proc_stat(5), proc_pid_stat(5).
    """
    before, after = host.before, host.after
    if before is None or after is None or before.busy_s is None or after.busy_s is None:
        return not_known("/proc/stat cannot be read")
    elapsed_s = after.time_s - before.time_s
    if elapsed_s <= 0:
        return not_known("no time passed between the two looks")
    cpus = max(0.0, (after.busy_s - before.busy_s) / elapsed_s)
    used = {
        pid: (name, cpu_s - before.processes[pid][1])
        for pid, (name, cpu_s) in after.processes.items()
        if pid in before.processes
    }
    busiest = sorted(((s, name, pid) for pid, (name, s) in used.items() if s / elapsed_s >= 0.01), reverse=True)
    said = f"{cpus:.2f} CPUs busy"
    if cpus < _NEIGHBOURS:
        return ok(said)
    named = [f"{name} (pid {pid}) {s / elapsed_s:.2f}" for s, name, pid in busiest[:3]]
    if sum(used_s for used_s, _, _ in busiest) < cpus * elapsed_s / 2:
        named.append("the rest by processes that came and went, or that are not shown")
    return warning(f"{said}: {', '.join(named)}", "end them, or measure when they rest")


def cpu_affinity(host: Host) -> Outcome:
    """Whether this process may use every CPU of the machine. Who may use only some runs beside others on the rest.

    ok: all CPUs that are online. info: only some (taskset, cpuset, a Slurm or Kubernetes allocation). not known: the
    kernel does not say.

    Source: proc_pid_status(5) (Cpus_allowed_list); sched_setaffinity(2).
    """
    allowed, online = host.allowed_cpus(), host.cpus()
    if not allowed or not online:
        return not_known("the kernel does not say which CPUs are ours")
    if len(allowed) >= len(online):
        return ok(f"all {len(online)}")
    return info(f"{len(allowed)} of {len(online)}: others may run on the rest", "taskset -p $$ shows the mask")


def thread_settings(host: Host) -> Outcome:
    """How many threads numerical libraries will start, against the CPUs that are ours (allowed CPUs, or the quota of
    the control group where that is less). Left open, each library takes every CPU that it sees, which in a container
    with a quota is too many: they push each other away.

    ok: stated, and no more than there are. info: stated nowhere, and they see as many CPUs as there are. warning: more
    threads than CPUs, stated or left open. not known: nothing says how many CPUs are ours.

    Remedy: `export OMP_NUM_THREADS=N` before an experiment, the same for every variant.
    Source: OpenMP 5.2 section 21.1.2; the documentation of MKL, OpenBLAS and NumExpr.
    """
    allowed, quota = host.allowed_cpus(), cpu_quota(control_groups(host.root))
    if not allowed:
        return not_known("nothing says how many CPUs are ours")
    ours = min(float(len(allowed)), float("inf") if quota is None else quota)
    threads = max(1, int(ours))
    stated = {name: host.environ[name] for name in THREAD_VARIABLES if host.environ.get(name)}
    export = f"export OMP_NUM_THREADS={threads}"
    if not stated:
        if len(allowed) > ours:
            return warning(
                f"not stated: libraries start {len(allowed)} threads, and the quota grants {ours:g} CPUs", export
            )
        return info(f"not stated: each library starts a thread for each of {len(allowed)} CPUs", export)
    said = ", ".join(f"{name}={value}" for name, value in stated.items())
    # OMP_NUM_THREADS may be a list for nested levels: the first is the outermost.
    counts = [whole(value.partition(",")[0]) for value in stated.values()]
    if any(count is not None and count > ours for count in counts):
        return warning(f"{said}, and {ours:g} CPUs are ours: threads push each other away", export)
    return ok(said)


def cpu_quota_of_group(host: Host) -> Outcome:
    """A control group (container, Kubernetes limit, systemd unit) may grant less CPU time than the CPUs that it shows.
    Whoever uses it up is stopped until the next period of, as a rule, 100 ms: wall times jump.

    ok: no quota below the CPUs that are ours. warning: there is one. not known: no control group can be read.

    Remedy: `docker run --cpus`, `resources.limits.cpu` of Kubernetes; no more threads than the quota has CPUs.
    Source: kernel documentation, admin-guide/cgroup-v2 (cpu.max), scheduler/sched-bwc.
    """
    quota = cpu_quota(control_groups(host.root))
    if quota is None:
        return not_known("no control group for the CPU can be read")
    allowed = host.allowed_cpus()
    if quota == float("inf") or (allowed and quota >= len(allowed)):
        return ok("none below the CPUs that are ours")
    return warning(
        f"{quota:g} CPUs: what needs more is stopped and started every period",
        f"export OMP_NUM_THREADS={max(1, int(quota))}, or ask for more where the job is started",
    )


def cpu_throttling(host: Host) -> Outcome:
    """Whether our control group has been stopped because its quota was used up.

    ok: never. info: earlier, not now. warning: in the second that doctor looked. not known: no group counts it (there
    is no quota, or no control group can be read).

    Remedy: fewer threads, or a larger quota.
    Source: kernel documentation, admin-guide/cgroup-v2 (cpu.stat: nr_throttled, throttled_usec).
    """
    total = cpu_statistics(control_groups(host.root)).get("nr_throttled")
    now = None if host.after is None else host.after.throttled
    before = None if host.before is None else host.before.throttled
    if now is None and total is None:
        return not_known("no control group counts it")
    if now is not None and before is not None and now > before:
        return warning(
            "our group is being stopped right now: its quota is used up", "use fewer threads, or a larger quota"
        )
    count = now if now is not None else total
    if count:
        return info(f"stopped in {count} periods so far, not now", "use fewer threads, or a larger quota")
    return ok("never")


def container(host: Host) -> Outcome:
    """Whether this is a container. Counters of the CPU are often hidden in one, and neighbours are not seen.

    ok: none is seen. info: one is. It is told by /.dockerenv, /run/.containerenv, the variable `container` and the
    names of control groups.

    Remedy: `wattleak doctor` names the option for each meter that the container hides.
    """
    for path, called in (("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman")):
        if host.exists(path.lstrip("/")):
            return info(f"{called} ({path} is there): neighbours are not seen")
    if host.environ.get("container"):
        return info(f"{host.environ['container']} (variable container): neighbours are not seen")
    groups = host.read("proc/self/cgroup")
    for word, called in _CONTAINERS:
        if groups and re.search(rf"[/-]{word}", groups):
            return info(f"{called} (its control group says so): neighbours are not seen")
    return not_known("the control group of this process cannot be read") if groups is None else ok("none is seen")


def batch_system(host: Host) -> Outcome:
    """Whether a batch system runs us, and whether it gave us the whole node. On a shared node other jobs take caches,
    memory and power, and their energy is in the counters.

    ok: no batch system. info: one that gave us every CPU. warning: one that gave us only some.

    Remedy: `sbatch --exclusive`; Kubernetes: requests equal to limits and an own node; HTCondor: a whole slot.
    Source: sbatch(1) (--exclusive; SLURM_CPUS_ON_NODE: CPUs allocated to the batch step).
    """
    pods = "KUBERNETES_SERVICE_HOST" in host.environ
    found = next(((f"{called} {host.environ[name]}") for name, called in _BATCH if host.environ.get(name)), None)
    if found is None and not pods:
        return ok("none is seen")
    said = found or "Kubernetes pod"
    allowed, online = host.allowed_cpus(), host.cpus()
    granted = whole(host.environ.get("SLURM_CPUS_ON_NODE")) or (len(allowed) if allowed else None)
    if granted is None or not online:
        return not_known(
            f"{said}: nothing says whether the node is ours alone", "ask for a whole node: sbatch --exclusive"
        )
    if granted >= len(online):
        return info(f"{said}, with all {len(online)} CPUs of the node")
    return warning(
        f"{said}, with {granted} of {len(online)} CPUs: other jobs may run beside",
        "ask for a whole node: sbatch --exclusive",
    )


def process_visibility(host: Host) -> Outcome:
    """What wattleak needs from /proc: the CPU time, the children and the I/O of the processes that it measures, and
    the names of those who share the machine. On macOS and Windows it asks psutil instead.

    ok: all is readable. info: not Linux; processes are read through psutil. warning: `hidepid` hides processes of
    others (who else holds the CPU or a GPU cannot be named), or this kernel keeps no list of children or no account of
    I/O (children are then found more slowly, I/O is absent). error: /proc, or psutil, is not there: processes cannot
    be followed. Yama's `ptrace_scope` does not matter: it restricts attaching a debugger, which wattleak never does.

    Remedy: `sudo mount -o remount,hidepid=0 /proc`; a kernel with CONFIG_PROC_CHILDREN and CONFIG_TASK_IO_ACCOUNTING.
    Source: proc(5) (hidepid), proc_pid_io(5), proc_tid_children(5); kernel documentation, admin-guide/LSM/Yama.
    """
    if not host.system.startswith("linux"):
        return _through_psutil()
    if host.read("proc/self/stat") is None:
        return error("/proc is not there: no process can be followed", "sudo mount -t proc proc /proc")
    lacking = _lacking(host)
    if lacking:
        return warning("; ".join(lacking), "use a kernel with CONFIG_PROC_CHILDREN and CONFIG_TASK_IO_ACCOUNTING")
    mounts = host.read("proc/self/mountinfo")
    if mounts is None:
        return not_known("the options of /proc cannot be read")
    hidden = re.search(r"^(?:\S+ ){4}/proc .*hidepid=(1|2|4|noaccess|invisible|ptraceable)", mounts, re.MULTILINE)
    if hidden:
        return warning(
            f"hidepid={hidden[1]} hides processes of others: who shares CPU or GPU cannot be named",
            "sudo mount -o remount,hidepid=0 /proc",
        )
    return ok("children, I/O and neighbours can be read")


def _through_psutil() -> Outcome:
    if find_spec("psutil") is None:
        return error("without psutil no process can be followed here", "pip install psutil")
    return info("there is no /proc on this system: processes are read through psutil")


def _lacking(host: Host) -> list[str]:
    """What this kernel does not tell of processes."""
    lacking = []
    if host.read("proc/self/io") is None:
        lacking.append("I/O of processes is not counted")
    threads = host.names("proc/self/task") or []
    if not any(host.exists(f"proc/self/task/{thread}/children") for thread in threads):
        lacking.append("the kernel keeps no list of children")
    return lacking
