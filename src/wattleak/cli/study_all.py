"""`wattleak study all`: smells in every framework that is installed, one experiment each, and a league table.

The experiments of one such study have its id in their titles, which is all that --resume needs to know.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from wattleak.cli.settings import Settings
    from wattleak.experiment.league import Entry
    from wattleak.model import Experiment, Smell
    from wattleak.store.sqlite import SqliteStore


def run_all(args: Namespace, settings: Settings, words: Sequence[str]) -> int:
    """Run what has not been run yet, and print the table."""
    import json
    from secrets import token_hex

    if args.require is not None:
        raise UsageError("--require judges one study", "leave it out: the table has every verdict")
    identity = args.resume or token_hex(4)
    if not args.quiet:
        print(f"study {identity}: to go on later, wattleak study {args.name} --resume {identity}", file=sys.stderr)
    entries = []
    for smell, framework in _chosen(args.name, args.framework):
        entries.append(_entry(smell, framework, identity, args, settings, words))
    if args.dry_run:
        return ExitCode.DONE
    if args.json:
        from wattleak.reports.league import league_document

        print(json.dumps({**league_document(entries), "study_id": identity}))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for
        from wattleak.reports.league import render_league

        print(render_league(entries, style=style_for(sys.stdout, args)))
    return ExitCode.DONE


def _chosen(names: str, framework: str | None) -> list[tuple[Smell, str]]:
    from wattleak.smells.registry import all_smells, find_smell, pairs

    smells = all_smells() if names == "all" else [find_smell(name) for name in names.split(",") if name.strip()]
    known = [(smell, name) for smell in dict.fromkeys(smells) for name in pairs(smell)]
    chosen = [(smell, name) for smell, name in known if framework in {None, name}]
    if not chosen:
        available = " or ".join(sorted({name for _, name in known}))
        raise UsageError(f"none of these has programs for {framework!r}", f"--framework {available}")
    return chosen


def _entry(
    smell: Smell, framework: str, identity: str, args: Namespace, settings: Settings, words: Sequence[str]
) -> Entry:
    """One study: taken from the store when it is there, made or gone on with when it is not."""
    from argparse import Namespace as Copy

    from wattleak.analysis.comparison import compare
    from wattleak.cli.experiment import experiment
    from wattleak.cli.study import missing_for, treatments
    from wattleak.errors import Interrupted, WattleakError
    from wattleak.experiment.league import Entry
    from wattleak.store.sqlite import SqliteStore

    missing = missing_for(framework)
    if missing:
        return Entry(
            smell.name,
            smell.code,
            framework,
            absent_because=f"this Python has no {missing}: {install(framework)}",
        )
    title = f"study {smell.name} ({framework}), part of {identity}"
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        stored = next((row for row in store.experiments() if row.title == title), None)
        if stored is not None and stored.complete:
            found = store.experiment(stored.id)
            return Entry(smell.name, smell.code, framework, found, compare(found))
    kept: list[Experiment] = []

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        store.save_verdict(finished.plan.experiment, compare(finished).pairs[0].verdict.value)
        kept.append(finished)
        return ExitCode.DONE

    own = Copy(**{**vars(args), "resume": None if stored is None else stored.id})
    try:
        experiment(treatments(smell, framework, words), settings, own, title=title, kind="study", conclude=conclude)
    except Interrupted:
        raise
    except WattleakError as error:  # one study that fails must not cost the others
        return Entry(smell.name, smell.code, framework, absent_because=error.message)
    if not kept:
        return Entry(smell.name, smell.code, framework, absent_because="only its plan was asked for")
    return Entry(smell.name, smell.code, framework, kept[0], compare(kept[0]))
