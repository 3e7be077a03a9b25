"""What a run showed that no smell's room is about: criteria with a counter and a threshold, but without a page, a fix
or an experiment of their own. So none of them is an error, and what it costs is said only where seconds were counted.

A criterion is a function of signals; CRITERIA is the list of all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from wattleak.analysis.phases import TRAINING
from wattleak.model import AlsoSeen, Severity
from wattleak.smells.noted import evidence_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Evidence
    from wattleak.signals import Fact, Process, Signals

STARTED = 3.0  # times at one place
SHARE = 0.01  # of the training's time
EACH_STEP = 0.5  # of the steps
FEWEST_STEPS = 20.0
_MUCH = 0.05
# They write much, which costs disk and time, but do not change how a step is computed.
_ONLY_WRITE = ("TORCH_LOGS", "TORCH_COMPILE_DEBUG", "TF_CPP_", "TF_DUMP_", "JAX_LOG_", "XLA_FLAGS")


class Judged(NamedTuple):
    severity: Severity
    evidence: Evidence


class Judge(Protocol):
    def __call__(self, signals: Signals, name: str) -> Iterator[Judged]: ...


def also_seen(signals: Signals) -> tuple[AlsoSeen, ...]:
    """Everything that the criteria find, in their order. What several processes did alike is told of one of them."""
    found: dict[tuple[str, str, str | None, int | None], AlsoSeen] = {}
    for name, criterion in CRITERIA.items():
        for judged in criterion(signals, name):
            item = judged.evidence
            key = name, item.counter, item.path, item.line
            if key not in found or item.value > found[key].evidence.value:
                found[key] = AlsoSeen(name, judged.severity, item)
    return tuple(found.values())


def workers_started_again(signals: Signals, name: str) -> Iterator[Judged]:
    """Workers of a data loader that were started for every epoch: new ones, or a new loader, each time."""
    trained_s = _trained_s(signals)
    for fact in signals.of("loader"):
        started, workers = fact.number("started") or 0.0, fact.number("workers") or 0.0
        whole_s = trained_s.get(fact.process, 0.0)
        if started < STARTED or not workers or not whole_s:
            continue
        cost_s = _start_up_s(fact, started) * (started - 1.0) / started  # once is needed
        if cost_s <= SHARE * whole_s:
            continue
        how = "a new loader each time" if (fact.number("loaders") or 0.0) > 1.0 else "without persistent_workers"
        yield Judged(
            Severity.WARNING if cost_s > _MUCH * whole_s else Severity.INFO,
            evidence_at(
                fact,
                name,
                "times that the workers of a loader were started",
                started,
                f"{_workers(workers)} started {started:.0f} times here ({how}); starting them again, and "
                f"waiting longer for first batches than for others, took {cost_s:.3g} s, "
                f"{100 * cost_s / whole_s:.0f} % of the training",
                threshold=STARTED - 1.0,
                cost_s=cost_s,
            ),
        )


def _trained_s(signals: Signals) -> dict[Process, float]:
    return {fact.process: fact.number("s") or 0.0 for fact in signals.of("phase") if fact.text("name") == TRAINING}


def _workers(count: float) -> str:
    return "the one worker was" if count == 1.0 else f"{count:.0f} workers were"


def _start_up_s(fact: Fact, started: float) -> float:
    """Seconds until the iterators were there, and for first batches what these took longer than the others did."""
    first_s, batches = fact.number("first_wait_s") or 0.0, fact.number("batches") or 0.0
    others = batches - started
    usual_s = ((fact.number("wait_s") or 0.0) - first_s) / others if others > 0.0 else 0.0
    return (fact.number("start_s") or 0.0) + max(0.0, first_s - started * usual_s)


def cleaned_every_step(signals: Signals, name: str) -> Iterator[Judged]:
    """The garbage collector, a device's cache or a session, cleaned in every other step or more often."""
    trained_s = _trained_s(signals)
    for fact in signals.of("cleaning"):
        steps, of_steps = fact.number("steps") or 0.0, fact.number("of_steps") or 0.0
        whole_s, cost_s = trained_s.get(fact.process, 0.0), fact.number("s") or 0.0
        if of_steps < FEWEST_STEPS or steps < EACH_STEP * of_steps or cost_s <= SHARE * whole_s or not whole_s:
            continue
        what = fact.text("name") or "a clean-up"
        yield Judged(
            Severity.WARNING if cost_s > _MUCH * whole_s else Severity.INFO,
            evidence_at(
                fact,
                name,
                f"share of the steps with a call of {what}",
                steps / of_steps,
                f"{what} was called here in {steps:.0f} of {of_steps:.0f} steps; the calls took {cost_s:.3g} s, "
                f"{100 * cost_s / whole_s:.0f} % of the training",
                threshold=EACH_STEP,
                cost_s=cost_s,
            ),
        )


def debugging_left_on(signals: Signals, name: str) -> Iterator[Judged]:
    """Settings for finding faults, on while a training made its steps."""
    for fact in signals.of("debugging"):
        steps, what = fact.number("steps") or 0.0, fact.text("name") or ""
        if steps <= 0.0:
            continue
        yield Judged(
            Severity.INFO if what.startswith(_ONLY_WRITE) else Severity.WARNING,
            evidence_at(fact, name, f"steps made with {what} on", steps, fact.text("text") or what, threshold=0.0),
        )


CRITERIA: dict[str, Judge] = {
    "loader-workers-started-again": workers_started_again,
    "cleaning-every-step": cleaned_every_step,
    "debugging-left-on": debugging_left_on,
}
