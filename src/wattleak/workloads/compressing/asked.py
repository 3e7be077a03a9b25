"""The command line of the program, checked: the same for every variant, and read by the study before the first run."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from wattleak.errors import UsageError
from wattleak.extras import install
from wattleak.workloads.compressing.networks import NAMES, Network, network_for, usual_network
from wattleak.workloads.compressing.trained import Recipe
from wattleak.workloads.compressing.variants import FRAMEWORKS, REFERENCE, find_compression, lacking
from wattleak.workloads.data import ImageData, cache_folder, load

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEED = 1  # of the one training, whatever the seed of the run
_INFERENCES = {"cnn": 6_000, "dense": 100_000}  # about two CPU-seconds of float32 in PyTorch on a core of 2020
_LEAST = {
    "calibration_images": 1,
    "train_images": 1,
    "test_images": 1,
    "epochs": 1,
    "batch": 1,
    "inferences": 1,
    "requests": 2,
    "tuning_epochs": 0,
}


@dataclass(frozen=True)
class Asked:
    """What is asked, checked."""

    arguments: argparse.Namespace
    data: ImageData
    network: Network
    recipe: Recipe
    weights: Path  # the trained model, there or not
    trained_by: str  # "torch", "keras"
    inferences: int
    tested: int  # test images


class _Parser(argparse.ArgumentParser):
    """Whoever reads the words in the process of the study wants an error to catch, not an exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"{self.prog} --help")


def parser() -> argparse.ArgumentParser:
    """All options of the program."""
    made = _Parser(prog="compression.py", description=__doc__, allow_abbrev=False)
    made.add_argument("--framework", default="torch", help=" or ".join(FRAMEWORKS))
    made.add_argument("--variant", default=REFERENCE, help="the way to compress (default: float32, none)")
    made.add_argument("--data", help="images: fashion-mnist, cifar10, pneumoniamnist, jets, or an npz file")
    made.add_argument("--network", choices=NAMES, help="(default: dense for jets, else cnn)")
    made.add_argument("--weights", type=Path, help="the trained model; trained into this file where it is not there")
    made.add_argument("--trained-by", choices=FRAMEWORKS, help="(default: torch where it is installed)")
    made.add_argument("--train-images", type=int, default=8000)
    made.add_argument("--epochs", type=int, default=2)
    made.add_argument("--test-images", type=int, help="so many of them (default: all)")
    made.add_argument("--batch", type=int, default=32, help="images answered together")
    made.add_argument("--inferences", type=int, help="in batches; never less than all test images once")
    made.add_argument("--seconds", type=float, default=4.0, help="after which it ends, once every test image is done")
    made.add_argument("--requests", type=int, default=400, help="single images, for the latencies; ends as the above")
    made.add_argument("--calibration-images", type=int, default=256, help="that tell static int8 its scales")
    made.add_argument("--sparsity", type=float, default=0.8, help="share of weights set to zero")
    made.add_argument("--channels-out", type=float, default=0.5, help="share of channels taken out")
    made.add_argument("--tuning-epochs", type=int, default=1, help="after channels were taken out")
    made.add_argument(
        "--device", choices=("auto", "cpu"), default="auto", help="of PyTorch (default: CUDA, if it is there)"
    )
    made.add_argument("--train-only", action="store_true", help="make the trained model, and end")
    made.add_argument("--keep", type=Path, help="a folder for the compressed model and the predictions")
    return made


def asked(words: Sequence[str] | None = None, *, folder: Path | None = None) -> Asked:
    """Read the command line. `folder`: where trained models are kept, unless --weights names a file.

    Raises:
        WattleakError: it does not fit.
    """
    arguments = parser().parse_args(words)
    find_compression(arguments.framework, arguments.variant)
    for name, least in _LEAST.items():
        value = getattr(arguments, name)
        if value is not None and value < least:
            raise UsageError(f"--{name.replace('_', '-')} {value} is too few", f"{least} or more")
    for name in ("sparsity", "channels_out"):
        if not 0 <= getattr(arguments, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} is a share from 0 to below 1", "0.5 is one half")
    if not arguments.seconds > 0:
        raise UsageError(f"--seconds {arguments.seconds:g} leaves no time", "--seconds 4")
    data = load(arguments.data, download=True)  # downloads only what --data names
    network = network_for(arguments.network or usual_network(data.name), data)
    trained_by = arguments.trained_by or ("keras" if lacking("torch") else "torch")
    recipe = Recipe(
        network=network,
        data_sha256=data.sha256,
        images=min(arguments.train_images, len(data.train_images)),
        epochs=arguments.epochs,
        seed=_SEED,
        trained_by=_with_version(trained_by),
    )
    kept_in = folder or cache_folder() / "models"
    return Asked(
        arguments=arguments,
        data=data,
        network=network,
        recipe=recipe,
        weights=arguments.weights or recipe.path(kept_in),
        trained_by=trained_by,
        inferences=arguments.inferences or _INFERENCES[network.name],
        tested=min(arguments.test_images or len(data.test_images), len(data.test_images)),
    )


def run_seed() -> int:
    """The seed that the runs of a block share."""
    return int(os.environ.get("WATTLEAK_SEED", "0"))


def _with_version(framework: str) -> str:
    try:
        return f"{framework} {version(framework)}"
    except PackageNotFoundError as error:
        raise UsageError(f"this Python has no {framework}", install(framework)) from error
