"""Run a ready-made experiment: what one smell costs, its good program against its bad one.

    wattleak study unnecessary-parallelism
    wattleak study unnecessary-parallelism --runs 20 --data cifar10 -- --epochs 2

Both programs train and evaluate the same network on the same real images with the same seeds, in fresh processes and
random order; they differ by the smell alone (`wattleak explain NAME` shows the difference). The reference is the good
program. What follows -- is passed to both.
"""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from wattleak.cli import options
from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from pathlib import Path

SUMMARY = "run a ready-made experiment on one smell"

_DEFAULT_BLOCKS = 10
# One point: the standard error of an accuracy near 0.8 on the 2,000 test images that come with wattleak is 0.9 points
# (binomial), so nothing finer can be told from one run.
_QUALITY = "accuracy:max:0.01"


def configure(parser: ArgumentParser) -> None:
    parser.usage = "wattleak study NAME [options] [-- ARGUMENT...]"
    parser.add_argument("name", metavar="NAME", help="name or code of a smell")
    parser.add_argument("arguments", nargs="*", metavar="-- ARGUMENT", help="passed to both programs, as --epochs 2")
    parser.add_argument("--framework", default="torch", help="which pair of programs (default: torch)")
    parser.add_argument(
        "--data",
        metavar="NAME_OR_PATH",
        help="images: an npz file, or cifar10 or pneumoniamnist, downloaded when they are not here "
        "(default: the Fashion-MNIST images that come with wattleak)",
    )
    parser.add_argument("--resume", metavar="ID", help="go on with a study that was interrupted")
    options.add_experiment(parser)
    options.add_measuring(parser)
    options.add_store(parser)
    options.add_output(parser)


def run(args: Namespace) -> int:
    from dataclasses import replace

    from wattleak.cli.compare import experiment
    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant
    from wattleak.smells.registry import find_smell, pairs

    settings = Settings.resolve(args)
    if args.blocks is None:
        settings = replace(settings, blocks=_DEFAULT_BLOCKS)
    if settings.quality is None:
        settings = replace(settings, quality=_QUALITY)
    smell = find_smell(args.name)
    available = pairs(smell)
    if args.framework not in available:
        raise UsageError(
            f"{smell.name} has no programs for {args.framework!r}", f"--framework {' or '.join(sorted(available))}"
        )
    if find_spec(args.framework) is None:
        raise UsageError(
            f"this Python has no {args.framework}, which the study trains with",
            f"pip install 'wattleak[{args.framework}]', or run wattleak from the environment that has it",
        )
    good, bad = available[args.framework]
    words = [*_data(args, settings.data_dir), *args.arguments]
    return experiment(
        Treatments(
            (
                Variant("good", (sys.executable, str(good), *words)),
                Variant("bad", (sys.executable, str(bad), *words)),
            )
        ),
        settings,
        args,
        title=f"study {smell.name} ({args.framework})",
        kind="study",
    )


def _data(args: Namespace, data_dir: Path | None) -> list[str]:
    """Make sure that the images are there before the first run, and name them to the programs."""
    from wattleak.workloads.data import load

    if data_dir is not None:
        os.environ["WATTLEAK_DATA_DIR"] = str(data_dir)  # the programs look there too
    images = load(args.data, download=args.data is not None)
    if not args.quiet:
        print(f"data: {images.describe()}", file=sys.stderr)
    return [] if args.data is None else ["--data", args.data]
