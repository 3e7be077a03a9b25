"""Show that verdicts are right as often as they say, by synthetic experiments whose truth is known.

    wattleak selftest
    wattleak selftest --experiments 10000 --blocks 8,12,20 --seed 1

Scripted programs on a fake clock and a scripted meter go through the whole pipeline: plan, order, runner, attribution,
interval, verdict, grade. Machines that drift, wander, spike or differ from day to day are played; nothing is really
run, no store is touched, and the same seed gives the same numbers. Exit code 3 when a promise is not kept.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.cli.numbers import whole_number
from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "show that verdicts are right as often as they say"

_EXPERIMENTS = 200  # of each kind: about a minute on two cores


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--experiments", metavar="N", default=str(_EXPERIMENTS), help=f"of each kind (default: {_EXPERIMENTS})"
    )
    parser.add_argument("--blocks", metavar="N,N,...", default="8,12,20", help="sizes to try (default: 8,12,20)")
    parser.add_argument("--seed", metavar="N", default="1", help="seed of everything that is drawn (default: 1)")
    parser.add_argument("--jobs", metavar="N", help="processes (default: as many as CPUs may be used)")
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json

    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.terminal import style_for, work_progress
    from wattleak.experiment.selftest import LEVEL, plan_trials, run_trial
    from wattleak.reports.selftest import render_selftest, selftest_document

    experiments, seed = whole_number(args.experiments, "--experiments", 1), whole_number(args.seed, "--seed", 0)
    jobs = None if args.jobs is None else whole_number(args.jobs, "--jobs", 1)
    sizes = [whole_number(part, "--blocks", blocks_needed(LEVEL, 1)) for part in args.blocks.split(",")]
    trials = plan_trials(experiments, sizes, seed)
    done = []
    with work_progress(len(trials), "selftest", quiet=args.quiet) as step:
        for trial in trials:
            done.append(run_trial(trial, jobs))
            step()
    if args.json:
        print(json.dumps(selftest_document(done)))
    elif not args.quiet:
        print(render_selftest(done, style=style_for(sys.stdout, args)))
    return ExitCode.DONE if all(trial.is_within for trial in done) else ExitCode.NOT_TRUSTWORTHY
