"""Find cost smells in Python files, without importing or running them.

    wattleak scan train.py src/

Exit code 1 means that something was found. A line is excused with a comment: # wattleak: allow NAME
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "find cost smells in code"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders")
    parser.add_argument("--select", metavar="NAMES", help="only these smells, by comma (names or codes)")
    parser.add_argument(
        "--cpus", type=int, metavar="N", help="CPUs of the machine that will run the code (default: this one's)"
    )
    parser.add_argument(
        "--format", choices=("full", "concise"), default="full", help="form of the text (default: full)"
    )
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json

    from wattleak.cli.terminal import style_for
    from wattleak.documents import envelope
    from wattleak.errors import UsageError
    from wattleak.scanner.formats import render_concise, render_full, result_document
    from wattleak.scanner.scan import scan

    if args.cpus is not None and args.cpus < 1:
        raise UsageError(f"--cpus {args.cpus} is no number of CPUs", "give 1 or more")
    select = [name.strip() for name in args.select.split(",")] if args.select else None
    result = scan(args.paths, cpus=args.cpus, select=select)
    if args.json:
        print(json.dumps({**envelope("scan"), **result_document(result)}))
    elif not args.quiet:
        style = style_for(sys.stdout, args)
        print(render_concise(result) if args.format == "concise" else render_full(result, color=style.color))
    if result.findings:
        return ExitCode.FINDINGS
    # A file that was named and cannot be read was not scanned: silence would look like a clean bill.
    named = {Path(path) for path in args.paths}
    return ExitCode.USAGE if any(problem.path in named for problem in result.problems) else ExitCode.DONE
