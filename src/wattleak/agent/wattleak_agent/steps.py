"""Steps of training, whichever framework makes them: how many, how long, on how many rows; and when memory is asked.

One `Steps` for a process. A loop is what one optimizer (PyTorch, a loop of one's own) or one model (fit) does.
"""

from __future__ import annotations

import sys
import time
import weakref

from .holders import look, place_of_store
from .memory import Series, capacity_b, host_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any

    from .agent import Agent
    from .fit_waits import FitWaits
    from .holders import Held

    Site = tuple[str, int, str]

_KEPT = 32  # durations of a loop that are kept
_MOST_UNPOLLED, _UNPOLLED_S = 32, 0.1  # steps, and seconds, after which what is polled is asked again
_WARM = 8  # steps before memory is asked: the optimizer makes its state in the first
_MOST_SERIES = 16
_FEW_SAMPLES = 12
_STRANGE = 12  # steps of others after which one of them is followed
_LOOK_SHARE = 0.005  # of the time since the first step that looking for holders may take
_monotonic = time.monotonic


class Loop:
    """The steps of one optimizer or model."""

    __slots__ = (
        *("count", "device", "due", "durations", "first_s", "framework", "kind", "last_s", "noted", "number", "ref"),
        *("rows", "rows_steps", "site", "stride", "told_rows", "update_s", "updates", "wait_s", "waits"),
    )

    def __init__(self, owner: Any, number: int, framework: str, kind: str, site: Site | None) -> None:
        self.number = number
        self.ref = weakref.ref(owner)
        self.framework, self.kind, self.site = framework, kind, site
        self.device = "cpu"
        self.count = self.noted = 0  # steps; those of the last fact
        self.due = 0  # at this step there is more to do than to count it
        self.first_s = self.last_s = _monotonic()
        self.durations: list[float] = []
        self.stride = 1
        self.rows = 0
        self.rows_steps = 0  # of which the number of rows is known
        self.wait_s = 0.0  # for data, in the loop
        self.waits: FitWaits | None = None  # where that is known of a sample of the steps
        self.update_s = 0.0  # in the optimizer, of `updates` steps
        self.updates = 0
        self.told_rows: int | None = None  # what fit was told and did not heed

    def fact(self) -> dict[str, Any]:
        """Everything about it so far."""
        file, line, function = self.site or (None, None, None)
        return {
            "k": "steps",
            "key": self.number,
            "framework": self.framework,
            "what": self.kind,
            "file": file,
            "line": line,
            "function": function,
            "device": self.device,
            "steps": self.count,
            "first_s": self.first_s,
            "last_s": self.last_s,
            "step_s": self.usual_s(),
            "rows": self.rows,
            "rows_steps": self.rows_steps,
            "wait_s": self.waited()[0],
            "update_s": self.update_s,
            "updates": self.updates,
            "told_rows": self.told_rows,
        }

    def usual_s(self) -> float | None:
        """What a step takes: the median of those that were kept."""
        return sorted(self.durations)[len(self.durations) // 2] if self.durations else None

    def waited(self) -> tuple[float, float, float]:
        """Seconds of waiting for data, and their range: no longer than the loop, whatever a sample of it says."""
        of_sample = None if self.waits is None else self.waits.waited()
        if of_sample is None:
            return self.wait_s, self.wait_s, self.wait_s
        wait_s, low_s, high_s = (min(each_s, self.last_s - self.first_s) for each_s in of_sample)
        return wait_s, low_s, high_s


class Steps:
    """All loops of this process, and the memory of the one that leads."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.sizes: list[Callable[[Any], tuple[int, int, bool] | None]] = []
        self.device_reader: Callable[[Loop], tuple[str, Callable[[], int], int | None] | None] | None = None
        self.at_first: list[Callable[[Loop], object]] = []  # called with the first step, again in a fork
        self.polls: list[Callable[[], object]] = []  # called every few steps, or every tenth of a second
        self.at_facts: list[Callable[[], object]] = []  # called before facts are made, for who books late
        self._host = host_reader()
        self._clear()
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self.total = 0
        self._numbered = 0
        self._strange = 0  # steps since one of the loop that is followed
        self.first_s: float | None = None
        self.last_s = 0.0
        self._loops: dict[int, Loop] = {}
        self._done: list[Loop] = []
        self.leader: Loop | None = None
        self._series: Series | None = None
        self._all_series: list[tuple[str, Loop, Series, int | None]] = []
        self._device_series: Series | None = None
        self._polled = (0, 0.0)  # step and moment of the last one
        self._next_poll = 0  # step
        self._next_look = 0
        self._look_s = 0.0
        self._held: dict[int, tuple[int, int, int]] = {}  # container -> step, tensors and bytes when it was first seen
        self._holders: dict[str, dict[str, Any]] = {}

    def loop_of(self, owner: Any, framework: str, kind: str, site: Callable[[], Site | None]) -> Loop:
        """The loop of an optimizer or model, begun now if it is new."""
        loop = self._loops.get(id(owner))
        if loop is not None and loop.ref() is owner:
            return loop
        if loop is not None:
            self._retire(loop)
        loop = self._loops[id(owner)] = Loop(owner, self._numbered, framework, kind, site())
        self._numbered += 1
        if len(self._loops) > 64:
            for number, old in list(self._loops.items()):
                if old.ref() is None:
                    self._retire(self._loops.pop(number))
        return loop

    def leader_number(self) -> int | None:
        """Of the loop that makes the steps now; None: no step was made."""
        return None if self.leader is None else self.leader.number

    def loops(self) -> list[Loop]:
        """All of them, the first one first."""
        return self._done + list(self._loops.values())

    def step(self, loop: Loop, now_s: float) -> None:
        """A step of `loop` has ended. Most are only counted, by few instructions: a training has emptied the caches."""
        loop.count = count = loop.count + 1
        if count % loop.stride == 0 and count > 1:
            loop.durations.append(now_s - loop.last_s)
            if len(loop.durations) >= _KEPT:
                loop.durations = loop.durations[::2]
                loop.stride *= 2
        loop.last_s = self.last_s = now_s
        self.total += 1
        if loop is self.leader:
            self._strange = 0
            if count < loop.due:
                return
        self._attend(loop, now_s)

    def _attend(self, loop: Loop, now_s: float) -> None:
        """Do what is due at a step."""
        if self.first_s is None:
            self.first_s = min(loop.first_s, now_s)
            for begin in self.at_first:
                begin(loop)
        leader = self.leader
        if leader is not loop:
            self._strange += 1
            if leader is not None and leader.ref() is not None and self._strange < _STRANGE:
                return  # one of two that take turns, as in a GAN, and the other one is followed
            self._follow(loop)
            self._strange = 0
        series = self._series
        if series is not None and loop.count >= series.next:
            series.sample(loop.count)
            if self._device_series is not None and loop.count >= self._device_series.next:
                self._device_series.sample(loop.count)
            if loop.count >= self._next_look and (
                series.rises() or (self._device_series is not None and self._device_series.rises())
            ):
                self._look(loop, now_s)
        if loop.count >= self._next_poll:
            for poll in self.polls:
                poll()
            self._agent.tick()
            step_s = max(now_s - self._polled[1], 1e-9) / max(1, loop.count - self._polled[0])
            self._polled = loop.count, now_s
            self._next_poll = loop.count + max(1, min(_MOST_UNPOLLED, int(_UNPOLLED_S / step_s)))
        loop.due = min(self._next_poll, loop.count + loop.stride - loop.count % loop.stride)
        if series is not None:
            loop.due = min(loop.due, series.next)

    def _follow(self, loop: Loop) -> None:
        self.leader = loop
        self._polled, self._next_poll = (loop.count, loop.last_s), loop.count + 1
        self._held.clear()
        self._next_look = 0
        self._series = self._device_series = None
        if len(self._all_series) >= _MOST_SERIES:  # those that hardly began go first, then the oldest
            shortest = min(self._all_series, key=lambda item: min(len(item[2].at), _FEW_SAMPLES))
            self._all_series.remove(shortest)
        if self._host is not None:
            self._series = Series(self._host[1], max(_WARM, loop.count))
            self._all_series.append((self._host[0], loop, self._series, capacity_b()))
        device = None if self.device_reader is None else self.device_reader(loop)
        if device is not None:
            self._device_series = Series(device[1], max(_WARM, loop.count))
            self._all_series.append((device[0], loop, self._device_series, device[2]))

    def _look(self, loop: Loop, now_s: float) -> None:
        """Ask who keeps tensors, twice and more: what has grown between two looks is named."""
        began_s = self.first_s or now_s
        if self._look_s > _LOOK_SHARE * (now_s - began_s) and self._holders:
            return
        self._next_look = loop.count + max(16, loop.count // 2)
        started_s = _monotonic()
        found = look(self._agent, caller(0), self._size)
        for held in found:
            self._compare(held, loop.count)
        if len(self._held) > 4096:
            self._held.clear()
        self._look_s += _monotonic() - started_s

    def _compare(self, held: Held, step: int) -> None:
        seen = self._held.setdefault(held.id, (step, held.count, held.bytes))
        grown, steps = held.count - seen[1], step - seen[0]
        if steps <= 0 or grown <= 0:
            if grown < 0:  # emptied meanwhile
                self._held[held.id] = (step, held.count, held.bytes)
            return
        stored = place_of_store(held)
        where = None if stored is None else self._agent._places.named(*stored)
        if where is None and held.code:
            where = self._agent._places.named(held.code[0], held.code[0].co_firstlineno)
        file, line, function = where or (None, None, None)
        key = f"{file}:{line}:{held.name}"
        self._holders[key] = {
            "k": "holder",
            "key": key,
            "file": file,
            "line": line,
            "function": function,
            "name": held.name,
            "owner": held.owner,
            "container": held.container,
            "bounded": held.bounded,
            "collection": held.collection,
            "graph": held.graph,
            "tensors": held.count,
            "held_b": held.bytes,
            "grown": grown,
            "grown_b": held.bytes - seen[2],
            "steps": steps,
            "at_step": step,
        }
        if len(self._holders) > 64:
            self._holders.pop(next(iter(self._holders)))

    def _size(self, value: Any) -> tuple[int, int, bool] | None:
        for sizes in self.sizes:
            size = sizes(value)
            if size is not None:
                return size
        return None

    def _retire(self, loop: Loop) -> None:
        self._done.append(loop)
        if len(self._done) > 256:
            del self._done[0]

    def _facts(self) -> Iterator[dict[str, Any]]:
        for book in self.at_facts:
            book()
        loops = self.loops()
        for loop in loops:
            if loop.count > loop.noted:  # what has not changed stands already
                loop.noted = loop.count
                yield loop.fact()
        for where, loop, series, capacity in list(self._all_series):
            if not series.at or series.at[-1] == series.noted:
                continue
            series.noted = series.at[-1]
            file, line, function = loop.site or (None, None, None)
            yield {
                "k": "memory",
                "key": f"{loop.number}-{where}",
                "where": where,
                "capacity_b": capacity,
                "file": file,
                "line": line,
                "function": function,
                "step_s": loop.usual_s(),
                "loop": loop.number,
                "at": list(series.at),
                "bytes": list(series.bytes),
            }
        yield from list(self._holders.values())
        if self.first_s is not None and self.last_s > self.first_s:
            yield {
                "k": "phase",
                "key": "training",
                "name": "training",
                "s": self.last_s - self.first_s,
                "intervals": [[self.first_s, self.last_s]],
            }
            wait_s, low_s, high_s = map(sum, zip(*(loop.waited() for loop in loops)))
            if wait_s:
                fact = {"k": "phase", "key": "data wait", "name": "data wait", "s": wait_s, "in": "training"}
                yield fact if low_s == high_s else {**fact, "low_s": low_s, "high_s": high_s}


_of_agent: dict[int, Steps] = {}


def steps_of(agent: Agent) -> Steps:
    """The one of this agent, that torch's and keras' hooks share."""
    steps = _of_agent.get(id(agent))
    if steps is None:
        steps = _of_agent[id(agent)] = Steps(agent)
    return steps


def steps_so_far(agent: Agent) -> int:
    """Steps of training that were counted; 0 where no framework with steps was imported."""
    steps = _of_agent.get(id(agent))
    return 0 if steps is None else steps.total


def caller(depth: int = 1) -> FrameType | None:
    """The frame from which a hook was called."""
    return sys._getframe(depth + 1)
