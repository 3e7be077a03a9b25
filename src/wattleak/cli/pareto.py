"""`compare --pareto`: the end of an experiment with a front, and `--from`: a front of runs that are there already."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from wattleak.analysis.pareto import Front
    from wattleak.cli.settings import Settings
    from wattleak.model import Experiment, QualityTarget
    from wattleak.store.sqlite import SqliteStore

_SMALLEST_EFFECT = 0.02  # as in an experiment that is not told otherwise


def with_front(args: Namespace, settings: Settings, kind: str) -> Callable[[SqliteStore, Experiment], int]:
    """The end of an experiment that says which candidates are worth their price. Raises UsageError."""
    if args.steps is not None or getattr(args, "for") is not None:
        raise UsageError(
            "--pareto weighs cost against quality, and a run that is ended early has none",
            "leave --steps and --for out",
        )

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        import json

        from wattleak.analysis.candidates import front_of
        from wattleak.analysis.comparison import compare
        from wattleak.cli.ending import end, tell
        from wattleak.documents import comparison_document
        from wattleak.reports.factorial import effects_key
        from wattleak.reports.front import front_document

        comparison = compare(finished)
        store.save_verdict(finished.plan.experiment, comparison.pairs[0].verdict.value)
        front = front_of(finished)
        known, why = (None, front) if isinstance(front, str) else (front, None)
        if args.json:
            document = comparison_document(finished, comparison, kind)
            pareto = {"why_none": why} if known is None else front_document(known)
            print(json.dumps({**document, **effects_key(finished), "pareto": pareto}))
            return end(finished, comparison, settings, args, front=known)
        code = tell(finished, comparison, settings, args, kind, front=known)
        if not args.quiet:
            print()
            show(front, args)
        return code

    return conclude


def run_from(args: Namespace, settings: Settings) -> int:
    """`wattleak compare --from FILE_OR_ID`: nothing is run."""
    _refuse_what_runs(args)
    if Path(args.source).is_file():
        return _from_file(Path(args.source), args, settings)
    from wattleak.analysis.candidates import front_of
    from wattleak.cli.against import judged
    from wattleak.store.sqlite import SqliteStore

    if Path(args.source).suffix:
        raise UsageError(f"there is no file {args.source}", "check the name; the id of an experiment: wattleak list")
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, identity = store.find(args.source)
        if kind != "experiment":
            raise UsageError(f"{identity} is a single run", "give the id of an experiment, or a CSV file of runs")
        finished, comparison = judged(store, store.experiment(identity))
    front = front_of(finished, metric=settings.metric, quality=_target(settings))
    if isinstance(front, str):
        raise UsageError(f"experiment {identity} has no front: {front}", "choose another: wattleak list")
    _print_alone(front, f"experiment {identity}", args)
    if args.report:
        from wattleak.cli.ending import end

        args.require = None
        return end(finished, comparison, settings, args, front=front)
    return ExitCode.DONE


def show(front: Front | str, args: Namespace) -> None:
    """The front for the terminal, or why there is none."""
    from wattleak.cli.terminal import style_for

    style = style_for(sys.stdout, args)
    if isinstance(front, str):
        print(style.paint(f"no Pareto front: {front}", "warning"))
        return
    from wattleak.reports.front import render_front

    print(render_front(front, style=style))


def _from_file(path: Path, args: Namespace, settings: Settings) -> int:
    from wattleak.analysis.candidates import front_of_rows
    from wattleak.analysis.quality import default_target
    from wattleak.archive.imported import Archive, Source
    from wattleak.archive.reading import TABLE_FORMATS, read, recognise
    from wattleak.archive.tables import TableOptions
    from wattleak.archive.text import read_text

    if args.report:
        raise UsageError("the page is of an experiment, and these are runs of somebody else's", "leave --report out")
    text = read_text(path)
    if text.lstrip().startswith("{"):
        _print_alone(_of_document(path, text, settings), str(path), args)
        return ExitCode.DONE
    if recognise(path, text) not in TABLE_FORMATS:
        raise UsageError(
            f"{path} is no table of runs", "a CSV file: a column of names, one of costs (energy_j), one of quality"
        )
    target = _target(settings)
    columns = TableOptions(_column_of_names(text), None, (), None if target is None else target.metric)
    found = read([Source(path)], None, columns)
    assert isinstance(found, Archive)
    reported = sorted({name for run in found.runs for name in run.quality})
    target = target or default_target(reported)
    if target is None:
        raise UsageError(f"{path} has no column of quality whose direction is known", "--quality COLUMN:max, or :min")
    metric = settings.metric or found.metrics[0]
    if metric not in found.metrics:
        raise UsageError(f"{path} has no {metric}", f"--metric with one of {', '.join(found.metrics)}")
    rows = [(run.variant, run.values.get(metric), run.quality.get(target.metric)) for run in found.runs]
    front = front_of_rows(rows, metric, target, settings.smallest_effect or _SMALLEST_EFFECT)
    if isinstance(front, str):
        raise UsageError(f"{path}: {front}", "give a row for each run, with cost and quality in it")
    _print_alone(front, str(path), args)
    return ExitCode.DONE


def _of_document(path: Path, text: str, settings: Settings) -> Front:
    """The front of what `compare --json` or `study models --json` printed. Raises UsageError."""
    from wattleak.analysis.candidates import front_of
    from wattleak.archive.text import read_json
    from wattleak.documents import design_from_document, run_from_document
    from wattleak.model import Experiment, Plan

    document = read_json(path, text)
    parts = document.get("parts", [document]) if isinstance(document, dict) else []
    whole = [part for part in parts if {"design", "runs", "experiment_id"} <= part.keys() and part["runs"]]
    try:
        designs = [(design_from_document(part["design"]), part) for part in whole]
        full = [(design, part) for design, part in designs if design.short is None]
        if not full:
            raise UsageError(
                f"{path} holds no full runs of several variants", "what `compare --json` printed, or a CSV file of runs"
            )
        design, part = full[-1]
        runs = tuple(run_from_document(run) for run in part["runs"])
        plan = Plan(part["experiment_id"], design, (), part["design"]["created_at"], part["design"]["digest"])
        complete = bool(part["complete"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"{path} is no document of a comparison: {type(error).__name__} {error}", "what `compare --json` printed"
        ) from error
    front = front_of(Experiment(plan, runs, complete), metric=settings.metric, quality=_target(settings))
    if isinstance(front, str):
        raise UsageError(f"{path} has no front: {front}", "give runs with a cost and a quality")
    return front


def _column_of_names(text: str) -> str | None:
    """The column that tells candidates apart: `variant`, else the first whose cells are no numbers."""
    import csv

    from wattleak.archive.tables import header_of

    header = header_of(text)
    if "variant" in header:
        return None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")][1:2]
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    cells: Sequence[str] = next(csv.reader(lines, delimiter=delimiter), [])
    return next((name for name, cell in zip(header, cells, strict=False) if not _is_number(cell)), None)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return not cell.strip()
    return True


def _target(settings: Settings) -> QualityTarget | None:
    from wattleak.analysis.quality import parse_quality

    return None if settings.quality is None else parse_quality(settings.quality)


def _print_alone(front: Front, source: str, args: Namespace) -> None:
    if args.json:
        import json

        from wattleak.reports.front import front_alone_document

        print(json.dumps(front_alone_document(front, source)))
    elif not args.quiet:
        show(front, args)


def _refuse_what_runs(args: Namespace) -> None:
    """An option that would do nothing is an error, never silence."""
    idle = ("commands", "variant", "factor", "aa", "against", "resume", "blocks", "steps", "dry_run", "stop", "require")
    given = [name for name in idle if getattr(args, name)]
    if given:
        what = "a command" if given[0] == "commands" else "--" + given[0].replace("_", "-")
        raise UsageError(f"--from reads runs that are there already; {what} would do nothing", "give one of them")
