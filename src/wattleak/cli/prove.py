"""Prove what the fixes of a script are worth: scan it, fix copies of it, and run them against the original.

    wattleak prove train.py
    wattleak prove train.py --runs 10 --runs-per-year 365 --region DE -- --epochs 3
    wattleak prove train.py --dry-run

The script and what it imports are scanned; each finding that has a fix becomes a variant in a copy of the project, and
all fixes together become one more. The reference is the script as it is. Your files are not touched. What follows -- is
passed to the script. It gets $WATTLEAK_SEED (shared inside a block) and a folder of its own, $WATTLEAK_RUN_DIR.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, MeasurementError, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from wattleak.cli.settings import Settings
    from wattleak.experiment.proof import Proof
    from wattleak.experiment.yearly import Yearly
    from wattleak.model import Comparison, Experiment, Variant
    from wattleak.reports.proof import Outcome
    from wattleak.store.sqlite import SqliteStore

SUMMARY = "find, fix and measure: what the fixes of your script are worth"

_RECORD = "proof.json"  # beside the copies


def configure(parser: ArgumentParser) -> None:
    parser.usage = "wattleak prove SCRIPT [options] [-- ARGUMENT...]"
    parser.add_argument("script", nargs="?", metavar="SCRIPT", help="a Python script, as you would run it")
    parser.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="passed to the script, as --epochs 2")
    group = parser.add_argument_group("what is proved")
    group.add_argument("--root", metavar="DIR", help="root of the project, of which copies are made (default: found)")
    group.add_argument("--select", metavar="NAMES", help="only these smells, by comma (names or codes)")
    group.add_argument("--safe-fixes", action="store_true", help="leave out the fixes that are marked unsafe")
    group.add_argument("--together", action="store_true", help="all fixes in one variant only: one verdict, fewer runs")
    group.add_argument("--python", metavar="EXE", help="the Python that runs the script (default: the one of wattleak)")
    group.add_argument(
        "--runs-per-year",
        metavar="N",
        help="how often the script runs in a year: what the saving comes to (short plans need --full-steps too)",
    )
    parser.add_argument("--resume", metavar="ID", help="go on with a proof that was interrupted")
    options.add_experiment(parser)
    options.add_measuring(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from wattleak.cli.settings import Settings
    from wattleak.experiment.yearly import runs_per_year

    settings = Settings.resolve(args)
    runs_per_year(args.runs_per_year)  # what does not fit is said before anything is run
    if args.resume:
        return _resume(args, settings)
    if args.script is None:
        raise UsageError("there is no script to prove", "wattleak prove train.py, its arguments after --")
    return _begin(args, settings)


def _begin(args: Namespace, settings: Settings) -> int:
    from pathlib import Path
    from secrets import token_hex

    from wattleak.cli.experiment import experiment
    from wattleak.experiment.copies import Layout
    from wattleak.experiment.factors import Treatments
    from wattleak.experiment.proof import check_root, check_script, propose, refuse_what_runs_the_original, variants

    script = check_script(Path(args.script))
    layout = Layout(check_root(args.root, script), Path.cwd().resolve(), settings.store.resolve())
    proposal = propose(
        script,
        layout,
        python=_python(args.python),
        env=os.environ,
        select=[name.strip() for name in args.select.split(",")] if args.select else None,
        safe_only=args.safe_fixes,
        together=args.together,
    )
    proof = proposal.proof
    if not proof.treatments:
        return _nothing(proof, args)
    _show_findings(proof, args)
    if not args.quiet:
        from wattleak.reports.proof import render_copies

        print(render_copies(proof, proposal.survey), file=sys.stderr)
    token = token_hex(4)
    made = variants(proof, layout, token, script, args.arguments, os.environ)

    def prepare() -> None:
        proposal.make_copies(token)
        refuse_what_runs_the_original(proof, layout, made, os.environ)
        _keep(proof, settings.store, token)

    with _telling_what_ran():
        return experiment(
            Treatments(made),
            settings,
            args,
            title=f"prove {proof.script}",
            kind="prove",
            conclude=_conclusion(proof, settings, args),
            prepare=prepare,
            planned=_findings(proof),
        )


def _resume(args: Namespace, settings: Settings) -> int:
    """Go on in the copies that are there. Arguments are given again where the stored ones have a secret hidden."""
    from dataclasses import replace
    from pathlib import Path

    from wattleak.cli.experiment import experiment
    from wattleak.environment.redaction import is_redacted
    from wattleak.experiment.copies import Layout
    from wattleak.experiment.factors import Treatments
    from wattleak.experiment.proof import arguments_from
    from wattleak.store.sqlite import SqliteStore

    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, found = store.find(args.resume)
        stored = store.experiment(found).plan.design.variants if kind == "experiment" else ()
    proof = kept(stored, settings.store)
    if proof is None:
        raise UsageError(f"{args.resume} is no proof, or its copies are gone", "wattleak list")
    given: tuple[Variant, ...] = ()
    if not args.arguments and any(is_redacted(variant.command) for variant in stored):
        raise UsageError(
            "an argument of this proof is stored with a secret hidden",
            f"give the arguments again: wattleak prove --resume {args.resume} -- ARGUMENT...",
        )
    if args.arguments:
        layout = Layout(Path(proof.root), Path.cwd().resolve(), settings.store.resolve())
        words = arguments_from(layout, args.arguments)
        given = tuple(replace(variant, command=(*variant.command[:2], *words)) for variant in stored)
    with _telling_what_ran():
        return experiment(
            Treatments(given),
            settings,
            args,
            title="",
            kind="prove",
            conclude=_conclusion(proof, settings, args),
            planned=_findings(proof),
        )


def _conclusion(proof: Proof, settings: Settings, args: Namespace) -> Callable[[SqliteStore, Experiment], int]:
    """How a proof ends: with a verdict for every finding, and for all together."""

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        from dataclasses import replace

        from wattleak.analysis.comparison import compare
        from wattleak.cli.ending import end
        from wattleak.experiment.proof import never_imported
        from wattleak.reports.proof import Outcome

        comparison = compare(finished)
        store.save_verdict(finished.plan.experiment, comparison.pairs[0].verdict.value)
        made = finished.plan.design.variants
        outcome = Outcome(
            proof,
            finished,
            comparison,
            _yearly(finished, comparison, settings, args),
            never_imported(proof, made, settings.store, os.environ) if finished.runs else None,
        )
        _show_outcome(outcome, args)
        together = replace(comparison, pairs=comparison.pairs[:1])  # one fix alone may well be worth nothing
        return end(finished, comparison, settings, args, required=together)

    return conclude


def _yearly(
    finished: Experiment, comparison: Comparison, settings: Settings, args: Namespace
) -> dict[str, Yearly | str]:
    from wattleak.experiment.short_plan import count_of_steps
    from wattleak.experiment.yearly import runs_per_year, yearly_saving

    runs = runs_per_year(args.runs_per_year)
    if runs is None:
        return {}
    steps = None if args.full_steps is None else count_of_steps(args.full_steps, "--full-steps")
    return {
        pair.candidate: yearly_saving(finished, pair, runs, region=settings.region, pue=settings.pue, full_steps=steps)
        for pair in comparison.pairs
    }


def _nothing(proof: Proof, args: Namespace) -> int:
    """Say that there is nothing to run. A finding without a fix is a finding all the same."""
    if args.json:
        import json

        from wattleak.reports.proof import nothing_document

        print(json.dumps(nothing_document(proof)))
    else:
        _show_findings(proof, args)
    return ExitCode.FINDINGS if proof.suspects else ExitCode.DONE


def _show_findings(proof: Proof, args: Namespace) -> None:
    if args.json or args.quiet:
        return
    from wattleak.cli.terminal import style_for
    from wattleak.reports.proof import render_findings

    print(
        render_findings(proof, style=style_for(sys.stdout, args)), end="\n\n" if proof.treatments else "\n", flush=True
    )


def _show_outcome(outcome: Outcome, args: Namespace) -> None:
    if args.json:
        import json

        from wattleak.reports.proof import outcome_document

        print(json.dumps(outcome_document(outcome)))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for
        from wattleak.reports.proof import render_outcome

        print(render_outcome(outcome, style=style_for(sys.stdout, args)))


def _findings(proof: Proof) -> dict[str, object]:
    from wattleak.reports.proof import findings_document

    return findings_document(proof)


@contextmanager
def _telling_what_ran() -> Iterator[None]:
    """A script that fails is mended in the project; the copies keep what it was."""
    try:
        yield
    except MeasurementError as error:
        raise MeasurementError(
            error.message,
            f"{error.remedy}. The runs are of copies: after a change of the script, or if it needs files from outside "
            "its project (--root DIR), prove it anew",
        ) from error


def _python(asked: str | None) -> str:
    """The interpreter, by a path that holds wherever a variant runs. Links stay: a virtual environment is one."""
    from pathlib import Path

    if asked is None:
        return sys.executable
    found = shutil.which(asked)
    return asked if found is None else str(Path.cwd() / found)


def _keep(proof: Proof, store: Path, token: str) -> None:
    """Write down beside the copies what is proved in them."""
    import json

    from wattleak.experiment.copies import copies_folder

    text = json.dumps(proof.document(), indent=1)
    (copies_folder(store, token) / _RECORD).write_text(text, encoding="utf-8")


def kept(stored: Sequence[Variant], store: Path) -> Proof | None:
    """What is proved by an experiment; None: it is another kind of experiment, or the record is gone."""
    import json
    from pathlib import Path

    from wattleak.experiment.copies import place_of
    from wattleak.experiment.proof import proof_from_document

    folder = stored[0].folder if stored else None
    if folder is None:
        return None
    try:
        text = (place_of(Path(folder), store).parent / _RECORD).read_text(encoding="utf-8")
        return proof_from_document(json.loads(text))
    except (OSError, ValueError, KeyError, TypeError):
        return None
