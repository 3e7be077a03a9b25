"""One scenario of a fleet: what is run how often, where, and the named terms that come on top. Data only.

Every term is absent (None, empty) unless somebody states it; an absent term adds nothing and is not listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.footprint.inputs import Input


@dataclass(frozen=True, slots=True)
class Work:
    """Energy of one piece of work: a mean, and how far the meter may be off for all of them together.

    `divided_by`: how many pieces one recorded run was (inferences of a batch run).
    """

    energy: Input  # joules
    meter: Input | None = None  # factor, 1 with its range
    divided_by: float = 1.0
    runs: int | None = None  # it was measured in; None: stated


@dataclass(frozen=True, slots=True)
class Stream:
    """A kind of work and how often it is done: jobs, training, inference."""

    name: str  # "jobs", "training", "inference", "jobs on cpu"
    counted: str  # base of the count: job, training, inference
    work: Work
    per_day: Input  # times a day
    share: float = 1.0  # of `per_day`: what runs on this hardware


@dataclass(frozen=True, slots=True)
class PartChange:
    """A change of a part of the energy: storage, network. Change x share of the energy of the work."""

    name: str  # "storage: nvme"
    share: Input  # of the energy that the part is
    change: Input  # of that part: -0.29
    what: str


@dataclass(frozen=True, slots=True)
class Place:
    """A region that a share of the energy is drawn in."""

    region: str
    share: float
    intensity: Input  # g per J
    table: str  # version; empty: stated
    source: str


@dataclass(frozen=True, slots=True)
class Hours:
    """When in the day the work is done, and what the grid does in these hours. 24 numbers each, from midnight."""

    work: tuple[float, ...]  # weights, sum 1
    intensity: tuple[float, ...] | None = None  # in any unit: only proportions count
    price: tuple[float, ...] | None = None

    def factor(self, hourly: tuple[float, ...] | None) -> float:
        """Mean over the hours of the work, over the mean of the day; 1 without hourly figures."""
        if hourly is None:
            return 1.0
        mean = sum(hourly) / len(hourly)
        return sum(weight * value for weight, value in zip(self.work, hourly, strict=True)) / mean


@dataclass(frozen=True, slots=True)
class Change:
    """What would be different: a name and the energy of the whole, or of the scenario, after it."""

    name: str
    note: str = ""
    energy: Input | None = None  # relative change of all energy: -0.05
    places: tuple[Place, ...] | None = None
    hours: Hours | None = None
    jobs: tuple[Stream, ...] | None = None  # in place of the streams of jobs


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that a projection is computed from."""

    name: str
    title: str
    streams: tuple[Stream, ...]
    places: tuple[Place, ...]
    growth: Input | None = None  # per year, a fraction
    failure_rate: Input | None = None  # share of attempts that fail and are repeated until one succeeds
    failed_cost: Input | None = None  # of a whole run that a failed attempt has used; None: all of it
    scheduler_overhead: Input | None = None
    batch_efficiency: Input | None = None
    parts: tuple[PartChange, ...] = ()
    throttling: Input | None = None
    utilisation: Input | None = None
    idle_share: Input | None = None
    pue: Input | None = None
    pue_note: str = ""
    price: Input | None = None  # currency per J
    currency: str = ""
    wue: Input | None = None  # L per J of the computers
    grid_water: Input | None = None  # L per J generated
    hours: Hours | None = None
    saving: Input | None = None
    changes: tuple[Change, ...] = ()
    not_asked: tuple[str, ...] = ()  # changes that could be computed, and what to state for it
    notes: tuple[str, ...] = ()
