"""Find the setting that costs least at equal quality: threads, batch size, loader workers, precision, anything else.

    wattleak tune -F threads=1,2,4,8 -- python train.py --threads {threads}
    wattleak tune -F OMP_NUM_THREADS=1,2,4 -- python train.py
    wattleak tune --threads -- python train.py
    wattleak tune --batch 32,64,128 --steps 200 -- python train.py --batch {batch}

Settings race each other in fresh processes, block after block, in random order. One that a look shows to be dearer than
another leaves the race, so most runs go to the settings that are hard to tell apart; it ends after 12 blocks (--blocks)
at the latest. Then the winner meets the reference, which is the first setting or --reference, in fresh blocks: they say
what is saved.

A factor stands in braces in the command; in capitals it is an environment variable. --threads, --batch, --workers,
--precision and --compile know levels that make sense here (CPUs allowed, quota); --threads also knows the variables.
--power-limit and --gpu-clocks change a GPU for as long as the search lasts. Cost is per run,
with --steps or --for per step, and per sample where settings work through different numbers of samples
(wattleak.step(samples=...)). With quality reported, a setting whose result is not shown to be as good cannot win.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Callable

    from wattleak.analysis.tuning import Tuning
    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Experiment, Search
    from wattleak.store.sqlite import SqliteStore

SUMMARY = "find the setting that costs least at equal quality"

_PRESETS = {
    "threads": "threads of numerical libraries: {threads} in the command, or OMP_NUM_THREADS and its like",
    "batch": "batch size: {batch} in the command",
    "workers": "data-loader workers: {workers} in the command",
    "precision": "number format: {precision} in the command",
    "compile": "modes of torch.compile: {compile} in the command",
}
_FOREIGN = {  # option -> why it does not belong here
    "looks": "the looks of a race follow from --blocks",
    "eliminate": "a race always drops what is dearer",
    "sessions": "a search is one session; confirm its winner with wattleak compare --sessions 3",
    "add_session": "a search is one session; confirm its winner with wattleak compare --sessions 3",
}


def configure(parser: ArgumentParser) -> None:
    parser.usage = "wattleak tune [-F NAME=LEVEL,LEVEL | --threads | ...] [options] -- COMMAND"
    parser.add_argument("commands", nargs="*", metavar="-- COMMAND", help="the command, with {NAME} for a level")
    group = parser.add_argument_group("what is tried")
    group.add_argument(
        "-F", "--factor", action="append", default=[], metavar="NAME=LEVEL,LEVEL", help="a factor and its levels"
    )
    for name, what in _PRESETS.items():
        group.add_argument(f"--{name}", nargs="?", const="", metavar="LEVEL,LEVEL", help=what)
    group.add_argument(
        "--power-limit",
        nargs="?",
        const="",
        metavar="W,W",
        help="power limits of the GPU in watts, against what it is now; set for each run (takes root) and put back in "
        "the end, even after a kill (default: 90, 80, 70, 60 %% of it)",
    )
    group.add_argument(
        "--gpu-clocks",
        nargs="?",
        const="",
        metavar="MHZ,MHZ",
        help="clocks that the GPU is locked to, each a frequency or LOW-HIGH, against unlocked ones; locked for each "
        "run (takes root) and unlocked in the end, even after a kill (default: 90, 80, 70, 60 %% of the highest)",
    )
    group.add_argument(
        "--clocks-were",
        metavar="MHZ",
        help="with --gpu-clocks: what you have locked the clocks to yourself, which the driver cannot say; it is the "
        "reference, and put back in the end",
    )
    group.add_argument(
        "--gpu", metavar="INDEX", help="with --power-limit, --gpu-clocks: which GPU, as nvidia-smi counts them"
    )
    group.add_argument(
        "--exclude", action="append", default=[], metavar="NAME=LEVEL,...", help="combinations that are left out"
    )
    group.add_argument(
        "--reference", metavar="NAME=LEVEL,...", help="what the saving is counted from (default: the first setting)"
    )
    group.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="environment of every setting")
    group.add_argument("--shell", action="store_true", help="hand the command to /bin/sh as one string")
    group.add_argument(
        "--confirm", metavar="N", help="fresh blocks of winner and reference after the race (default: 6; 0: none)"
    )
    parser.add_argument("--title", metavar="TEXT", help="what to call the search")
    parser.add_argument("--resume", metavar="ID", help="go on with a search that was interrupted")
    options.add_experiment(parser)
    options.add_measuring(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from dataclasses import replace

    from wattleak.cli.experiment import experiment
    from wattleak.cli.settings import Settings
    from wattleak.experiment.search import BLOCKS, stopping
    from wattleak.model import StoppingRule

    for option, why in _FOREIGN.items():
        if getattr(args, option, None):
            raise UsageError(f"--{option.replace('_', '-')} does not belong to tune: {why}", "leave it out")
    if args.order == "sequential":
        raise UsageError("settings race in random order: one after the other proves nothing", "leave --order out")
    settings = Settings.resolve(args)
    put_back(args)
    blocks = settings.blocks if args.blocks is not None else BLOCKS
    rule = stopping(blocks, StoppingRule(settings.stop or StoppingRule.POCOCK))
    search = _search(args, metric_by_rule=settings.metric is None)
    treatments = _stored(args, settings) if args.resume and not args.commands else _treatments(args)
    settings = replace(settings, blocks=blocks + search.confirmations, looks=None, stop=None, sessions=1)
    return experiment(
        treatments,
        settings,
        args,
        title=args.title or _title(treatments),
        kind="tune",
        conclude=conclusion(settings, args),
        search=(search, rule),
    )


def put_back(args: Namespace) -> None:
    """Put back what a killed search had left changed on a device, and say it."""
    from wattleak.executors.device_journal import put_back_what_was_left

    for sentence in put_back_what_was_left():
        if not args.quiet:
            print(f"wattleak: {sentence}", file=sys.stderr)


def _search(args: Namespace, *, metric_by_rule: bool) -> Search:
    from wattleak.experiment.search import CONFIRMATIONS, check_search

    if args.confirm is None:
        return check_search(CONFIRMATIONS, metric_by_rule=metric_by_rule)
    try:
        return check_search(int(args.confirm), metric_by_rule=metric_by_rule)
    except ValueError:
        raise UsageError(f"--confirm {args.confirm} is no number of blocks", "--confirm 6, or 0") from None


def _treatments(args: Namespace) -> Treatments:
    """One variant for each setting; factors without a place in the command go into the environment."""
    from dataclasses import replace
    from shlex import join

    from wattleak.cli.tune_devices import device_settings
    from wattleak.experiment.design import variants_from
    from wattleak.experiment.factors import parse_combination, parse_factor, run_table
    from wattleak.experiment.levels import PRESETS, Machine, places, preset

    asked = {name: getattr(args, name) for name in PRESETS if getattr(args, name) is not None}
    machine = Machine.here()
    factors = [parse_factor(text) for text in args.factor]
    factors += [preset(name, written, machine) for name, written in asked.items()]
    settings = device_settings(args)
    factors += [setting.factor for setting in settings]
    if not args.commands or not factors:
        raise UsageError(
            "a search needs factors and one command",
            "wattleak tune -F threads=1,2,4 -- python train.py --threads {threads}",
        )
    text = args.commands[0] if len(args.commands) == 1 else join(args.commands)
    environments = [f"all:{env.removeprefix('*:')}" for env in args.env]
    (template,) = variants_from((), [f"all={text}"], environments, shell=args.shell)
    for setting in settings:
        template = replace(template, env={**template.env, **setting.env})
    for factor in factors:
        carried = places(factor.name, template.command, template.env, factor.name in asked)
        template = replace(template, env={**template.env, **carried})
        if not carried and not any(
            "{" + factor.name + "}" in word for word in (*template.command, *template.env.values())
        ):
            raise UsageError(
                f"the factor {factor.name} stands nowhere in the command",
                f"write {{{factor.name}}} where its level belongs; an environment variable is a factor in capitals",
            )
    return run_table(
        template,
        factors,
        exclude=[parse_combination(text, factors) for text in args.exclude],
        reference=parse_combination(args.reference, factors) if args.reference else None,
    )


def _stored(args: Namespace, settings: Settings) -> Treatments:
    """What a resumed search tries: the plan says it. Raises UsageError for another kind of experiment."""
    from wattleak.experiment.factors import Treatments
    from wattleak.store.sqlite import SqliteStore

    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, found = store.find(args.resume)
        if kind != "experiment" or store.experiment(found).plan.design.search is None:
            raise UsageError(f"{found} is no search", f"wattleak compare --resume {found}")
    return Treatments(())


def _title(treatments: Treatments) -> str:
    from shlex import join

    from wattleak.environment.redaction import redact_command

    if treatments.template is None:
        return ""
    names = ", ".join(factor.name for factor in treatments.factors)
    return f"tune {names}: {join(redact_command(treatments.template.command))}"


def conclusion(settings: Settings, args: Namespace) -> Callable[[SqliteStore, Experiment], int]:
    """How a search ends: its claim is stored and told."""

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        from wattleak.analysis.comparison import compare
        from wattleak.analysis.tuning import judge
        from wattleak.cli.ending import write_report

        tuning = judge(finished)
        if tuning.saving is not None:
            store.save_verdict(finished.plan.experiment, tuning.saving.verdict.value)
        show(finished, tuning, args)
        if args.report:
            write_report(finished, compare(finished), settings, args, None)
        return _exit_code(tuning, args.require)

    return conclude


def show(finished: Experiment, tuning: Tuning, args: Namespace) -> None:
    """Print the answer of a search, as text or as a document."""
    import json

    from wattleak.reports.tune import render_tuning, tuning_document

    if args.json:
        print(json.dumps(tuning_document(finished, tuning)))
    elif not args.quiet:
        from wattleak.cli.terminal import style_for

        print(render_tuning(finished, tuning, style=style_for(sys.stdout, args)))


def _exit_code(tuning: Tuning, require: str | None) -> int:
    """As `compare`: by the claim about the setting to use. The reference against itself is equal."""
    from wattleak.cli.ending import meets

    if require is None:
        return ExitCode.DONE
    if tuning.saving is None and tuning.chosen == tuning.reference:
        return meets(require, ["equal"])
    return meets(require, ["not_enough_runs" if tuning.saving is None else tuning.saving.verdict.value])
