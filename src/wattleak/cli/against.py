"""`--against REF`: one command against a commit of the same project, or against stored runs."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from wattleak.analysis.archived import Archived
    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Comparison, Experiment, Variant
    from wattleak.store.sqlite import SqliteStore

_CANDIDATE = "working-tree"
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be run, and what to call it."""

    treatments: Treatments
    title: str


def run_against(args: Namespace, settings: Settings) -> int:
    """`wattleak compare --against REF -- COMMAND`."""
    from wattleak.cli.experiment import experiment

    if args.factor or args.variant or args.aa:
        raise UsageError("--against has one command", "wattleak compare --against main -- python train.py")
    asked = question(args, settings)
    return experiment(asked.treatments, settings, args, title=args.title or asked.title, kind="compare")


def question(args: Namespace, settings: Settings) -> Question:
    """Find out what REF is. Raises UsageError when it is nothing, or two things."""
    from wattleak.environment.redaction import redact_command
    from wattleak.experiment.factors import Treatments
    from wattleak.store.sqlite import SqliteStore

    candidate = one_command(args, _CANDIDATE)
    kind, _, rest = args.against.partition(":")
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        stored = None if kind == "git" else _stored_key(store, args.against, candidate)
    commit = None if kind in {"id", "name"} else _commit(rest if kind == "git" else args.against)
    if stored and commit:
        raise UsageError(
            f"--against {args.against}: it is a commit and something stored", f"say git:{args.against} or id:{stored}"
        )
    if stored:
        if args.link:
            raise UsageError("--link is for the worktree of a commit", f"{args.against} names stored runs")
        title = f"{shlex.join(redact_command(candidate.command))} against {stored}"
        return Question(Treatments((candidate,), against=stored), title)
    if commit is None:
        raise UsageError(
            f"--against {args.against}: no branch or commit of this project and nothing stored has that name",
            "git branch --all, or wattleak list; a name of runs is written name:NAME",
        )
    return _against_commit(commit, rest if kind == "git" else args.against, candidate, args)


def one_command(args: Namespace, name: str) -> Variant:
    """The one command of the command line, with its environment. Raises UsageError."""
    from wattleak.experiment.design import variants_from

    if not args.commands:
        raise UsageError("there is no command to run", f"wattleak {args.verb} -- python train.py")
    text = args.commands[0] if len(args.commands) == 1 else shlex.join(args.commands)
    environments = [f"{name}:{env.removeprefix('*:')}" for env in args.env]
    (variant,) = variants_from((), [f"{name}={text}"], environments, shell=args.shell)
    return variant


# -- a commit --------------------------------------------------------------------------------------------------------


def _commit(reference: str) -> str | None:
    from wattleak.executors.worktree import commit_of

    return commit_of(reference)


def _against_commit(commit: str, written: str, candidate: Variant, args: Namespace) -> Question:
    """The same command in a worktree of the commit, and where we are. What the worktree lacks is said."""
    import re
    from dataclasses import replace
    from os.path import normpath

    from wattleak.environment.redaction import redact_command
    from wattleak.executors.worktree import commit_of, not_in_git, submodules, uncommitted
    from wattleak.experiment.factors import Treatments

    changed, head = uncommitted(), commit_of("HEAD")
    if head == commit and not changed:
        raise UsageError(
            f"--against {written}: the working tree is that commit, nothing differs",
            "change something, or name another commit; the noise of this machine: wattleak compare --aa",
        )
    name = re.sub(r"[^\w.+-]", "-", written).lstrip("-.+_") or commit[:12]
    if name == _CANDIDATE:
        name = commit[:12]
    before = replace(candidate, name=name, commit=commit, linked=tuple(args.link))
    if not args.quiet:
        linked = {normpath(path) for path in args.link}
        _say_what_is_missing([path for path in not_in_git() if path not in linked], submodules(commit), candidate, name)
    state = f"{(head or '')[:9]}{f' and {changed} uncommitted' if changed else ''}"
    title = f"{shlex.join(redact_command(candidate.command))}: working tree ({state}) against {written} ({commit[:9]})"
    return Question(Treatments((before, candidate)), title)


def _say_what_is_missing(paths: list[str], submodules: tuple[str, ...], candidate: Variant, name: str) -> None:
    if paths:
        more = f" and {len(paths) - _MOST_NAMED} more" if len(paths) > _MOST_NAMED else ""
        print(
            f"wattleak: {name} will not see what git does not have: {', '.join(paths[:_MOST_NAMED])}{more}\n"
            f"  try: --link {shlex.quote(paths[0])} if the program reads it",
            file=sys.stderr,
        )
    if submodules:
        print(
            f"wattleak: submodules are empty folders in {name}: {', '.join(submodules[:_MOST_NAMED])}\n"
            "  try: two checkouts and --shell: wattleak compare --shell 'cd OLD && COMMAND' 'cd NEW && COMMAND'",
            file=sys.stderr,
        )
    for installed in _installed_from_here(candidate):
        print(
            f"wattleak: {installed} makes Python import this working tree, whatever folder a program runs in: {name} "
            "may run the code of the candidate\n"
            "  try: --env PYTHONPATH=src (a path relative to the project comes before what is installed)",
            file=sys.stderr,
        )


def _installed_from_here(candidate: Variant) -> list[str]:
    """Names of .pth files and finders by which the interpreter of the command imports this project (pip install -e)."""
    import shutil
    from pathlib import Path

    from wattleak.executors.worktree import top_level

    program = shutil.which(candidate.command[0], path=candidate.env.get("PATH"))
    if program is None or not Path(program).name.startswith("python"):
        return []
    top = str(top_level())
    found = []
    for pattern in ("*.pth", "__editable__*.py"):
        for file in Path(program).absolute().parent.parent.glob(f"lib/python3*/site-packages/{pattern}"):
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            if top in text:
                found.append(file.name)
    return found


# -- stored runs -----------------------------------------------------------------------------------------------------


def _stored_key(store: SqliteStore, reference: str, candidate: Variant) -> str | None:
    """The full key of stored runs: `name:NAME`, an id of a run, or ID:VARIANT. None: nothing is called so."""
    kind, colon, rest = reference.partition(":")
    if kind == "name" and colon:
        if not any(row.document.get("name") == rest and row.experiment is None for row in store.runs()):
            raise UsageError(f"--against {reference}: no run of `measure` has that name", "see them: wattleak list")
        return reference
    explicit = kind == "id" and bool(colon)
    identity, _, variant = (rest if explicit else reference).partition(":")
    try:
        what, found = store.find(identity)
    except UsageError as error:
        if explicit or "several" in error.message:
            raise
        return None
    if what == "run":
        return found
    names = {item.name: item.command for item in store.experiment(found).plan.design.variants}
    if variant in names:
        return f"{found}:{variant}"
    alike = [name for name, command in names.items() if command == candidate.command]
    if not variant and (len(names) == 1 or len(alike) == 1):
        return f"{found}:{(alike or list(names))[0]}"
    raise UsageError(
        f"--against {reference}: experiment {found} has the variants {', '.join(names)}",
        f"say which: --against {found}:{next(iter(names))}",
    )


def archived(store: SqliteStore, key: str) -> Archived:
    """The stored runs that a key names (`Design.against`). Raises UsageError when they are not there any more."""
    from wattleak.analysis.archived import Archived, good_measurements

    kind, _, rest = key.partition(":")
    if kind == "name":
        named = [
            store.measurement(row.id)
            for row in store.runs()
            if row.experiment is None and row.document.get("name") == rest
        ]
        good = tuple(item for item in named if item.complete and item.exit_code == 0)
        if not good:
            raise UsageError(f"no complete run of `measure` has the name {rest!r}", "see them: wattleak list")
        return Archived(rest, good[-1].command, good)
    what, found = store.find(kind)
    if what == "run":
        measurement = store.measurement(found)
        return Archived(f"run-{found}", measurement.command, (measurement,))
    stored = store.experiment(found)
    command = next(item.command for item in stored.plan.design.variants if item.name == rest)
    return Archived(f"{rest}-of-{found}", command, good_measurements(stored, rest), stored.environment)


def judged(store: SqliteStore, found: Experiment) -> tuple[Experiment, Comparison]:
    """The answer of any stored experiment, and the experiment as it can be shown.

    Raises UsageError for one that has a single variant and nothing to hold it against.
    """
    from wattleak.analysis.archived import compare_archived
    from wattleak.analysis.comparison import compare

    design = found.plan.design
    if design.against:
        return compare_archived(archived(store, design.against), found)
    if len(design.variants) == 1:
        raise UsageError(
            f"experiment {found.plan.experiment} has one variant: there is nothing to compare",
            f"wattleak check {found.plan.experiment}, or wattleak list --runs-of {found.plan.experiment}",
        )
    return found, compare(found)


def conclusion(settings: Settings, args: Namespace) -> Callable[[SqliteStore, Experiment], int]:
    """How `compare` ends when there is one variant: it is held against stored runs."""

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        from wattleak.cli.ending import tell

        shown, comparison = judged(store, finished)
        store.save_verdict(finished.plan.experiment, comparison.pairs[0].verdict.value)
        return tell(shown, comparison, settings, args, "compare")

    return conclude
