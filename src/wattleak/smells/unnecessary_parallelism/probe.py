"""Threads that wanted a CPU at once against the CPUs that there are, throttling, and pools that multiply.

Counters of the kernel, read from outside: see `signals.outside.stretches` for `runnable`. The cost is the CPU time that
was spent in that state. How much of it fewer threads would save, one run cannot say; `wattleak tune` can.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wattleak.model import Evidence
from wattleak.signals.outside.facts import stretches_in
from wattleak.smells.unnecessary_parallelism.asked import asked_for
from wattleak.smells.unnecessary_parallelism.beside import jobs_around, threads_inside
from wattleak.smells.unnecessary_parallelism.contention import (
    CROWDED,
    MANY_PROCESSES,
    SWITCHES,
    THROTTLED,
    crowded_processes,
    crowded_together,
    stopped_by_quota,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.signals import Signals
    from wattleak.smells.unnecessary_parallelism.asked import Place
    from wattleak.smells.unnecessary_parallelism.beside import Jobs
    from wattleak.smells.unnecessary_parallelism.contention import Crowd, Stopped

_CODE = "PAR001"
_LONGEST = 80  # characters of a command in a sentence
_WORTH_SAYING = 0.25  # of the CPU time spent in the kernel


def probe(signals: Signals) -> Iterator[Evidence]:
    """Yield what the counters of a run showed."""
    found = stretches_in(signals)
    for crowd in crowded_processes(found):
        yield _of_threads(crowd, signals)
    nested, plain = crowded_together(found)
    if nested is not None:
        yield _of_pools(nested, signals)
    if plain is not None:
        yield _of_processes(plain)
    stopped = stopped_by_quota(found)
    if stopped is not None:
        yield _of_quota(stopped, signals)


def _of_threads(crowd: Crowd, signals: Signals) -> Evidence:
    place = asked_for(signals, crowd.pids[:1], crowd.cpus)
    jobs = jobs_around(signals, crowd.pids[:1])
    what = f"{crowd.workers:.0f} threads that work"
    if crowd.runnable is not None:
        what += f", {crowd.runnable:.1f} of them wanting a CPU at once"
    room = max(1.0, crowd.cpus)
    counter, value, unit, threshold = "switches between threads", crowd.switches_per_s, "1/s", SWITCHES * room
    if crowd.runnable is not None and crowd.runnable > CROWDED * room:
        counter, value, unit = "threads that wanted a CPU at once", crowd.runnable, "threads"
        threshold = CROWDED * room
    asked = f"; {place.setter} asked for {place.number}" if place else ""
    return _evidence(
        place or jobs,
        counter=counter,
        value=value,
        unit=unit,
        threshold=threshold,
        message=f"{_short(crowd.command)} had {what}, on {_cpus(crowd)}{asked}{_beside(jobs, signals)}; "
        f"{_price(crowd)}",
        cost_s=crowd.run_s,
        pid=crowd.pids[0],
    )


def _of_pools(crowd: Crowd, signals: Signals) -> Evidence:
    place = asked_for(signals, crowd.pids, crowd.cpus)
    jobs = jobs_around(signals, crowd.pids)
    assert crowd.runnable is not None
    each = crowd.workers / len(crowd.pids)
    return _evidence(
        place or jobs,
        counter="threads that wanted a CPU at once, all processes",
        value=crowd.runnable,
        threshold=CROWDED * max(1.0, crowd.cpus),
        message=f"pools inside pools: {len(crowd.pids)} processes of {_short(crowd.command)} with {each:.0f} threads "
        f"that work in each, {crowd.runnable:.1f} wanting a CPU at once, on {_cpus(crowd)}{_beside(jobs, signals)}; "
        f"{_price(crowd)}",
        cost_s=crowd.run_s,
        pid=crowd.pids[0],
    )


def _of_processes(crowd: Crowd) -> Evidence:
    assert crowd.runnable is not None
    return _evidence(
        None,
        counter="threads that wanted a CPU at once, all processes",
        value=crowd.runnable,
        threshold=MANY_PROCESSES * max(1.0, crowd.cpus),
        message=f"{len(crowd.pids)} processes of {_short(crowd.command)} that work, {crowd.runnable:.1f} wanting a CPU "
        f"at once, on {_cpus(crowd)}; {_price(crowd)}",
        cost_s=crowd.run_s,
        pid=crowd.pids[0],
    )


def _of_quota(stopped: Stopped, signals: Signals) -> Evidence:
    return _evidence(
        asked_for(signals, (stopped.pid,), stopped.cpus),
        counter="throttled periods",
        value=100 * stopped.share,
        unit="%",
        threshold=100 * THROTTLED,
        message=f"{stopped.workers:.0f} threads that work in a control group of {stopped.cpus:g} CPUs: it was stopped "
        f"in {stopped.throttled} of {stopped.periods} periods, {stopped.throttled_s:.1f} s in sum over its CPUs; with "
        f"{math.ceil(stopped.cpus)} threads {_short(stopped.command)} would use the same quota without being stopped",
        cost_s=stopped.throttled_s,
        pid=stopped.pid,
    )


def _evidence(
    place: Place | Jobs | None,
    *,
    counter: str,
    value: float,
    threshold: float,
    message: str,
    cost_s: float,
    pid: int,
    unit: str = "threads",
) -> Evidence:
    """What was counted, at the line that asked for it where there is one."""
    path, line, function = (None, None, None) if place is None else (place.path, place.line, place.function)
    return Evidence(
        code=_CODE,
        path=path,
        line=line,
        function=function,
        counter=counter,
        value=value,
        unit=unit,
        threshold=threshold,
        message=message,
        cost_s=cost_s,
        pid=pid,
    )


def _beside(jobs: Jobs | None, signals: Signals) -> str:
    if jobs is None:
        return ""
    inside = threads_inside(signals, jobs)
    pools = f", and {inside[1]} in each of them has {inside[0]} threads" if inside is not None else ""
    return f"; joblib was asked for {jobs.number} jobs ({jobs.backend}){pools}"


def _price(crowd: Crowd) -> str:
    per_s = crowd.switches_per_s
    parts = [f"{crowd.run_s:.1f} CPU-seconds in {crowd.duration_s:.1f} s of it"]
    if crowd.wait_s:
        parts.append(f"its threads waited {crowd.wait_s:.1f} s for a CPU")
    parts.append(f"{per_s:,.0f} switches a second ({100 * crowd.involuntary_share:.0f} % involuntary)")
    if crowd.system_s > _WORTH_SAYING * crowd.run_s:
        parts.append(f"{100 * crowd.system_s / crowd.run_s:.0f} % of the CPU time in the kernel")
    return ", ".join(parts)


def _cpus(crowd: Crowd) -> str:
    return f"{crowd.cpus:g} CPU{'' if crowd.cpus == 1 else 's'} ({crowd.why})"


def _short(command: str) -> str:
    shown = " ".join(command.split())
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
