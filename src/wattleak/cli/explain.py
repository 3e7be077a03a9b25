"""Print the page of a smell (what it does, why it costs, when it is fine, what was measured, good against bad) or of
one of doctor's checks (what it looks at, what its states mean, what helps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wattleak.model import Smell

SUMMARY = "print the page of a smell or of a check"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="NAME_OR_CODE", help="a smell or a check; none lists them all")
    parser.add_argument("--json", action="store_true", help="print one JSON document on standard output")


def run(args: Namespace) -> int:
    import json

    from wattleak.documents import envelope
    from wattleak.environment.checks import CHECKS, find_check
    from wattleak.smells.explain import explain
    from wattleak.smells.registry import all_smells

    asked = find_check(args.code) if args.code else None
    if asked is not None:
        smells, checks = [], [asked]
    elif args.code:
        smells, checks = [_smell(args.code)], []
    else:
        smells, checks = list(all_smells()), list(CHECKS)
    if args.json:
        pages = [{"code": item.code, "name": item.name, "summary": item.summary, "page": item.page} for item in smells]
        looked = [{"name": check.name, "test": check.test, "page": check.page} for check in checks]
        print(json.dumps({**envelope("explain"), "smells": pages, "checks": looked}))
    elif asked is not None:
        print(f"{asked.name}: {asked.test}\n\n{asked.page}")
    elif args.code:
        print(explain(args.code))
    else:
        for item in smells:
            print(f"{item.code}  {item.name:<28}  {item.summary}")
        print("\nChecks of wattleak doctor")
        for check in checks:
            print(f"        {check.name:<28}  {check.test}")
    return ExitCode.DONE


def _smell(asked: str) -> Smell:
    """The smell of that code or name. Raises UsageError; what is nearly the name of a check is told so."""
    from difflib import get_close_matches

    from wattleak.environment.checks import CHECKS
    from wattleak.smells.registry import find_smell

    try:
        return find_smell(asked)
    except UsageError as error:
        near = get_close_matches(asked.lower(), [check.name for check in CHECKS], n=3)
        if not near:
            raise
        raise UsageError(
            f"there is no smell or check called {asked!r}", f"did you mean {' or '.join(near)}?"
        ) from error
