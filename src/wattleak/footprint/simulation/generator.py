"""Jobs drawn at random from a stated workload; the same seed draws the same jobs.

Arrivals are a Poisson process whose rate is constant within an hour of the day: the number of a stretch is Poisson,
their times are uniform within it, which is that process exactly (Ross, Introduction to Probability Models, ch. 5).
Lengths are lognormal, exponential or constant with a stated mean. Random numbers: numpy's PCG64.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from wattleak.footprint.simulation.jobs import Job
from wattleak.footprint.simulation.profile import HOUR_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from wattleak.footprint.simulation.place import Site

_MOST_AT_ONCE = 4096  # expected jobs of a stretch
_SHORTEST_S = 1e-3


class Lengths(StrEnum):
    LOGNORMAL = "lognormal"
    EXPONENTIAL = "exponential"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Workload:
    """What jobs come, when and how long they are."""

    jobs_per_day: float
    days: float
    length_s: float  # mean
    lengths: Lengths = Lengths.LOGNORMAL
    sigma: float = 1.0  # of the logarithm, lognormal lengths only
    by_hour: tuple[float, ...] = (1.0,) * 24  # relative rates by hour of the day, UTC
    cores: tuple[tuple[int, float], ...] = ((1, 1.0),)  # cores of a job and its weight
    power_w: float | None = None  # above idle; None: the cores' part of the home node
    slack_s: float = 0.0  # deadline = arrival + length + slack
    flexible: float = 1.0  # part of the jobs that may wait so long; the others have no deadline and go at once
    shares: tuple[float, ...] = (1.0,)  # part of the jobs that arrives at each place

    @property
    def expected_jobs(self) -> float:
        return self.jobs_per_day * self.days


def draw_jobs(workload: Workload, sites: Sequence[Site], seed: int) -> Iterator[list[Job]]:
    """All jobs in the order of arrival, some thousands at a time."""
    random = np.random.default_rng(seed)
    weight = sum(workload.by_hour) / 24
    end_s = workload.days * 24 * HOUR_S
    hour = 0
    while hour * HOUR_S < end_s:
        span = min(HOUR_S, end_s - hour * HOUR_S)
        expected = workload.jobs_per_day / 24 * workload.by_hour[hour % 24] / weight * span / HOUR_S
        pieces = max(1, ceil(expected / _MOST_AT_ONCE))
        for piece in range(pieces):
            begin = hour * HOUR_S + piece * span / pieces
            count = int(random.poisson(expected / pieces))
            if count:
                arrivals = np.sort(random.uniform(begin, begin + span / pieces, count))
                yield _jobs(workload, sites, arrivals, random)
        hour += 1


def _jobs(
    workload: Workload, sites: Sequence[Site], arrivals: NDArray[np.float64], random: np.random.Generator
) -> list[Job]:
    count = len(arrivals)
    lengths = np.maximum(_lengths(workload, count, random), _SHORTEST_S)
    widths = np.array([cores for cores, _ in workload.cores])
    weights = np.array([weight for _, weight in workload.cores])
    cores = random.choice(widths, count, p=weights / weights.sum())
    shares = np.array(workload.shares)
    homes = random.choice(len(shares), count, p=shares / shares.sum())
    if workload.power_w is None:
        watts = cores * np.array([site.nodes.core_w for site in sites])[homes]
    else:
        watts = np.full(count, workload.power_w)
    flexible = random.uniform(size=count) < workload.flexible
    deadlines = np.where(flexible & (workload.slack_s > 0), arrivals + lengths + workload.slack_s, np.inf)
    rows = zip(*(each.tolist() for each in (arrivals, lengths, cores, watts, deadlines, homes)), strict=True)
    return [Job._make(row) for row in rows]


def _lengths(workload: Workload, count: int, random: np.random.Generator) -> NDArray[np.float64]:
    if workload.lengths is Lengths.CONSTANT:
        return np.full(count, workload.length_s)
    if workload.lengths is Lengths.EXPONENTIAL:
        return random.exponential(workload.length_s, count)
    return random.lognormal(np.log(workload.length_s) - workload.sigma**2 / 2, workload.sigma, count)
