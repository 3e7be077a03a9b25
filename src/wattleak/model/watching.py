"""What is known of a process that already runs, from outside: the answer of `wattleak watch`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.model.meters import Unavailable
    from wattleak.model.numbers import Estimate, Interval
    from wattleak.model.smells import Evidence


@dataclass(frozen=True, slots=True)
class Slope:
    """How fast something grows, in its unit per second, with its interval."""

    per_s: float
    interval: Interval
    readings: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class Power:
    """Mean power of a channel over the last stretch: of the machine, or the part of the watched tree."""

    channel: str
    of_tree: bool
    power_w: Estimate


@dataclass(frozen=True, slots=True)
class Activity:
    """Threads between two looks, or over all of them. None: the kernel does not count it."""

    duration_s: float
    workers: float  # threads that were runnable for more than 2 % of the time, mean
    runnable: float | None  # threads that wanted a CPU at once, mean
    cpu_share: float  # CPU-seconds in a second
    wait_share: float | None  # seconds that threads waited for a CPU, in a second
    system_share: float  # of the CPU time: spent in the kernel
    voluntary_per_s: float
    involuntary_per_s: float
    throttled_share: float | None  # of the periods in which a quota was wanted; None: there is no quota


@dataclass(frozen=True, slots=True)
class Library:
    """A library that tells something: of OpenMP, of mathematics, of an accelerator, of a framework."""

    path: str
    kind: str  # "openmp", "gpu", "math", "framework"
    pid: int


@dataclass(frozen=True, slots=True)
class Watched:
    """The state of a tree of processes after it was watched for a while."""

    pid: int
    command: str
    duration_s: float
    looks: int
    ended: bool  # the process ended meanwhile: what is said is of its last look
    processes: int
    threads: int
    running: int  # threads that ran, or waited for a CPU, at the last look; the rest slept
    cpus: float  # that it may use at once
    cpus_why: str
    affinity: int
    quota_cpus: float | None
    slurm_cpus: int | None
    memory_b: int
    now: Activity | None  # between the last two looks; None: there was one look only
    overall: Activity | None
    memory_slope: Slope | None  # None: too few readings
    memory_full_in_s: float | None  # until what is left is used up at that slope; None: it does not surely grow
    power: tuple[Power, ...] = ()
    libraries: tuple[Library, ...] = ()
    packages: tuple[str, ...] = ()  # "torch 2.13.0+cpu"
    devices: tuple[str, ...] = ()  # accelerators of this machine
    devices_held: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    unavailable: tuple[Unavailable, ...] = ()
    notes: tuple[str, ...] = ()
