"""Nodes of one place: who runs where, which nodes are on, and what they draw.

A node is off, starting, at work, or idle. First come, first served, without overtaking: a job that finds no room
waits, and has one more off node started if the nodes that are already being started are spoken for. A job goes to the
node that it fills best; among idle nodes to the one that rested last, so that the others can be powered down.

Nodes that have rested for `power_down_after_s` are off from then on. No event is spent on that: whoever looks next
settles what is due, at the time at which it was due.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from simpy.events import Timeout

if TYPE_CHECKING:
    from simpy import Environment, Event

    from wattleak.footprint.simulation.jobs import Launch
    from wattleak.footprint.simulation.profile import Profile
    from wattleak.footprint.simulation.waits import Waits

_LATE_S = 1e-6  # sums of times lose so much
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Nodes:
    """So many nodes of one kind."""

    count: int
    cores: int
    idle_w: float  # of a node that is on, whatever it does
    active_w: float  # of a node with all cores at work
    startup_j: float = 0.0  # from the command to start until jobs can run
    startup_s: float = 0.0
    power_down_after_s: float = NEVER  # of rest; NEVER: nodes are on from the beginning to the end
    off_w: float = 0.0  # of a node that is off (its management controller)

    @property
    def core_w(self) -> float:
        """What a busy core adds to the idle power."""
        return (self.active_w - self.idle_w) / self.cores


@dataclass(frozen=True, slots=True)
class Site:
    """A place as the scenario describes it."""

    name: str
    nodes: Nodes
    profile: Profile
    pue: float = 1.0


@dataclass(slots=True)
class Bill:
    """What a place has drawn so far. Energies of the nodes, without PUE; grams with it."""

    jobs_j: float = 0.0
    jobs_g: float = 0.0
    setup_j: float = 0.0
    setup_g: float = 0.0
    startup_j: float = 0.0
    startup_g: float = 0.0
    transfer_j: float = 0.0
    transfer_g: float = 0.0
    starts: int = 0
    starting_s: float = 0.0  # node-seconds
    working_s: float = 0.0
    idle_s: float = 0.0
    off_s: float = 0.0
    working_g_per_w: float = 0.0  # emitted by one watt in each of these node-seconds, summed, without PUE
    idle_g_per_w: float = 0.0
    off_g_per_w: float = 0.0
    with_deadline: int = 0
    missed: int = 0


class _Node:
    __slots__ = ("free", "idle_since")

    def __init__(self, cores: int, now: float) -> None:
        self.free = cores
        self.idle_since = now


class Place:
    """The queue and the nodes of a site under one policy."""

    def __init__(self, env: Environment, site: Site, waits: Waits, setup_s: float) -> None:
        self.site = site
        self.bill = Bill()
        self._env = env
        self._waits = waits
        self._setup_s = setup_s
        self._nodes = site.nodes
        self._queue: deque[Launch] = deque()
        self._partly: list[dict[_Node, None]] = [{} for _ in range(site.nodes.cores)]  # at work, by free cores
        self._some = 0  # bit n: a node at work has n cores free
        self._idle: deque[_Node] = deque()  # who rests longest stands first
        self._working = 0
        self._starting = 0
        self._unspoken = 0  # cores of the node started last that no waiting job has asked for
        self._off = site.nodes.count
        if site.nodes.power_down_after_s == NEVER:
            self._off = 0
            self._idle.extend(_Node(site.nodes.cores, env.now) for _ in range(site.nodes.count))
        self._settled_at = env.now
        self._emitted = site.profile.emitted(env.now)

    def submit(self, launch: Launch) -> None:
        """Run it now, or when its turn comes."""
        if self._queue or not self._start(launch):
            self._queue.append(launch)
            self._ask_for_node(launch.cores)

    def has_room(self, cores: int) -> bool:
        """Whether a job of so many cores would run at once, or as soon as a node has started for it."""
        if self._queue:
            return False
        return bool(self._some >> cores or self._idle or self._off)

    def close(self, now: float) -> None:
        """Bring the bill up to `now`."""
        self._settle(now)

    # -- jobs --------------------------------------------------------------------------------------------------------

    def _start(self, launch: Launch) -> bool:
        now, cores = self._env.now, launch.cores
        fitting = self._some >> cores
        if fitting:
            free = cores + (fitting & -fitting).bit_length() - 1  # the fewest free cores that are enough
            node, _ = self._partly[free].popitem()
            if not self._partly[free]:
                self._some ^= 1 << free
        elif self._is_one_idle(now):
            node = self._idle.pop()
            self._working += 1
        else:
            return False
        left = node.free = node.free - cores
        if left:
            self._partly[left][node] = None
            self._some |= 1 << left
        self._charge(launch, now)
        done = Timeout(self._env, launch.duration_s, (node, cores))
        assert done.callbacks is not None
        done.callbacks.append(self._finished)
        return True

    def _finished(self, event: Event) -> None:
        node, cores = cast("tuple[_Node, int]", event.value)
        if node.free:
            del self._partly[node.free][node]
            if not self._partly[node.free]:
                self._some ^= 1 << node.free
        node.free += cores
        if node.free == self._nodes.cores:
            now = self._env.now
            self._settle(now)
            self._working -= 1
            node.idle_since = now
            self._idle.append(node)
        else:
            self._partly[node.free][node] = None
            self._some |= 1 << node.free
        if self._queue:
            self._serve()

    def _is_one_idle(self, now: float) -> bool:
        """Whether a node is on and has no job, now that those are off who rested long enough."""
        if not self._idle:
            return False
        self._settle(now)
        return bool(self._idle)

    def _serve(self) -> None:
        queue = self._queue
        while queue and self._start(queue[0]):
            queue.popleft()

    def _charge(self, launch: Launch, now: float) -> None:
        """All that a launch will cost is known when it begins: nothing interrupts it."""
        bill, emitted, pue = self.bill, self.site.profile.emitted, self.site.pue
        begin, before = now, emitted(now)
        if self._setup_s:
            watts = launch.jobs[0].power_w
            begin += self._setup_s
            after = emitted(begin)
            bill.setup_j += watts * self._setup_s
            bill.setup_g += watts * (after - before) * pue
            before = after
        for job in launch.jobs:
            self._waits.add(begin - job.arrival_s)
            begin += job.length_s
            after = emitted(begin)
            bill.jobs_j += job.power_w * job.length_s
            bill.jobs_g += job.power_w * (after - before) * pue
            before = after
            if job.deadline_s != NEVER:
                bill.with_deadline += 1
                bill.missed += begin > job.deadline_s + _LATE_S

    # -- nodes -------------------------------------------------------------------------------------------------------

    def _ask_for_node(self, cores: int) -> None:
        if self._starting and cores <= self._unspoken:
            self._unspoken -= cores
            return
        now = self._env.now
        self._settle(now)
        if not self._off:
            return
        nodes, bill = self._nodes, self.bill
        self._off -= 1
        self._starting += 1
        self._unspoken = nodes.cores - cores
        bill.starts += 1
        bill.startup_j += nodes.startup_j
        bill.startup_g += (
            nodes.startup_j * self.site.profile.grams_per_joule(now, now + nodes.startup_s) * self.site.pue
        )
        ready = Timeout(self._env, nodes.startup_s)
        assert ready.callbacks is not None
        ready.callbacks.append(self._ready)

    def _ready(self, _: Event) -> None:
        now = self._env.now
        self._settle(now)
        self._starting -= 1
        self._idle.append(_Node(self._nodes.cores, now))
        self._serve()

    def _settle(self, now: float) -> None:
        """Power down who has rested long enough, each at its time, and bill what nodes drew until now.

        Called before any node changes its state; jobs that come to or leave a node at work change none.
        """
        idle, patience = self._idle, self._nodes.power_down_after_s
        while idle and idle[0].idle_since + patience < now:  # a job that comes at that very moment still gets it
            self._integrate(idle[0].idle_since + patience)
            idle.popleft()
            self._off += 1
        self._integrate(now)

    def _integrate(self, until: float) -> None:
        lapse = until - self._settled_at
        if lapse <= 0.0:
            return
        emitted = self.site.profile.emitted(until)
        grams = emitted - self._emitted
        bill, idle = self.bill, len(self._idle)
        bill.working_s += self._working * lapse
        bill.working_g_per_w += self._working * grams
        if idle:
            bill.idle_s += idle * lapse
            bill.idle_g_per_w += idle * grams
        if self._off:
            bill.off_s += self._off * lapse
            bill.off_g_per_w += self._off * grams
        bill.starting_s += self._starting * lapse
        self._settled_at = until
        self._emitted = emitted
