"""A look at a process tree: what its threads have done up to one moment. Counters, as the kernel keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ThreadCounts:
    """One thread since its birth (proc_pid_task(5), the kernel's sched-stats page)."""

    tid: int
    name: str
    run_s: float  # on a CPU
    wait_s: float | None  # runnable, without a CPU; None: the kernel does not keep it
    voluntary: int  # times that it gave its CPU up, to wait for something
    involuntary: int  # times that its CPU was taken from it
    is_running: bool  # on a CPU or waiting for one at this moment


@dataclass(frozen=True, slots=True)
class ProcessCounts:
    """One process since its birth."""

    pid: int
    born_ticks: int  # since boot: with the pid it tells a process from the next one of that number
    command: str  # its words, secrets hidden; its name where they cannot be read
    user_s: float
    system_s: float
    memory_b: int  # resident
    cpus_allowed: frozenset[int]  # of all its threads together: a pool may pin each of them to a CPU of its own
    threads: tuple[ThreadCounts, ...]

    @property
    def identity(self) -> tuple[int, int]:
        return (self.pid, self.born_ticks)


@dataclass(frozen=True, slots=True)
class Throttling:
    """What the quota of a control group has done since the group was made (cpu.stat)."""

    periods: int  # in which the group wanted a CPU
    throttled: int  # of them: periods in which it used its quota up and was stopped
    throttled_s: float  # summed over CPUs


@dataclass(frozen=True, slots=True)
class Look:
    """The tree at one moment of the monotonic clock. The first process is the one that was asked about."""

    time_s: float
    processes: tuple[ProcessCounts, ...]
    quota_cpus: float | None = None  # CPUs' worth of time of the tightest control group; None: not limited
    slurm_cpus: int | None = None  # CPUs of this node that Slurm gave the job or step
    throttling: Throttling | None = None
    # What CPUs that the tree may run on have worked since boot for anybody, and what the host took of them, by number.
    busy_s: dict[int, float] = field(default_factory=dict)

    @property
    def memory_b(self) -> int:
        """Resident bytes of the tree; pages that processes share are counted in each of them."""
        return sum(process.memory_b for process in self.processes)

    @property
    def affinity(self) -> int:
        """CPUs that the tree may run on; 0 when no process could be read."""
        return len(frozenset().union(*(process.cpus_allowed for process in self.processes)))

    @property
    def cpus(self) -> float:
        """CPUs that the tree may use at once: the least of affinity, quota and allocation; at least a hundredth."""
        limits = [float(self.affinity or 1), self.quota_cpus, self.slurm_cpus]
        return max(0.01, min(limit for limit in limits if limit is not None))

    def why_so_many(self) -> str:
        """What says how many CPUs the tree may use, in words."""
        if self.quota_cpus is not None and self.quota_cpus <= self.cpus:
            return f"quota of its control group: {self.quota_cpus:g} CPUs"
        if self.slurm_cpus is not None and self.slurm_cpus <= self.cpus and self.slurm_cpus < self.affinity:
            return f"Slurm allocation: {self.slurm_cpus} CPUs"
        return f"affinity: {self.affinity} CPU{'' if self.affinity == 1 else 's'}"
