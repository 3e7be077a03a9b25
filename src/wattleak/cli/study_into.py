"""`wattleak study NAME --into SCRIPT`: put a smell into a clean program of the user's, and measure what it costs there.

The program as it is is the reference; the candidate is a copy with the smell in it. Both run in copies of the project,
each at its own path, so that nothing of the user's is touched.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from wattleak.cli.settings import Settings
    from wattleak.experiment.copies import Layout
    from wattleak.experiment.proof import Proposal
    from wattleak.smells.registry import Room


def run_into(args: Namespace, settings: Settings) -> int:
    """Show the difference, then run the original against the copy with the smell."""
    from secrets import token_hex

    from wattleak.cli.experiment import experiment
    from wattleak.experiment.copies import Layout
    from wattleak.experiment.factors import Treatments
    from wattleak.experiment.proof import check_root, check_script, refuse_what_runs_the_original, variants
    from wattleak.smells.registry import find_room

    _refuse_what_does_not_fit(args)
    room = find_room(args.name)
    title = f"study {room.smell.name} into {args.into}"
    if args.resume is not None:
        return experiment(Treatments(()), settings, args, title=title, kind="study")
    script = check_script(Path(args.into))
    layout = Layout(root=check_root(None, script), here=Path.cwd().resolve(), store=settings.store.resolve())
    proposal = _injected(room, script, layout)
    if not args.quiet:
        print(proposal.proof.treatments[0].diff, file=sys.stderr)
    token = token_hex(4)
    made = variants(proposal.proof, layout, token, script, args.arguments, os.environ)

    def prepare() -> None:
        proposal.make_copies(token)
        refuse_what_runs_the_original(proposal.proof, layout, made, os.environ)

    return experiment(
        Treatments(made),
        settings,
        args,
        title=title,
        kind="study",
        prepare=prepare,
        planned={"diff": proposal.proof.treatments[0].diff},
    )


def _injected(room: Room, script: Path, layout: Layout) -> Proposal:
    """The original and the copy with the smell. Raises UsageError where the program has no place for it."""
    import difflib

    from wattleak.experiment.copies import survey
    from wattleak.experiment.proof import Proof, Proposal, Treatment
    from wattleak.source.edits import apply
    from wattleak.source.module import Problem
    from wattleak.source.reading import read

    module = read(script)
    if isinstance(module, Problem):
        raise UsageError(f"{script}: {module.message}", "name a Python script that runs")
    after = apply(module, room.inject(module))
    name = script.relative_to(layout.root)
    diff = "".join(
        difflib.unified_diff(module.text.splitlines(True), after.splitlines(True), f"{name} (yours)", f"{name} (copy)")
    )
    proof = Proof(
        script=str(name),
        root=str(layout.root),
        python=sys.executable,
        files=1,
        suspects=(),
        treatments=(Treatment(room.smell.name, (), diff, (str(name),)),),
    )
    return Proposal(proof, layout, survey(layout, [script]), ({}, {script: after.encode(module.encoding)}))


def _refuse_what_does_not_fit(args: Namespace) -> None:
    if args.name == "all" or "," in args.name:
        raise UsageError("--into takes one smell", "wattleak study improper-model-reuse --into train.py")
    for option in ("published", "data", "framework"):
        if getattr(args, option):
            raise UsageError(
                f"--{option} belongs to the programs that come with wattleak", "what follows -- is passed to yours"
            )
