"""A scenario played: its trace once, or as many streams of jobs as it has seeds, on several processors."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.footprint.simulation.fleet import simulate
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
    if scenario.trace is not None:
        return [_played(scenario, _traced(scenario), watch)]
    if processes == 1 or len(seeds) == 1:
        return [run_seed(scenario, seed, watch) for seed in seeds]
    with ProcessPoolExecutor(min(processes, len(seeds))) as pool:
        submitted = {pool.submit(run_seed, scenario, seed): seed for seed in seeds}
        by_seed = {}
        for done in as_completed(submitted):
            by_seed[submitted[done]] = done.result()
            watch(by_seed[submitted[done]][0].jobs)
    return [by_seed[seed] for seed in seeds]


def run_seed(scenario: Scenario, seed: int, watch: Watch | None = None) -> list[Outcome]:
    """One stream of drawn jobs under all policies of the scenario."""
    assert scenario.workload is not None
    return _played(scenario, draw_jobs(scenario.workload, scenario.sites, seed), watch)


def _played(scenario: Scenario, chunks: Iterator[list[Job]], watch: Watch | None) -> list[Outcome]:
    outcomes = simulate(scenario.policies, scenario.sites, scenario.options, _watched(chunks, watch))
    if not outcomes[0].jobs:
        raise UsageError("no job arrived", "the rate is too low for these days: raise per_day or days")
    return outcomes


def _watched(chunks: Iterator[list[Job]], watch: Watch | None) -> Iterator[list[Job]]:
    for chunk in chunks:
        yield chunk
        if watch is not None:
            watch(len(chunk))


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
