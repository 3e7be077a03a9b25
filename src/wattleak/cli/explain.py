"""Print the page of a smell: what it does, why it costs, when it is fine, what was measured, and good against bad."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

SUMMARY = "print the page of a smell"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="NAME_OR_CODE", help="a smell; none lists them all")
    parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")


def run(args: Namespace) -> int:
    import json

    from wattleak.documents import envelope
    from wattleak.smells.explain import explain
    from wattleak.smells.registry import all_smells, find_smell

    smells = [find_smell(args.code)] if args.code else list(all_smells())
    if args.json:
        items = [{"code": item.code, "name": item.name, "summary": item.summary, "page": item.page} for item in smells]
        print(json.dumps({**envelope("explain"), "smells": items}))
    elif args.code:
        print(explain(args.code))
    else:
        for item in smells:
            print(f"{item.code}  {item.name:<28}  {item.summary}")
    return ExitCode.DONE
