"""The gate for pipelines: are the budgets of a job kept, and does it cost more than before?

    wattleak check -- python train.py                    # fresh runs against [tool.wattleak.budgets]
    wattleak check --against main -- python train.py     # and against the code of main, in blocks
    wattleak check 1f2e3d4c                              # a stored run or experiment

Exit codes: 0 all is well, 1 a budget is exceeded or a verdict is COSTS MORE, 3 nothing trustworthy was measured, 4 not
enough runs to say. One line says each reason.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, MeasurementError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence

    from wattleak.analysis.budgets import Budget
    from wattleak.analysis.check import Judged
    from wattleak.cli.settings import Settings
    from wattleak.model import Comparison, Experiment, Measurement
    from wattleak.store.sqlite import SqliteStore

SUMMARY = "the gate for pipelines: budgets and regressions"

_ID = re.compile(r"^[0-9a-f]{1,32}$")


def configure(parser: ArgumentParser) -> None:
    parser.usage = "wattleak check [options] -- COMMAND [ARGUMENT...]\n       wattleak check [options] ID"
    parser.add_argument(
        "commands", nargs="*", metavar="COMMAND | ID", help="the command to run, or the id of a run or an experiment"
    )
    parser.add_argument("--name", metavar="JOB", help="the job, for budgets of its own and for list --trend")
    parser.add_argument(
        "--budget",
        action="append",
        default=[],
        metavar="NAME=AMOUNT",
        help="beside those of [tool.wattleak.budgets]: energy='150 J', cpu='30 s', peak_memory='2 GiB'",
    )
    options.add_against(parser)
    parser.add_argument(
        "--require-grade",
        choices=("observed", "confirmed", "proved"),
        default="observed",
        help="how firm a COSTS MORE must be to fail (default: observed)",
    )
    parser.add_argument("-n", "--runs", dest="check_runs", metavar="N", help="fresh runs that count (default: 6)")
    parser.add_argument("--warmups", metavar="N", help="runs that are made first and thrown away (default: 1)")
    parser.add_argument("--seed", metavar="N", help="seed of the training seeds (default: drawn and stored)")
    parser.add_argument("--metric", metavar="NAME", help="with --against: the metric that decides")
    parser.add_argument("--smallest-effect", metavar="X", help="with --against: 0.02 or 2%% (default: 2%%)")
    parser.add_argument("--quality", metavar="METRIC[:max|min[:MARGIN]]", help="with --against: fails if it gets worse")
    parser.add_argument("--quality-regex", metavar="REGEX", help="finds figures in the output")
    parser.add_argument("--timeout", metavar="SECONDS", help="a run that takes longer is ended and does not count")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="environment of the command")
    parser.add_argument("--shell", action="store_true", help="hand the command to /bin/sh as one string")
    parser.add_argument(
        "--format", choices=("text", "github"), default="text", help="github: annotations of a workflow run"
    )
    options.add_measuring(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from wattleak.cli.settings import Settings

    settings = Settings.resolve(args)
    budgets = _budgets(settings, args)
    if len(args.commands) == 1 and _ID.match(args.commands[0]):
        return _check_stored(args.commands[0], settings, budgets, args)
    return _check_fresh(settings, budgets, args)


def _budgets(settings: Settings, args: Namespace) -> tuple[Budget, ...]:
    """Of the job, those of the command line in place of those of pyproject.toml."""
    from wattleak.analysis.budgets import Budgets, parse_budgets

    table = {}
    for text in args.budget:
        name, equals, amount = text.partition("=")
        if not equals:
            raise UsageError(f"--budget {text!r} has no amount", "write --budget energy='150 J'")
        table[name.strip()] = amount.strip()
    own = parse_budgets(table).every
    known = (settings.budgets or Budgets()).of(args.name)
    return (*(budget for budget in known if budget.metric not in {item.metric for item in own}), *own)


def _check_fresh(settings: Settings, budgets: tuple[Budget, ...], args: Namespace) -> int:
    """Run the command as often as is asked, and judge."""
    import shlex
    from dataclasses import replace

    from wattleak.cli.against import Question, one_command, question
    from wattleak.cli.experiment import experiment
    from wattleak.environment.redaction import redact_command
    from wattleak.experiment.factors import Treatments

    if not budgets and not args.against:
        raise UsageError(
            f"there is nothing to check{f' for job {args.name!r}' if args.name else ''}: no budget and no --against",
            "[tool.wattleak.budgets] in pyproject.toml with cpu = \"30 s\", or --budget cpu='30 s', or --against main",
        )
    if args.link and not args.against:
        raise UsageError("--link belongs to --against of a commit", "wattleak check --against main --link data -- ...")
    command = one_command(args, "job")
    words = shlex.join(redact_command(command.command))
    asked = question(args, settings) if args.against else Question(Treatments((command,)), words)
    job = args.name or words

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        comparison = _comparison(store, finished)
        if comparison is not None:
            store.save_verdict(finished.plan.experiment, comparison.pairs[0].verdict.value)
        judged = _judge_experiment(finished, comparison, budgets, args)
        return _tell(job, f"experiment {finished.plan.experiment}", judged, args)

    planned = replace(settings, blocks=settings.check_runs, sessions=1, stop=None, looks=None)
    try:
        return experiment(
            asked.treatments,
            planned,
            _as_compare(args),
            title=args.name or asked.title,
            kind="check",
            conclude=conclude,
        )
    except MeasurementError as error:
        from wattleak.analysis.check import Judged, Outcome

        why = f"{error.message}; {error.remedy}" if error.remedy else error.message
        return _tell(job, "no experiment", [Judged(Outcome.NOT_TRUSTWORTHY, why=why)], args)


def _as_compare(args: Namespace) -> Namespace:
    """The options of `compare` that `check` does not have, as if nobody had given them."""
    from argparse import ArgumentParser

    from wattleak.cli import compare

    parser = ArgumentParser()
    compare.configure(parser)
    filled = parser.parse_args([])
    for name, value in vars(args).items():
        setattr(filled, name, value)
    filled.quiet = args.quiet or args.json  # the id is in the answer
    return filled


def _check_stored(identity: str, settings: Settings, budgets: tuple[Budget, ...], args: Namespace) -> int:
    """Judge what was measured before; nothing is run."""
    from wattleak.analysis.budgets import check_budget
    from wattleak.analysis.check import judge_budget
    from wattleak.store.sqlite import SqliteStore

    if args.against or args.link:
        raise UsageError("--against runs a command", "wattleak check --against main -- python train.py")
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, found = store.find(identity)
        if kind == "run":
            measurement = store.measurement(found)
            _refuse_without_budgets(budgets, f"run {found}")
            good = [measurement] if measurement.complete and measurement.exit_code == 0 else []
            judged = [judge_budget(check_budget(budget, good)) for budget in budgets]
            return _tell(args.name or measurement.name or found, f"run {found}", judged, args)
        stored = store.experiment(found)
        comparison = _comparison(store, stored)
    if comparison is None:
        _refuse_without_budgets(budgets, f"experiment {found}, which has one variant,")
    judged = _judge_experiment(stored, comparison, budgets, args)
    return _tell(args.name or stored.plan.design.title or found, f"experiment {found}", judged, args)


def _refuse_without_budgets(budgets: tuple[Budget, ...], what: str) -> None:
    if not budgets:
        raise UsageError(f"there is no budget that {what} could be judged by", "give one: --budget cpu='30 s'")


def _comparison(store: SqliteStore, finished: Experiment) -> Comparison | None:
    """The answer of an experiment; None when it has one variant and nothing to hold it against."""
    from wattleak.cli.against import judged

    design = finished.plan.design
    return judged(store, finished)[1] if len(design.variants) > 1 or design.against else None


def _judge_experiment(
    finished: Experiment, comparison: Comparison | None, budgets: Sequence[Budget], args: Namespace
) -> list[Judged]:
    """Budgets hold for every candidate, or for the only variant; the reference is what was."""
    from wattleak.analysis.archived import good_measurements
    from wattleak.analysis.budgets import check_budget
    from wattleak.analysis.check import judge_budget, judge_pair, judge_quality
    from wattleak.model import Grade

    names = [variant.name for variant in finished.plan.design.variants]
    candidates = names[1:] or names
    runs: list[tuple[Measurement, ...]] = [good_measurements(finished, name) for name in candidates]
    judged = [judge_budget(check_budget(budget, side)) for side in runs for budget in budgets]
    pairs = () if comparison is None else comparison.pairs
    judged += [judge_pair(pair, Grade(args.require_grade)) for pair in pairs]
    if finished.plan.design.quality is not None:  # asked for; what runs report unasked is told beside the verdict
        judged += [judge_quality(pair.quality) for pair in pairs]
    return judged


def _tell(job: str, subject: str, judged: Sequence[Judged], args: Namespace) -> int:
    import json

    from wattleak.analysis.check import Outcome, overall
    from wattleak.cli.terminal import style_for
    from wattleak.reports.check import GateReport, gate_document, render_gate, render_github

    report = GateReport(job, subject, overall(judged), tuple(judged))
    code = {
        Outcome.MET: ExitCode.DONE,
        Outcome.NOT_MET: ExitCode.FINDINGS,
        Outcome.NOT_TRUSTWORTHY: ExitCode.NOT_TRUSTWORTHY,
        Outcome.NOT_ENOUGH_RUNS: ExitCode.NOT_ENOUGH_RUNS,
    }[report.outcome]
    if args.json:
        print(json.dumps({**gate_document(report), "exit_code": int(code)}))
    elif args.format == "github":
        print(render_github(report))
    elif not args.quiet:
        print(render_gate(report, style=style_for(sys.stdout, args)))
    return code
