"""The command line: parse, run one verb, and turn errors into exit codes, here and nowhere else."""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from wattleak import __version__
from wattleak.errors import ExitCode, WattleakError

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = (
    "measure",
    "watch",
    "compare",
    "check",
    "study",
    "tune",
    "scan",
    "prove",
    "project",
    "simulate",
    "explain",
    "list",
    "import",
    "report",
    "export",
    "verify",
    "doctor",
    "selftest",
    "completion",
)
"""One module of this package each (see also `_MODULES`): SUMMARY, configure(parser), run(args) -> exit code."""

_AFTER_DASHES = {
    "study": "arguments",
    "compare": "commands",
    "check": "commands",
    "prove": "arguments",
    "tune": "commands",
}
"""Verbs whose positional words may follow `--`, and what those words are called. `measure` takes the rest by itself."""

_MODULES = {"import": "import_", "list": "listing"}


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `wattleak` command. Returns the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = build_parser(words)
    args = _parse(parser, words)
    try:
        if args.verb is None:
            parser.print_help()
            return ExitCode.USAGE
        code: int = import_module(f"wattleak.cli.{_MODULES.get(args.verb, args.verb)}").run(args)
        sys.stdout.flush()
    except WattleakError as error:
        if args.traceback:
            raise
        print(f"wattleak: error: {error.message}", file=sys.stderr)
        if error.remedy:
            print(f"  try: {error.remedy}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("wattleak: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain once more when it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.DONE
    except Exception as error:
        # Ours, not the user's: said in one line like any other failure, with the way to a full report.
        if args.traceback:
            raise
        print(f"wattleak: internal error: {type(error).__name__}: {error}", file=sys.stderr)
        print("  try: the same command after `wattleak --traceback`, and report what it prints", file=sys.stderr)
        return ExitCode.OWN_FAILURE
    return code


def _parse(parser: argparse.ArgumentParser, words: list[str]) -> argparse.Namespace:
    """Parse. What follows `--` belongs to the user's program wherever the options stand.

    argparse gives words after `--` to a list of positional words only when no option stands between the two.
    """
    verb = next((word for word in words if not word.startswith("-")), None)
    taker = _AFTER_DASHES.get(verb or "")
    if taker is None or "--" not in words:
        return parser.parse_args(words)
    at = words.index("--")
    args = parser.parse_args(words[:at])
    setattr(args, taker, [*getattr(args, taker), *words[at + 1 :]])
    return args


def build_parser(words: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser. Only the verb that is asked for is loaded in full; `words` empty loads all of them."""
    parser = argparse.ArgumentParser(
        prog="wattleak",
        description="Finds, measures, proves and fixes the hidden cost of machine-learning code.",
        epilog="wattleak VERB --help says more. Exit codes: 0 done, 1 findings or --require not met, 2 usage, "
        "3 not trustworthy, 4 not enough runs; measure passes the code of its command through.",
    )
    parser.add_argument("--version", action="version", version=f"wattleak {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show the Python traceback of an error")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb in VERBS:
        module = import_module(f"wattleak.cli.{_MODULES.get(verb, verb)}")
        sub = verbs.add_parser(
            verb, help=module.SUMMARY, description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if not words or verb in words:
            module.configure(sub)
    return parser
