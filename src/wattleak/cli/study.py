"""Run a ready-made experiment: what one smell costs, its good program against its bad one.

    wattleak study unnecessary-parallelism
    wattleak study unnecessary-parallelism --runs 20 --data cifar10 -- --epochs 2
    wattleak study improper-model-reuse --framework keras --published
    wattleak study improper-model-reuse --into train.py -- --epochs 3
    wattleak study all

Both programs train and evaluate the same network on the same real images with the same seeds, in fresh processes and
random order; they differ by the smell alone (`wattleak explain NAME` shows the difference). The reference is the good
program. What follows -- is passed to both.

--into puts the smell into a copy of a clean program of yours, shows the difference, and measures it there. `all` runs
every smell in every framework that is installed, and ends with a league table; --resume goes on with it. --order
sequential is the protocol of published work, shown beside the randomised result of the same study.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Sequence
    from pathlib import Path
    from types import ModuleType

    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Smell

SUMMARY = "run a ready-made experiment on one smell, or on all"

READY_MADE = ("models", "inference", "frameworks", "compression", "data", "combined", "devices")
"""Studies that are of no smell: module `cli/study_NAME.py` each, with SUMMARY, OPTIONS (names of its own options as
argparse keeps them; --full and --only are made here, for those that name them), configure(group) and
run_study(args, settings) -> exit code. What they share is in cli/ready_made.py and reports/parts.py."""

_OF_SMELLS = ("framework", "published", "into")  # options that a study of no smell may have too
_NEEDED = {"keras": ("tensorflow", "keras"), "sklearn": ("sklearn",)}

_DEFAULT_BLOCKS = 10
# One point: the standard error of an accuracy near 0.8 on the 2,000 test images that come with wattleak is 0.9 points
# (binomial), so nothing finer can be told from one run.
_QUALITY = "accuracy:max:0.01"
_PUBLISHED_DATA = "cifar10"
# The setting of arXiv:2606.19799: a CNN on CIFAR-10, all 50,000 training images, 50 epochs, ten runs of each program.
_PUBLISHED = ("--epochs", "50", "--train-images", "50000")


def configure(parser: ArgumentParser) -> None:
    parser.usage = "wattleak study NAME|all [options] [-- ARGUMENT...]"
    ready_made = [(name, _ready_made(name)) for name in READY_MADE]
    parser.epilog = "\n".join(["studies of no smell:", *(f"  {name}: {module.SUMMARY}" for name, module in ready_made)])
    parser.add_argument(
        "name",
        metavar="NAME",
        help="name or code of a smell; several with commas, or all, end with a league table; "
        f"or {', '.join(READY_MADE)}",
    )
    parser.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="passed to both programs, as --epochs 2")
    parser.add_argument("--framework", help="which pair of programs (default: torch, or the first there is; all: each)")
    parser.add_argument(
        "--data",
        metavar="NAME_OR_PATH",
        help="images: an npz file, or cifar10 or pneumoniamnist, downloaded when they are not here "
        "(default: the Fashion-MNIST images that come with wattleak)",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="the setting of the published study: CIFAR-10 (downloaded when it is not here), 50 epochs; takes hours",
    )
    parser.add_argument(
        "--into", metavar="SCRIPT", help="put the smell into a clean program of yours, and measure that"
    )
    parser.add_argument("--resume", metavar="ID", help="go on with a study that was interrupted")
    parser.add_argument("--full", action="store_true", help="studies of no smell: at full size; takes hours")
    parser.add_argument(
        "--only", metavar="NAMES", help="studies of no smell: of what they compare only these, by comma"
    )
    for name, module in ready_made:
        module.configure(parser.add_argument_group(f"study {name}"))
    options.add_experiment(parser)
    options.add_measuring(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from dataclasses import replace

    from wattleak.cli.settings import Settings

    settings = Settings.resolve(args)
    _refuse_foreign(args)
    if args.name in READY_MADE:
        code: int = _ready_made(args.name).run_study(args, settings)
        return code
    if args.blocks is None:
        settings = replace(settings, blocks=_DEFAULT_BLOCKS)
    if args.into is not None:
        from wattleak.cli.study_into import run_into

        return run_into(args, settings)
    if settings.quality is None:
        settings = replace(settings, quality=_QUALITY)
    if args.published and args.data is None:
        args.data = _PUBLISHED_DATA
    if args.name == "all" or "," in args.name:
        from wattleak.cli.study_all import run_all

        return run_all(args, settings, words(args, settings))
    return _one(args, settings)


def _ready_made(name: str) -> ModuleType:
    from importlib import import_module

    return import_module(f"wattleak.cli.study_{name}")


def _refuse_foreign(args: Namespace) -> None:
    """An option that would do nothing for this study is an error, never silence."""
    idle = [
        (option, f"study {name}")
        for name in READY_MADE
        if name != args.name
        for option in _ready_made(name).OPTIONS
        if option not in _OF_SMELLS
    ]
    if args.name in READY_MADE:
        own = _ready_made(args.name).OPTIONS
        idle = [(option, whose) for option, whose in idle if option not in own]
        idle += [(option, "the study of a smell") for option in _OF_SMELLS if option not in own]
    for option, whose in idle:
        if getattr(args, option):
            raise UsageError(f"--{option.replace('_', '-')} belongs to {whose}", f"wattleak study {args.name}")


def _one(args: Namespace, settings: Settings) -> int:
    from wattleak.cli.experiment import experiment
    from wattleak.cli.study_order import beside_randomised
    from wattleak.smells.registry import find_smell

    try:
        smell = find_smell(args.name)
    except UsageError as error:
        raise UsageError(error.message, f"{error.remedy}; or a study of no smell: {', '.join(READY_MADE)}") from error
    framework = _framework(smell, args.framework)
    missing = missing_for(framework)
    if missing:
        raise UsageError(
            f"this Python has no {missing}, which the study trains with",
            f"{install(framework)}, or run wattleak from the environment that has it",
        )
    title = f"study {smell.name} ({framework})"
    return experiment(
        treatments(smell, framework, words(args, settings)),
        settings,
        args,
        title=title,
        kind="study",
        conclude=beside_randomised(args, settings, smell.name, framework) if args.order == "sequential" else None,
    )


def treatments(smell: Smell, framework: str, arguments: Sequence[str]) -> Treatments:
    """The good program, which is the reference, and the bad one."""
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant
    from wattleak.smells.registry import pairs

    good, bad = pairs(smell)[framework]
    return Treatments(
        (
            Variant("good", (sys.executable, str(good), *arguments)),
            Variant("bad", (sys.executable, str(bad), *arguments)),
        )
    )


def missing_for(framework: str) -> str:
    """The package that the programs of a framework need and this Python lacks; empty when it has all."""
    needed = _NEEDED.get(framework, (framework,))
    return next((name for name in needed if find_spec(name) is None), "")


def words(args: Namespace, settings: Settings) -> list[str]:
    """What both programs are called with; makes sure that the images are there before the first run."""
    return [*_data(args, settings.data_dir), *(_PUBLISHED if args.published else ()), *args.arguments]


def _framework(smell: Smell, asked: str | None) -> str:
    from wattleak.smells.registry import pairs

    available = sorted(pairs(smell), key=lambda name: (name != "torch", name))
    if not available:
        raise UsageError(f"{smell.name} has no programs to study", "wattleak study unnecessary-parallelism")
    if asked is not None and asked not in available:
        raise UsageError(f"{smell.name} has no programs for {asked!r}", f"--framework {' or '.join(sorted(available))}")
    return asked or available[0]


def _data(args: Namespace, data_dir: Path | None) -> list[str]:
    """Make sure that the images are there before the first run, and name them to the programs."""
    from wattleak.workloads.data import load

    if data_dir is not None:
        os.environ["WATTLEAK_DATA_DIR"] = str(data_dir)  # the programs look there too
    images = load(args.data, download=args.data is not None)
    if not args.quiet:
        print(f"data: {images.describe()}", file=sys.stderr)
    return [] if args.data is None else ["--data", args.data]
