"""List what is stored: runs of `measure`, and experiments."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "list stored runs and experiments"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--runs-of", metavar="ID", help="only the runs of this experiment")
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json

    from wattleak.cli.settings import Settings
    from wattleak.documents import list_document
    from wattleak.store.sqlite import SqliteStore

    settings = Settings.resolve(args)
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
