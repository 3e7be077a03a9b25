"""One stream of jobs on several processors: each plays some of the policies and reads or draws the jobs for itself.

The processes meet once, at the end: all policies are billed to the time at which the last of them was done.
"""

from __future__ import annotations

import multiprocessing
import signal
from multiprocessing.connection import wait
from typing import TYPE_CHECKING

from wattleak.errors import OwnFailure, UsageError
from wattleak.footprint.simulation.fleet import end_of_bill, play

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from typing import Any

    from wattleak.footprint.simulation.fleet import Outcome
    from wattleak.footprint.simulation.jobs import Job
    from wattleak.footprint.simulation.policies import Kind
    from wattleak.footprint.simulation.scenario import Scenario

    Stream = Callable[[], Iterator[Sequence[Job]]]


def play_apart(scenario: Scenario, stream: Stream, processes: int, watch: Callable[[int], None]) -> list[Outcome]:
    """The outcome of each policy, in the order of the scenario. Raises UsageError for a stream that cannot be read."""
    kinds = scenario.policies
    shares = [kinds[first::processes] for first in range(min(processes, len(kinds)))]
    started = []
    try:
        for number, share in enumerate(shares):
            ours, theirs = multiprocessing.Pipe()
            arguments = (scenario, stream, share, theirs, number == 0)
            process = multiprocessing.Process(target=_play_share, args=arguments, daemon=True)
            process.start()
            theirs.close()
            started.append((process, ours))
        pipes = [pipe for _, pipe in started]
        end_s = end_of_bill(_answers(pipes, watch), scenario.sites)
        for pipe in pipes:
            pipe.send(end_s)
        outcomes = {outcome.policy: outcome for share in _answers(pipes, watch) for outcome in share}
    finally:
        for process, pipe in started:
            process.terminate()
            process.join()
            pipe.close()
    return [outcomes[kind] for kind in kinds]


def _answers(pipes: Sequence[Connection], watch: Callable[[int], None]) -> list[Any]:
    """The next answer of each process; counts of jobs that come before it are passed on."""
    answers: dict[int, Any] = {}
    while len(answers) < len(pipes):
        for ready in wait([pipe for number, pipe in enumerate(pipes) if number not in answers]):
            number = next(number for number, pipe in enumerate(pipes) if pipe is ready)
            try:
                what, value = pipes[number].recv()
            except EOFError:
                raise OwnFailure(
                    "a process of the simulation ended before its work", "too little memory? --processes 1 needs least"
                ) from None
            if what == "jobs":
                watch(value)
            elif what == "error":
                raise UsageError(*value)
            else:
                answers[number] = value
    return [answers[number] for number in range(len(pipes))]


def _play_share(scenario: Scenario, stream: Stream, kinds: Sequence[Kind], pipe: Connection, is_counting: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us ends us
    count = (lambda jobs: pipe.send(("jobs", jobs))) if is_counting else None
    try:
        fleets = play(kinds, scenario.sites, scenario.options, stream(), count)
        pipe.send(("end", max(fleet.drain() for fleet in fleets)))
        end_s = pipe.recv()
        pipe.send(("outcomes", [fleet.outcome(end_s) for fleet in fleets]))
    except UsageError as error:
        pipe.send(("error", (error.message, error.remedy)))
