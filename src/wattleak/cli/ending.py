"""How an experiment ends: the answer on the terminal or as JSON, the report that was asked for, the exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from wattleak.analysis.pareto import Front
    from wattleak.cli.settings import Settings
    from wattleak.model import Comparison, Experiment

_MEETS = {
    "saving": {"saving"},
    "equal": {"equal"},
    "not-worse": {"saving", "equal"},
    "costs-more": {"costs_more"},
}


def tell(
    finished: Experiment,
    comparison: Comparison,
    settings: Settings,
    args: Namespace,
    kind: str,
    *,
    front: Front | None = None,
) -> int:
    """Print the answer, write the report that is asked for, and choose the exit code."""
    _print(finished, comparison, args, kind)
    return end(finished, comparison, settings, args, front=front)


def end(
    finished: Experiment,
    comparison: Comparison,
    settings: Settings,
    args: Namespace,
    *,
    required: Comparison | None = None,
    front: Front | None = None,
) -> int:
    """Write the report that is asked for, and choose the exit code: by `required`, where --require is about less."""
    if args.report:
        write_report(finished, comparison, settings, args, front)
    return _exit_code(required or comparison, args.require)


def _print(finished: Experiment, comparison: Comparison, args: Namespace, kind: str) -> None:
    import json

    from wattleak.documents import comparison_document

    if args.json:
        from wattleak.reports.factorial import effects_key

        print(json.dumps({**comparison_document(finished, comparison, kind), **effects_key(finished)}))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for
        from wattleak.reports.text import render_comparison

        print(render_comparison(finished, comparison, style=style_for(sys.stdout, args)))


def write_report(
    finished: Experiment, comparison: Comparison, settings: Settings, args: Namespace, front: Front | None
) -> None:
    from wattleak.cli.report import write
    from wattleak.reports.html import render_html

    path = settings.store / "reports" / f"{finished.plan.experiment}.html"
    write(path, render_html(finished, comparison, front=front))
    if not args.quiet:
        print(f"Wrote {path}", file=sys.stderr if args.json else sys.stdout)


def _exit_code(comparison: Comparison, require: str | None) -> int:
    if require is None:
        return ExitCode.DONE
    from wattleak.model import QualityState

    # At equal cost a worse result is not "not worse", as little as a saving that is paid with it is a saving.
    worse = [require == "not-worse" and pair.quality.state is QualityState.WORSE for pair in comparison.pairs]
    return meets(
        require,
        ["trade_off" if lost else pair.verdict.value for pair, lost in zip(comparison.pairs, worse, strict=True)],
    )


def meets(require: str, verdicts: Sequence[str]) -> int:
    """The exit code of --require for these verdicts."""
    if all(verdict in _MEETS[require] for verdict in verdicts):
        return ExitCode.DONE
    decided = [verdict for verdict in verdicts if verdict != "not_enough_runs"]
    if all(verdict in _MEETS[require] for verdict in decided):
        return ExitCode.NOT_ENOUGH_RUNS
    return ExitCode.FINDINGS
