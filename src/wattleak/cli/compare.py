"""Compare commands by a controlled experiment: randomised blocks, fresh processes, an interval and a verdict.

    wattleak compare 'python train.py' 'python train.py --workers 4'
    wattleak compare --variant good='python train.py' --variant bad='OMP_NUM_THREADS=64 python train.py'

The first variant is the reference; change is candidate over reference minus one. Programs report quality with
wattleak.report_metric, in the file $WATTLEAK_METRICS, as a line WATTLEAK {"accuracy": 0.91}, or through
--quality-regex. They get $WATTLEAK_SEED (shared inside a block) and a folder of their own, $WATTLEAK_RUN_DIR.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    from wattleak.experiment.factors import Treatments

SUMMARY = "compare commands by a controlled experiment"


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "commands", nargs="*", metavar="COMMAND", help="a command, quoted as one word; the first is the reference"
    )
    parser.add_argument("--variant", action="append", default=[], metavar="NAME=COMMAND", help="a command with a name")
    parser.add_argument(
        "--env", action="append", default=[], metavar="VARIANT:NAME=VALUE", help="environment of one variant"
    )
    parser.add_argument("--shell", action="store_true", help="hand each command to /bin/sh as one string")
    parser.add_argument(
        "-F",
        "--factor",
        action="append",
        default=[],
        metavar="NAME=LEVEL,LEVEL",
        help="a run table: every combination of levels is a variant; {NAME} stands in the one command, after --",
    )
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="NAME=LEVEL,...", help="combinations that are left out"
    )
    parser.add_argument(
        "--fraction", choices=("half",), help="a regular half of the combinations; the report says what it cannot tell"
    )
    parser.add_argument(
        "--reference", metavar="NAME=LEVEL,...", help="the combination that the others are held against"
    )
    parser.add_argument(
        "--aa", action="store_true", help="run one command against itself, and keep this machine's noise floor"
    )
    parser.add_argument("--file", metavar="FILE", help="a TOML file that says what these options say")
    parser.add_argument("--title", metavar="TEXT", help="what to call the experiment")
    parser.add_argument(
        "--pareto",
        action="store_true",
        help="which are worth their price: Pareto front of cost and --quality, in words",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="FILE_OR_ID",
        help="the same of runs that are there already: a CSV file with a row for each run, or a stored experiment",
    )
    parser.add_argument("--resume", metavar="ID", help="go on with an experiment that was interrupted")
    options.add_against(parser)
    options.add_experiment(parser)
    options.add_measuring(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from wattleak.cli.against import run_against
    from wattleak.cli.experiment import experiment
    from wattleak.cli.experiment_file import apply_file
    from wattleak.cli.settings import Settings

    apply_file(args)
    settings = Settings.resolve(args)
    if args.source:
        from wattleak.cli.pareto import run_from

        return run_from(args, settings)
    if args.against:
        return run_against(args, settings)
    conclude = None
    if args.pareto:
        from wattleak.cli.pareto import with_front

        conclude = with_front(args, settings, "compare")
    treatments = _treatments(args)
    if args.aa:
        treatments = _against_itself(treatments)
    if args.resume is None and len(treatments.variants) < 2:
        raise UsageError(
            "an experiment needs two commands or more", "wattleak compare 'python a.py' 'python b.py', each in quotes"
        )
    return experiment(treatments, settings, args, title=args.title or "", kind="compare", conclude=conclude)


def _against_itself(treatments: Treatments) -> Treatments:
    """The one command twice: whatever differs between the two is noise."""
    from dataclasses import replace

    if len(treatments.variants) != 1:
        raise UsageError("--aa runs one command against itself", "wattleak compare --aa 'python train.py'")
    (variant,) = treatments.variants
    return replace(treatments, variants=(replace(variant, name="A"), replace(variant, name="A-again")))


def _treatments(args: Namespace) -> Treatments:
    """From commands, or from one command and the levels of its factors."""
    from shlex import join

    from wattleak.experiment.design import variants_from
    from wattleak.experiment.factors import Treatments, outside_half, parse_combination, parse_factor, run_table

    if not args.factor:
        if args.exclude or args.reference or args.fraction:
            raise UsageError(
                "--exclude, --fraction and --reference belong to a run table", "name its factors: -F batch=32,64"
            )
        return Treatments(variants_from(args.commands, args.variant, args.env, shell=args.shell))
    if args.variant or not args.commands:
        raise UsageError(
            "a run table has one command", "wattleak compare -F batch=32,64 -- python train.py --batch {batch}"
        )
    factors = [parse_factor(text) for text in args.factor]
    text = args.commands[0] if len(args.commands) == 1 else join(args.commands)
    (template,) = variants_from((), [f"all={text}"], [_for_all(env) for env in args.env], shell=args.shell)
    return run_table(
        template,
        factors,
        exclude=[
            *(parse_combination(text, factors) for text in args.exclude),
            *(outside_half(factors) if args.fraction else ()),
        ],
        reference=parse_combination(args.reference, factors) if args.reference else None,
    )


def _for_all(env: str) -> str:
    if not env.startswith("*:"):
        raise UsageError(
            f"--env {env!r} does not fit a run table", "write --env '*:NAME=VALUE'; {FACTOR} stands for its level"
        )
    return "all" + env[1:]
