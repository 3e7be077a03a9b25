"""Write the report of a run or an experiment: one HTML file that works offline, or text, or Markdown.

wattleak report 7f3a91c2                      # .wattleak/reports/7f3a91c2.html
wattleak report 7f3a91c2 --format markdown    # to standard output
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, OwnFailure, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

    from wattleak.model import Comparison, Experiment, Measurement

SUMMARY = "write a report of a run or an experiment"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="id of a run or an experiment, or its beginning (wattleak list)")
    parser.add_argument("--format", choices=("html", "text", "markdown"), default="html", help="default: html")
    parser.add_argument("--output", metavar="FILE", help="where to write it; - is standard output")
    parser.add_argument("--open", action="store_true", help="show the HTML page in the browser")
    options.add_footprint(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    import json
    from pathlib import Path

    from wattleak.cli.against import judged
    from wattleak.cli.footprint import stated, typed, with_footprint
    from wattleak.cli.settings import Settings
    from wattleak.cli.terminal import style_for
    from wattleak.model import Measurement
    from wattleak.reports import FORMATS, render
    from wattleak.store.sqlite import SqliteStore

    settings = Settings.resolve(args)
    asked = stated(settings)
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, identity = store.find(args.id)
        found = store.measurement(identity) if kind == "run" else store.experiment(identity)
        comparison = None
        if not isinstance(found, Measurement):
            if typed(args):
                raise UsageError(
                    "money, water and embodied emissions are of a run, and this is an experiment",
                    f"wattleak project {identity}",
                )
            found, comparison = judged(store, found)
        else:
            found = with_footprint(found, asked)
    if args.json:
        print(json.dumps(_document(found, comparison)))
        return ExitCode.DONE
    text = _with_front(found, comparison) if args.format == "html" else None
    if text is None:
        text = render(args.format, found, comparison, style=style_for(sys.stdout, args))
    if args.output == "-" or (args.output is None and args.format != "html"):
        print(text)
        return ExitCode.DONE
    suffix = FORMATS[args.format].suffix
    path = Path(args.output) if args.output else settings.store / "reports" / f"{identity}.{suffix}"
    write(path, text)
    if not args.quiet:
        print(f"Wrote {path} ({path.stat().st_size / 1e6:.2f} MB, one file)")
    if args.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return ExitCode.DONE


def _with_front(found: Measurement | Experiment, comparison: Comparison | None) -> str | None:
    """The page of three variants or more whose quality is known: with their Pareto front. None for any other."""
    from wattleak.model import Measurement

    if isinstance(found, Measurement) or comparison is None or len(found.plan.design.variants) < 3:
        return None
    from wattleak.analysis.candidates import front_of
    from wattleak.reports.html import render_html

    front = front_of(found)
    return None if isinstance(front, str) else render_html(found, comparison, front=front)


def _document(found: Measurement | Experiment, comparison: Comparison | None) -> dict[str, object]:
    from wattleak.cli.footprint import in_context
    from wattleak.documents import comparison_document, measurement_document
    from wattleak.model import Measurement

    if isinstance(found, Measurement):
        return {**measurement_document(found), **in_context(found)}
    assert comparison is not None
    if found.plan.design.search is not None:
        from wattleak.analysis.tuning import judge
        from wattleak.reports.tune import tuning_document

        return tuning_document(found, judge(found))
    from wattleak.reports.factorial import effects_key

    return {**comparison_document(found, comparison), **effects_key(found)}


def write(path: Path, text: str) -> None:
    """Write a report, making its folder. Raises OwnFailure with the remedy."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OwnFailure(f"cannot write {path}: {error.strerror}", "choose another file: --output FILE") from error
