"""A scenario played: its trace once, or as many streams of jobs as it has seeds, on several processors."""

from __future__ import annotations

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.simulation.apart import play_apart
from wattleak.footprint.simulation.fleet import end_of_bill, play, simulate
from wattleak.footprint.simulation.generator import draw_jobs
from wattleak.footprint.simulation.trace import read_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wattleak.footprint.simulation.fleet import Outcome
    from wattleak.footprint.simulation.jobs import Job
    from wattleak.footprint.simulation.scenario import Scenario

    Watch = Callable[[int], None]
    """Told how many more jobs have arrived."""


def run_scenario(scenario: Scenario, seeds: Sequence[int], processes: int, watch: Watch) -> list[list[Outcome]]:
    """Outcomes by stream and policy, in the order of the seeds. A trace is one stream and needs no seed.

    Raises UsageError for a trace that cannot be read or a stream without jobs.
    """
    if scenario.trace is not None or len(seeds) == 1:
        stream = partial(_stream, scenario, seeds[0])
        once = str(scenario.trace) == "-"  # standard input can be read by one process only
        if processes == 1 or once or len(scenario.policies) == 1:
            fleets = play(scenario.policies, scenario.sites, scenario.options, stream(), watch)
            end_s = end_of_bill((fleet.drain() for fleet in fleets), scenario.sites)
            return [_checked([fleet.outcome(end_s) for fleet in fleets])]
        return [_checked(play_apart(scenario, stream, processes, watch))]
    if processes == 1:
        return [_watched(run_seed(scenario, seed), watch) for seed in seeds]
    before = multiprocessing.active_children()
    with ProcessPoolExecutor(min(processes, len(seeds))) as pool:
        submitted = {pool.submit(run_seed, scenario, seed): seed for seed in seeds}
        try:
            by_seed = {submitted[done]: _watched(done.result(), watch) for done in as_completed(submitted)}
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                if process not in before:
                    process.terminate()  # nobody will ask for its seed
            raise
    return [by_seed[seed] for seed in seeds]


def run_seed(scenario: Scenario, seed: int) -> list[Outcome]:
    """One stream of drawn jobs under all policies of the scenario."""
    return _checked(simulate(scenario.policies, scenario.sites, scenario.options, _stream(scenario, seed)))


def _checked(outcomes: list[Outcome]) -> list[Outcome]:
    if not outcomes[0].jobs:
        raise UsageError("no job arrived", "the rate is too low for these days: raise per_day or days")
    return outcomes


def _watched(outcomes: list[Outcome], watch: Watch) -> list[Outcome]:
    watch(outcomes[0].jobs)
    return outcomes


def _stream(scenario: Scenario, seed: int) -> Iterator[list[Job]]:
    if scenario.workload is not None:
        return draw_jobs(scenario.workload, scenario.sites, seed)
    return _traced(scenario)


def _traced(scenario: Scenario) -> Iterator[list[Job]]:
    path = scenario.trace
    assert path is not None
    if str(path) == "-":
        yield from read_trace(sys.stdin, "standard input", scenario.sites)
        return
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            yield from read_trace(stream, str(path), scenario.sites)
    except OSError as error:
        raise UsageError(f"cannot read the trace {path}: {error.strerror}", "check the path, or - for stdin") from error
