"""A job, and jobs put together into one launch."""

from __future__ import annotations

from typing import NamedTuple


class Job(NamedTuple):
    """One job of a trace. A tuple: a million of them pass through."""

    arrival_s: float  # since time zero, which is midnight UTC
    length_s: float  # of its own work, the same on every node
    cores: int
    power_w: float  # what it draws above the idle power of its node
    deadline_s: float  # when it has to be done; infinity: whenever
    home: int  # index of the place where it arrives

    @property
    def energy_j(self) -> float:
        return self.power_w * self.length_s


class Launch(NamedTuple):
    """Jobs of equal width that run one after the other on the same cores, after one set-up."""

    cores: int
    duration_s: float  # of all, set-up included
    jobs: tuple[Job, ...]


def alone(job: Job, setup_s: float) -> Launch:
    """The launch of one job."""
    return Launch(job.cores, setup_s + job.length_s, (job,))


def launch(jobs: tuple[Job, ...], setup_s: float) -> Launch:
    """The launch of these jobs, in their order."""
    return Launch(jobs[0].cores, setup_s + sum(job.length_s for job in jobs), jobs)
