"""Find cost smells in Python, notebooks, scripts, images and configuration, without importing or running them.

    wattleak scan train.py src/
    wattleak scan . --diff --unsafe-fixes
    wattleak scan . --baseline wattleak-baseline.json --format github

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

    from wattleak.scanner.baseline import Baseline
    from wattleak.scanner.cache import Cache
    from wattleak.scanner.fixing import Change
    from wattleak.scanner.scan import ScanResult

SUMMARY = "find cost smells in code"

_ROUNDS = 10  # a fix can make room for the next one; code that needs more rounds than this goes in circles


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files and folders")
    parser.add_argument("--select", metavar="NAMES", help="only these smells, by comma (names or codes)")
    parser.add_argument(
        "--cpus", type=int, metavar="N", help="CPUs of the machine that will run the code (default: this one's)"
    )
    parser.add_argument(
        "--persona",
        choices=("default", "auditor"),
        default="default",
        help="an auditor sees weak suspicions too (default: default)",
    )
    parser.add_argument(
        "--format",
        choices=("text", "concise", "json", "sarif", "github"),
        default="text",
        help="form of the result (default: text)",
    )
    fixes = parser.add_argument_group("fixes")
    fixes.add_argument("--fix", action="store_true", help="make the safe fixes in the files")
    fixes.add_argument("--diff", action="store_true", help="print the fixes as a patch and change nothing")
    fixes.add_argument("--unsafe-fixes", action="store_true", help="with --fix or --diff: the unsafe ones too")
    known = parser.add_argument_group("what is known already")
    known.add_argument("--baseline", metavar="FILE", help="do not show the findings that are in FILE")
    known.add_argument("--write-baseline", metavar="FILE", help="write all findings to FILE, and end with 0")
    known.add_argument("--no-cache", action="store_true", help="look at every file anew")
    options.add_output(parser)


def run(args: Namespace) -> int:
    from wattleak.errors import UsageError
    from wattleak.scanner.baseline import write_baseline
    from wattleak.scanner.fixing import changes, render_diff

    if args.cpus is not None and args.cpus < 1:
        raise UsageError(f"--cpus {args.cpus} is no number of CPUs", "give 1 or more")
    if args.fix and args.diff:
        raise UsageError("--fix changes the files and --diff does not", "give one of them")
    if args.unsafe_fixes and not (args.fix or args.diff):
        raise UsageError("--unsafe-fixes says which fixes --fix or --diff make", "give one of them as well")
    if args.json and args.format not in {"text", "json"}:
        raise UsageError(f"--json and --format {args.format} are two forms of one result", "give one of them")
    result, baseline = _scan(args)
    if args.write_baseline:
        written = write_baseline(Path(args.write_baseline), result)
        if not args.quiet:
            print(f"Wrote {written} finding{'' if written == 1 else 's'} to {args.write_baseline}.", file=sys.stderr)
        return ExitCode.DONE
    if args.diff:
        made = changes(result, unsafe=args.unsafe_fixes)
        if not args.quiet:
            print(render_diff(made), end="")
            print(_closing(result, made, "would fix", args), file=sys.stderr)
        return ExitCode.FINDINGS if made else ExitCode.DONE
    if args.fix:
        result, baseline = _fix(args, result)
    _show(args, result)
    if baseline is not None and baseline.gone and not args.quiet and args.format == "text" and not args.json:
        print(f"{baseline.gone} of the baseline were not met: write it anew with --write-baseline.", file=sys.stderr)
    if result.findings:
        return ExitCode.FINDINGS
    # A file that was named and cannot be read was not scanned: silence would look like a clean bill.
    named = {Path(path) for path in args.paths}
    unread = {problem.path for problem in result.problems} - set(result.files)
    return ExitCode.USAGE if named & unread else ExitCode.DONE


def _scan(args: Namespace) -> tuple[ScanResult, Baseline | None]:
    from wattleak.scanner.baseline import read_baseline
    from wattleak.scanner.scan import scan

    select = [name.strip() for name in args.select.split(",")] if args.select else None
    baseline = read_baseline(Path(args.baseline)) if args.baseline else None
    cache = None if args.no_cache else _cache(args.cpus, select)
    result = scan(args.paths, cpus=args.cpus, select=select, persona=args.persona, baseline=baseline, cache=cache)
    return result, baseline


def _cache(cpus: int | None, select: list[str] | None) -> Cache:
    import os

    from wattleak.scanner.cache import Cache
    from wattleak.scanner.scan import compared_cpus
    from wattleak.smells.registry import find_room, rooms

    home = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(home) if home else Path.home() / ".cache"
    except RuntimeError:  # nobody's home
        return Cache.none()
    chosen = rooms() if select is None else tuple(find_room(name) for name in select)
    return Cache.open(folder / "wattleak" / "scan", chosen, cpus or compared_cpus())


def _fix(args: Namespace, result: ScanResult) -> tuple[ScanResult, Baseline | None]:
    """Make the fixes, scan again, and so on until nothing is left to make."""
    from wattleak.scanner.fixing import changes, write

    baseline = None
    made: list[Change] = []
    for _ in range(_ROUNDS):
        now = changes(result, unsafe=args.unsafe_fixes)
        for change in now:
            write(change)
        made += now
        result, baseline = _scan(args)
        if not now:
            break
    if not args.quiet:
        print(_closing(result, made, "fixed", args), file=sys.stderr)
    return result, baseline


def _closing(result: ScanResult, made: list[Change], verb: str, args: Namespace) -> str:
    count = sum(len(change.fixed) for change in made)
    files = len({change.path for change in made})
    text = f"{verb} {count} finding{'' if count == 1 else 's'} in {files} file{'' if files == 1 else 's'}"
    left = sum(finding.fix is not None and not finding.fix.safe for finding in result.findings)
    if left and not args.unsafe_fixes:
        text += f"; {left} more {'has' if left == 1 else 'have'} an unsafe fix (--unsafe-fixes)"
    return f"{text}."


def _show(args: Namespace, result: ScanResult) -> None:
    import json

    from wattleak.cli.terminal import style_for
    from wattleak.documents import envelope
    from wattleak.scanner.formats import render_concise, render_full, result_document
    from wattleak.scanner.pipelines import render_github, sarif_document

    if args.json or args.format == "json":
        print(json.dumps({**envelope("scan"), **result_document(result)}))
    elif args.format == "sarif":
        print(json.dumps(sarif_document(result), indent=1))
    elif args.format == "github":
        commands = render_github(result)
        if commands:
            print(commands)
    elif not args.quiet:
        style = style_for(sys.stdout, args)
        print(render_concise(result) if args.format == "concise" else render_full(result, color=style.color))
