"""`list --trend NAME`: a metric of one program over weeks, and when it changed for good."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from wattleak.analysis.trend import DatedRun
    from wattleak.cli.settings import Settings
    from wattleak.model import Experiment
    from wattleak.store.sqlite import SqliteStore


def run_trend(args: Namespace, settings: Settings) -> int:
    """Find the runs of that name, cut them into sessions, look for change points, print."""
    import json

    from wattleak.analysis.trend import trends
    from wattleak.reports.trend import render_trends, trend_document
    from wattleak.store.sqlite import SqliteStore

    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        runs = list(_runs(store, args.trend))
        known = _names(store)
    if not runs:
        from difflib import get_close_matches

        near = get_close_matches(args.trend, known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "see what is stored: wattleak list"
        raise UsageError(f"no complete run and no experiment has the name, title or command {args.trend!r}", hint)
    metric = settings.metric or _primary(runs)
    found, lacking = trends(runs, metric)
    if args.json:
        print(json.dumps(trend_document(args.trend, metric, found, lacking)))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for

        print(render_trends(args.trend, metric, found, lacking, style=style_for(sys.stdout, args)))
    return ExitCode.DONE


def _runs(store: SqliteStore, name: str) -> Iterator[DatedRun]:
    """Good runs of `measure` and of experiments that are called so; the reference and candidates each in a series."""
    from wattleak.analysis.trend import DatedRun

    for row in store.runs():
        document = row.document
        if row.experiment is not None or not row.complete or document.get("exit_code") != 0:
            continue
        command = shlex.join(document.get("command") or ())
        if name in {document.get("name"), command}:
            yield DatedRun(store.measurement(row.id), f"measure: {document.get('name') or command}")
    for entry in store.experiments():
        experiment = store.experiment(entry.id)
        yield from _of_experiment(experiment, name)


def _of_experiment(experiment: Experiment, name: str) -> Iterator[DatedRun]:
    from wattleak.analysis.archived import good_measurements
    from wattleak.analysis.trend import DatedRun
    from wattleak.environment.fingerprint import digest

    design = experiment.plan.design
    node = experiment.environment.get("node", "unknown")
    machine = f"{node} ({digest(experiment.environment)[:6]})"
    sessions = {run.id: run.session for run in experiment.runs}
    for variant in design.variants:
        command = shlex.join(variant.command)
        titled = name == design.title
        if not titled and name != command:
            continue
        what = (design.title if titled else command) + (f", {variant.name}" if len(design.variants) > 1 else "")
        for measurement in good_measurements(experiment, variant.name):
            yield DatedRun(measurement, f"{what} on {machine}", sessions[measurement.id])


def _names(store: SqliteStore) -> list[str]:
    names = {str(row.document["name"]) for row in store.runs() if row.document.get("name") and row.experiment is None}
    names |= {row.title for row in store.experiments() if row.title}
    return sorted(names)


def _primary(runs: list[DatedRun]) -> str:
    """The metric that would decide an experiment with the meters of the newest run."""
    from wattleak.analysis.metrics import choose_primary

    return choose_primary([item.channel for item in runs[-1].measurement.energy])
