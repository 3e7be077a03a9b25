"""Simulate a fleet of nodes under several ways to schedule the same jobs: joules, CO2e, waiting times.

    wattleak simulate --example > fleet.toml
    wattleak simulate fleet.toml
    wattleak simulate fleet.toml --trace jobs.csv --policy batched
    zcat jobs.csv.gz | wattleak simulate fleet.toml --trace -

Policies: first-come, batched, shifted-in-time (to the greenest hour before the deadline), shifted-in-place (to the
greenest place that has room). Idle nodes, node starts and set-ups of jobs are billed. All numbers are simulated: they
follow from the scenario. docs/how-to/simulate-a-fleet.md says what is assumed.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.cli.numbers import whole_number
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator

SUMMARY = "simulate a fleet: batched, shifted in time or in place, against first-come"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("scenario", nargs="?", metavar="FILE", help="the scenario, a TOML file (--example shows one)")
    parser.add_argument("--example", action="store_true", help="print a scenario to start from")
    parser.add_argument(
        "--trace", metavar="FILE", help="jobs in CSV or JSON lines in place of those of the scenario; - is stdin"
    )
    parser.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="NAME",
        help="only this policy and first-come: batched, shifted-in-time, shifted-in-place; repeat for several",
    )
    parser.add_argument("--seeds", metavar="N", help="streams of drawn jobs (default: the scenario's, or 10)")
    parser.add_argument("--seed", metavar="N", help="seed of the first stream (default: 1)")
    parser.add_argument("--processes", metavar="N", help="processes (default: as many as CPUs may be used)")
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json
    from dataclasses import replace
    from pathlib import Path

    from wattleak.environment.cpus import usable_cpus
    from wattleak.footprint.simulation.scenario import EXAMPLE, policies_named, read_scenario

    if args.example:
        print(EXAMPLE, end="")
        return ExitCode.DONE
    if args.scenario is None:
        raise UsageError("no scenario was named", "wattleak simulate --example > fleet.toml makes one to start from")
    scenario = read_scenario(Path(args.scenario), trace=None if args.trace is None else Path(args.trace))
    if args.policy:
        scenario = replace(scenario, policies=policies_named(args.policy))
    if scenario.trace is not None and (args.seeds is not None or args.seed is not None):
        raise UsageError("--seed and --seeds draw jobs, and a trace has them", "leave them out, or the trace")
    count = scenario.seeds if args.seeds is None else whole_number(args.seeds, "--seeds", 1)
    seed = 1 if args.seed is None else whole_number(args.seed, "--seed", 0)
    seeds = range(seed, seed + count) if scenario.trace is None else range(1)
    processes = usable_cpus() or 1 if args.processes is None else whole_number(args.processes, "--processes", 1)

    from wattleak.footprint.simulation.running import run_scenario
    from wattleak.footprint.simulation.summary import summarise

    expected = None if scenario.workload is None else round(scenario.workload.expected_jobs * count)
    with _progress(expected, quiet=args.quiet) as watch:
        found = summarise(run_scenario(scenario, seeds, processes, watch))

    from wattleak.cli.terminal import style_for
    from wattleak.reports.simulation import render_simulation, simulation_document

    if args.json:
        print(json.dumps(simulation_document(scenario, list(seeds), found)))
    elif not args.quiet:
        print(render_simulation(scenario, list(seeds), found, style=style_for(sys.stdout, args)))
    return ExitCode.DONE


@contextmanager
def _progress(expected: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """Jobs so far on standard error, on a terminal only; nobody knows how many a trace will have."""
    if quiet or not sys.stderr.isatty():
        yield lambda _: None
        return
    begin = monotonic()
    jobs, shown = 0, begin

    def watch(more: int) -> None:
        nonlocal jobs, shown
        jobs += more
        now = monotonic()
        if now - shown >= 0.2:
            shown = now
            of = "" if expected is None else f" of about {expected:,}"
            line = f"\r{jobs:,} jobs{of}, {jobs / (now - begin):,.0f} a second\x1b[K"
            print(line, end="", file=sys.stderr, flush=True)

    try:
        yield watch
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
