"""When and where a job is handed to the nodes: first-come, batched, shifted in time, shifted in place.

A policy knows the job, the carbon intensity of the hours and places, and its own bookings; it does not know the jobs
that will come. Once handed over, all jobs are served first come, first served.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Protocol

from simpy.events import Timeout

from wattleak.footprint.simulation.jobs import alone, launch
from wattleak.footprint.simulation.profile import HOUR_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from simpy import Environment, Event

    from wattleak.footprint.simulation.jobs import Job
    from wattleak.footprint.simulation.place import Place

_FULL = 0.9  # part of an hour's core-seconds that may be booked: what arrives meanwhile needs room too


class Kind(StrEnum):
    """The policies by name. The first is what the others are compared with."""

    FIRST_COME = "first-come"
    BATCHED = "batched"
    SHIFTED_IN_TIME = "shifted-in-time"
    SHIFTED_IN_PLACE = "shifted-in-place"


@dataclass(frozen=True, slots=True)
class Options:
    """What the policies may be told."""

    setup_s: float = 0.0  # of each launch, at the power of its first job
    window_s: float | None = 900.0  # batched: from the first job of a batch; None: no limit of time
    size: int | None = None  # batched: jobs of a batch; None: no limit of number
    merge: int = 1  # batched: jobs of one launch, which share its set-up
    transfer_j: float = 0.0  # shifted in place: for each job that is moved, billed where it arrived
    transfer_s: float = 0.0


class Policy(Protocol):
    """Takes jobs in the order of their arrival."""

    held: int  # jobs that were not handed over at once
    moved: int  # jobs that ran elsewhere than they arrived

    def admit(self, job: Job) -> None: ...

    def flush(self) -> None:
        """No more jobs will come."""


def policy_of(kind: Kind, env: Environment, places: Sequence[Place], options: Options) -> Policy:
    made: dict[Kind, Callable[[], Policy]] = {
        Kind.FIRST_COME: lambda: FirstCome(places, options),
        Kind.BATCHED: lambda: Batched(env, places, options),
        Kind.SHIFTED_IN_TIME: lambda: ShiftedInTime(env, places, options),
        Kind.SHIFTED_IN_PLACE: lambda: ShiftedInPlace(env, places, options),
    }
    return made[kind]()


class FirstCome:
    """At once, where it arrives."""

    def __init__(self, places: Sequence[Place], options: Options) -> None:
        self.held = self.moved = 0
        self._places, self._setup_s = places, options.setup_s

    def admit(self, job: Job) -> None:
        self._places[job.home].submit(alone(job, self._setup_s))

    def flush(self) -> None:
        pass


@dataclass(slots=True)
class _Batch:
    jobs: list[Job] = field(default_factory=list)
    due_s: float = float("inf")


class Batched:
    """Gathered for a time or up to a number, then handed over together.

    A batch goes early if one of its jobs would miss its deadline by waiting on (its own length and set-up are counted,
    a queue or a node that has to start is not). Within a batch, jobs of equal width are put together by `merge`.
    """

    def __init__(self, env: Environment, places: Sequence[Place], options: Options) -> None:
        self.held = self.moved = 0
        self._env, self._places, self._options = env, places, options
        self._batches = [_Batch() for _ in places]

    def admit(self, job: Job) -> None:
        batch, options, now = self._batches[job.home], self._options, self._env.now
        due = job.deadline_s - job.length_s - options.setup_s
        if not batch.jobs and options.window_s is not None:
            due = min(due, now + options.window_s)
        batch.jobs.append(job)
        if due <= now or (options.size is not None and len(batch.jobs) >= options.size):
            self._release(job.home)
        elif due < batch.due_s:
            batch.due_s = due
            alarm = Timeout(self._env, due - now)
            assert alarm.callbacks is not None
            alarm.callbacks.append(partial(self._ring, job.home, batch))

    def flush(self) -> None:
        """Whoever waits for a number that will not be reached goes now; a window still runs to its end."""
        for home, batch in enumerate(self._batches):
            if batch.jobs and batch.due_s == float("inf"):
                self._release(home)

    def _ring(self, home: int, batch: _Batch, _: Event) -> None:
        if batch is self._batches[home] and batch.jobs:
            self._release(home)

    def _release(self, home: int) -> None:
        batch, self._batches[home] = self._batches[home], _Batch()
        self.held += sum(job.arrival_s < self._env.now for job in batch.jobs)
        by_width: dict[int, list[Job]] = {}
        for job in batch.jobs:
            by_width.setdefault(job.cores if self._options.merge > 1 else 0, []).append(job)
        for jobs in by_width.values():
            for first in range(0, len(jobs), self._options.merge):
                together = tuple(jobs[first : first + self._options.merge])
                self._places[home].submit(launch(together, self._options.setup_s))


class ShiftedInTime:
    """In the greenest hour before the deadline that is not booked out, at once if none is greener.

    Jobs begin at once or at full hours. A job of up to an hour is judged by the hour in which it begins, a longer one
    by the mean over its length. Core-seconds are booked, so that not all jobs wait for the same hour: an hour is full
    at 90 % of what the nodes can do.
    """

    def __init__(self, env: Environment, places: Sequence[Place], options: Options) -> None:
        self.held = self.moved = 0
        self._env, self._places, self._setup_s = env, places, options.setup_s
        self._booked: list[dict[int, float]] = [{} for _ in places]
        self._most = [_FULL * HOUR_S * place.site.nodes.count * place.site.nodes.cores for place in places]
        self._waiting: dict[int, list[Job]] = {}  # by the hour in which they begin

    def admit(self, job: Job) -> None:
        hour = self._greenest_hour(job)
        this = int(self._env.now // HOUR_S)
        self._book(job, this if hour is None else hour)
        if hour is None:
            self._places[job.home].submit(alone(job, self._setup_s))
            return
        self.held += 1
        waiting = self._waiting.get(hour)
        if waiting is not None:
            waiting.append(job)
            return
        self._waiting[hour] = [job]
        alarm = Timeout(self._env, hour * HOUR_S - self._env.now, hour)
        assert alarm.callbacks is not None
        alarm.callbacks.append(lambda event: self._begin(event.value))

    def flush(self) -> None:
        pass

    def _begin(self, hour: int) -> None:
        for job in self._waiting.pop(hour):
            self._places[job.home].submit(alone(job, self._setup_s))

    def _greenest_hour(self, job: Job) -> int | None:
        """The hour at whose beginning the job should start; None: now."""
        if job.deadline_s == float("inf"):
            return None
        profile, now = self._places[job.home].site.profile, self._env.now
        length = job.length_s + self._setup_s
        this, last = int(now // HOUR_S), int((job.deadline_s - length) // HOUR_S)
        if last <= this or profile.is_flat:
            return None
        booked, most = self._booked[job.home], self._most[job.home]
        best, best_rate = None, profile.grams_per_joule(now, now + length)
        for hour in range(this + 1, last + 1):
            if length <= HOUR_S:
                rate = profile.rate_in_hour(hour)
            else:
                rate = profile.grams_per_joule(hour * HOUR_S, hour * HOUR_S + length)
            if rate < best_rate * (1 - 1e-9) and booked.get(hour, 0.0) < most:
                best, best_rate = hour, rate
        return best

    def _book(self, job: Job, hour: int) -> None:
        booked, left = self._booked[job.home], job.length_s + self._setup_s
        if hour not in booked:  # seldom: the moment to forget hours that are over
            this = int(self._env.now // HOUR_S)
            for past in [each for each in booked if each < this]:
                del booked[past]
        while left > 0:
            booked[hour] = booked.get(hour, 0.0) + min(left, HOUR_S) * job.cores
            left -= HOUR_S
            hour += 1


class ShiftedInPlace:
    """At once, where the job and its transfer emit least among the places that have room; home where none has.

    Judged by the job's own joules, the PUE and the intensity of the place over the length of the job. Idle power and
    node starts are not foreseen, though they are billed.
    """

    def __init__(self, env: Environment, places: Sequence[Place], options: Options) -> None:
        self.held = self.moved = 0
        self._env, self._places, self._options = env, places, options

    def admit(self, job: Job) -> None:
        options, now = self._options, self._env.now
        best, least = job.home, self._grams(job, job.home, now) if self._has_room(job, job.home) else float("inf")
        sending = options.transfer_j * self._grams_per_joule(job.home, now, now + options.transfer_s)
        for index in range(len(self._places)):
            if index == job.home:
                continue
            grams = sending + self._grams(job, index, now + options.transfer_s)
            if grams < least * (1 - 1e-9) and self._has_room(job, index):
                best, least = index, grams
        if best == job.home:
            self._places[best].submit(alone(job, options.setup_s))
            return
        self.moved += 1
        home = self._places[job.home].bill
        home.transfer_j += options.transfer_j
        home.transfer_g += sending
        if options.transfer_s == 0.0:
            self._places[best].submit(alone(job, options.setup_s))
            return
        arrival = Timeout(self._env, options.transfer_s)
        assert arrival.callbacks is not None
        arrival.callbacks.append(lambda _: self._places[best].submit(alone(job, options.setup_s)))

    def flush(self) -> None:
        pass

    def _has_room(self, job: Job, index: int) -> bool:
        place = self._places[index]
        return job.cores <= place.site.nodes.cores and place.has_room(job.cores)

    def _grams(self, job: Job, index: int, begin: float) -> float:
        length = job.length_s + self._options.setup_s
        return job.power_w * length * self._grams_per_joule(index, begin, begin + length)

    def _grams_per_joule(self, index: int, begin: float, end: float) -> float:
        site = self._places[index].site
        return site.pue * site.profile.grams_per_joule(begin, end)
