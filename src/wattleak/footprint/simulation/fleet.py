"""One policy over a stream of jobs, event by event, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from simpy import Environment

from wattleak.footprint.simulation.place import NEVER, Place
from wattleak.footprint.simulation.policies import policy_of
from wattleak.footprint.simulation.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    from simpy import Event

    from wattleak.footprint.simulation.jobs import Job
    from wattleak.footprint.simulation.place import Site
    from wattleak.footprint.simulation.policies import Kind, Options

COMPONENTS = ("jobs", "setup", "base", "idle", "off", "startup", "transfer")
"""Where joules go: the jobs above idle; their set-ups; the idle power of nodes at work; nodes that are on without a
job; nodes that are off; starts of nodes; moving jobs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy made of one stream of jobs."""

    policy: Kind
    jobs: int
    horizon_s: float  # over which nodes are billed: the same for all policies of a run
    energy_j: Mapping[str, float]  # by component, of the nodes: without PUE
    carbon_g: Mapping[str, float]  # by component, with PUE
    facility_energy_j: float  # with PUE
    wait_mean_s: float
    wait_p50_s: float
    wait_p95_s: float
    wait_p99_s: float
    wait_longest_s: float
    with_deadline: int
    missed: int
    node_h: float  # nodes that are on or starting
    starts: int
    held: int  # jobs that the policy did not hand over at once
    moved: int  # jobs that ran elsewhere than they arrived


class Fleet:
    """The places under one policy, with a clock of their own that begins at `begin_s`."""

    def __init__(self, kind: Kind, sites: Sequence[Site], options: Options, begin_s: float = 0.0) -> None:
        self.kind = kind
        self._begin_s = begin_s
        self._env = Environment(begin_s)
        self._waits = Waits()
        self._places = [Place(self._env, site, self._waits, options.setup_s) for site in sites]
        self._policy = policy_of(kind, self._env, self._places, options)

    def feed(self, jobs: Sequence[Job]) -> None:
        """Play until the last of these jobs has arrived. They come in order, none before the last one fed."""
        if jobs:
            self._env.run(until=self._env.process(self._arrivals(jobs)))

    def drain(self) -> float:
        """No more jobs come: play until all are done. Returns that time."""
        self._policy.flush()
        self._env.run()
        return float(self._env.now)

    def outcome(self, end_s: float) -> Outcome:
        """The bill of all places until `end_s`, which is not before the end of the last job."""
        for place in self._places:
            place.close(end_s)
        energy = dict.fromkeys(COMPONENTS, 0.0)
        carbon = dict.fromkeys(COMPONENTS, 0.0)
        facility_j = 0.0
        for place in self._places:
            joules = place_energy(place)
            for name, value in joules.items():
                energy[name] += value
            for name, value in place_carbon(place).items():
                carbon[name] += value
            facility_j += sum(joules.values()) * place.site.pue
        bills = [place.bill for place in self._places]
        waits = self._waits
        return Outcome(
            policy=self.kind,
            jobs=waits.count,
            horizon_s=end_s - self._begin_s,
            energy_j=energy,
            carbon_g=carbon,
            facility_energy_j=facility_j,
            wait_mean_s=waits.mean_s,
            wait_p50_s=waits.quantile_s(0.50),
            wait_p95_s=waits.quantile_s(0.95),
            wait_p99_s=waits.quantile_s(0.99),
            wait_longest_s=waits.longest_s,
            with_deadline=sum(bill.with_deadline for bill in bills),
            missed=sum(bill.missed for bill in bills),
            node_h=sum(bill.working_s + bill.idle_s + bill.starting_s for bill in bills) / 3600.0,
            starts=sum(bill.starts for bill in bills),
            held=self._policy.held,
            moved=self._policy.moved,
        )

    def _arrivals(self, jobs: Iterable[Job]) -> Generator[Event, None, None]:
        env, admit = self._env, self._policy.admit
        for job in jobs:
            lapse = job.arrival_s - env.now
            if lapse > 0.0:
                yield env.timeout(lapse)
            admit(job)


def place_energy(place: Place) -> dict[str, float]:
    bill, nodes = place.bill, place.site.nodes
    return {
        "jobs": bill.jobs_j,
        "setup": bill.setup_j,
        "base": nodes.idle_w * bill.working_s,
        "idle": nodes.idle_w * bill.idle_s,
        "off": nodes.off_w * bill.off_s,
        "startup": bill.startup_j,
        "transfer": bill.transfer_j,
    }


def place_carbon(place: Place) -> dict[str, float]:
    bill, nodes, pue = place.bill, place.site.nodes, place.site.pue
    return {
        "jobs": bill.jobs_g,
        "setup": bill.setup_g,
        "base": nodes.idle_w * pue * bill.working_g_per_w,
        "idle": nodes.idle_w * pue * bill.idle_g_per_w,
        "off": nodes.off_w * pue * bill.off_g_per_w,
        "startup": bill.startup_g,
        "transfer": bill.transfer_g,
    }


def simulate(
    kinds: Sequence[Kind], sites: Sequence[Site], options: Options, chunks: Iterator[Sequence[Job]]
) -> list[Outcome]:
    """Play the same jobs under each policy, in one pass over `chunks`, and bill all of them to the same end."""
    fleets = play(kinds, sites, options, chunks)
    end_s = end_of_bill((fleet.drain() for fleet in fleets), sites)
    return [fleet.outcome(end_s) for fleet in fleets]


def end_of_bill(drained_s: Iterable[float], sites: Sequence[Site]) -> float:
    """When the last job of the slowest policy is done, and the rest after it is over, which that policy owes too."""
    rests = [site.nodes.power_down_after_s for site in sites if site.nodes.power_down_after_s != NEVER]
    return max(drained_s) + max(rests, default=0.0)


def play(
    kinds: Sequence[Kind],
    sites: Sequence[Site],
    options: Options,
    chunks: Iterator[Sequence[Job]],
    watch: Callable[[int], None] | None = None,
) -> list[Fleet]:
    """Feed the jobs to a fleet of each policy, whose clock begins when the first one arrives.

    `watch` is told how many more have arrived.
    """
    first = next(chunks, ())
    fleets = [Fleet(kind, sites, options, first[0].arrival_s if first else 0.0) for kind in kinds]
    for chunk in chain((first,), chunks):
        for fleet in fleets:
            fleet.feed(chunk)
        if watch is not None:
            watch(len(chunk))
    return fleets
