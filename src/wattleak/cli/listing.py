"""List what is stored: runs of `measure`, and experiments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "list stored runs and experiments"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--runs-of", metavar="ID", help="only the runs of this experiment")
    parser.add_argument(
        "--trend",
        metavar="NAME",
        help="a metric of the runs with this name, title or command over weeks, with change points",
    )
    parser.add_argument("--metric", metavar="NAME", help="with --trend: which (default: measured energy, else cpu_s)")
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json

    from wattleak.cli.settings import Settings
    from wattleak.documents import list_document
    from wattleak.store.sqlite import SqliteStore

    settings = Settings.resolve(args)
    if args.trend is not None:
        from wattleak.cli.trend import run_trend

        return run_trend(args, settings)
    if args.metric is not None:
        raise UsageError("--metric is for --trend", "wattleak list --trend NAME --metric duration_s")
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        runs = store.runs()
        experiments = store.experiments()
        if args.runs_of:
            kind, identity = store.find(args.runs_of)
            runs = [row for row in runs if (row.experiment if kind == "experiment" else row.id) == identity]
            experiments = [row for row in experiments if row.id == identity]
    if args.json:
        print(json.dumps(list_document(runs, experiments)))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for
        from wattleak.reports.listing import render_list

        print(render_list(runs, experiments, style=style_for(sys.stdout, args)))
    return ExitCode.DONE
