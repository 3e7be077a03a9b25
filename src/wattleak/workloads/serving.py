"""Answering requests, back to back or on a schedule, and noting what it took. Standard library only.

One worker answers: while it is busy requests wait, and those that wait are answered together, up to the size of a batch
(dynamic batching). Preparing a batch is part of the answer.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wattleak.analysis.serving import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE = 2.0  # schedules; who is not answered by then has found another service
_LEAST_WARM_UPS = 3  # of each size: the first compiles or allocates, the second may choose an algorithm


@dataclass(frozen=True, slots=True)
class Service:
    """What is measured: `predict` answers what `make_batch(size)` made, and returns when the answer is there."""

    predict: Callable[[Any], object]
    make_batch: Callable[[int], Any]

    def answer(self, size: int) -> None:
        self.predict(self.make_batch(size))


@dataclass(frozen=True, slots=True)
class Clock:
    """Seconds of the wall, seconds of the CPU (of this process, all threads), and how to wait."""

    now: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class WarmedUp:
    """What came before the first request that counts."""

    first_s: float  # the very first answer
    batches: int
    duration_s: float


def _nobody(_size: int) -> None:
    """Nobody is told."""


def warm_up(service: Service, sizes: Sequence[int], seconds: float, clock: Clock | None = None) -> WarmedUp:
    """Answer batches of these sizes until each has had its share of the seconds, and three of each at least."""
    clock = clock or Clock()
    began = clock.now()
    first_s, batches = 0.0, 0
    for size in sizes:
        until = clock.now() + seconds / len(sizes)
        done = 0
        while done < _LEAST_WARM_UPS or clock.now() < until:
            before = clock.now()
            service.answer(size)
            first_s = first_s or clock.now() - before
            done += 1
        batches += done
    return WarmedUp(first_s, batches, clock.now() - began)


def back_to_back(
    service: Service,
    batch: int,
    seconds: float,
    *,
    answered: Callable[[int], None] = _nobody,
    clock: Clock | None = None,
) -> Served:
    """One batch after the other for so many seconds. `answered` is told the size of each batch that is done."""
    clock = clock or Clock()
    latencies: list[float] = []
    began, cpu = clock.now(), clock.cpu()
    before = began
    while True:
        service.answer(batch)
        after = clock.now()
        latencies.append(after - before)
        answered(batch)
        if after - began >= seconds:
            break
        before = clock.now()
    duration_s = clock.now() - began
    return Served(
        requests=batch * len(latencies),
        batches=len(latencies),
        latencies_s=tuple(latencies),
        duration_s=duration_s,
        working_s=duration_s,
        waiting_s=0.0,
        working_cpu_s=clock.cpu() - cpu,
        waiting_cpu_s=0.0,
    )


def on_schedule(
    service: Service,
    batch: int,
    arrivals_s: Sequence[float],
    schedule_s: float,
    *,
    answered: Callable[[int], None] = _nobody,
    clock: Clock | None = None,
) -> Served:
    """Answer requests that come at these times, seconds from the start, whether or not anybody is free for them.

    Args:
        service: what answers.
        batch: of those waiting, so many are answered together at most.
        arrivals_s: rising.
        schedule_s: in which they come; after `PATIENCE` of these the rest is left unanswered, and counted.
        answered: is told the size of each batch that is done.
        clock: what the time is taken from.
    """
    clock = clock or Clock()
    latencies: list[float] = []
    batches = most_waiting = 0
    waiting_s = waiting_cpu_s = 0.0
    began, cpu = clock.now(), clock.cpu()
    while (done := len(latencies)) < len(arrivals_s):
        now_s = clock.now() - began
        if now_s > PATIENCE * schedule_s:
            break
        due = bisect_right(arrivals_s, now_s, lo=done) - done
        if not due:
            before_cpu = clock.cpu()
            clock.sleep(arrivals_s[done] - now_s)
            waiting_s += clock.now() - began - now_s
            waiting_cpu_s += clock.cpu() - before_cpu
            continue
        most_waiting = max(most_waiting, due)
        size = min(due, batch)
        service.answer(size)
        ended_s = clock.now() - began
        latencies += [ended_s - arrived_s for arrived_s in arrivals_s[done : done + size]]
        batches += 1
        answered(size)
    duration_s = clock.now() - began
    return Served(
        requests=len(latencies),
        batches=batches,
        latencies_s=tuple(latencies),
        duration_s=duration_s,
        working_s=duration_s - waiting_s,
        waiting_s=waiting_s,
        working_cpu_s=clock.cpu() - cpu - waiting_cpu_s,
        waiting_cpu_s=waiting_cpu_s,
        schedule_s=schedule_s,
        most_waiting=most_waiting,
        unanswered=len(arrivals_s) - len(latencies),
    )
