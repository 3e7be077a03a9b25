"""`wattleak study models`: are larger image models worth their price?

    wattleak study models                          # short plan of six, real fine-tuning of the two smallest
    wattleak study models --full --data pneumoniamnist --weights download
    wattleak study models --only resnet18,densenet121 -- --image-size 64 --epochs 3

ResNet-18 and -50, DenseNet-121, -169 and -201, and Inception-v3 of torchvision. What follows -- goes to the program
that trains each of them (workloads/fine_tuning.py).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import ExitCode, UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Sequence

    from wattleak.analysis.model_costs import ModelCost, Shape
    from wattleak.analysis.pareto import Front
    from wattleak.cli.ready_made import Finished, Part
    from wattleak.cli.settings import Settings
    from wattleak.model import Experiment
    from wattleak.workloads.data import ImageData
    from wattleak.workloads.image_models import ImageModel

SUMMARY = "six image models: what a step costs, and whether the dearer one is worth it (Pareto front)"
OPTIONS = ("full", "only", "weights")

_QUALITY = "auc:max:0.005"  # half a point, as for every figure that is a share
_DATA = "pneumoniamnist"


@dataclass(frozen=True, slots=True)
class Plan:
    """A part, before the commands of its variants are known."""

    name: str  # "steps", "training"
    title: str
    models: tuple[ImageModel, ...]
    words: tuple[str, ...]  # for the program
    blocks: int
    warmups: int
    steps: int | None = None  # of a short plan


@dataclass(frozen=True, slots=True)
class Costed:
    """What came of a part, and what its models are."""

    finished: Finished
    costs: tuple[ModelCost, ...]
    front: Front | str


def configure(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--weights",
        metavar="DIR",
        help="ImageNet weights: a folder with torchvision's files; download; none (default: those on this machine)",
    )


def run_study(args: Namespace, settings: Settings) -> int:
    """Run the parts that have not been run yet; table, verdicts and report of each."""
    import json

    from wattleak.cli.ready_made import identity_of, images_of, run_part, write_page
    from wattleak.reports.models import study_document

    _refuse(args)
    data, note = images_of(args, settings, _DATA)
    plans = _plans(args, settings)
    weights, about_weights = _weights(args, plans)
    facts = (f"data: {data.describe()}", *([note] if note else []), about_weights)
    identity = identity_of("models", args, facts)
    done = []
    for plan in plans:
        words = (*plan.words, "--data", str(args.data or data.name), "--weights", weights, *args.arguments)
        finished = run_part("models", _part(replace(plan, words=words)), identity, args, settings)
        if finished is None:  # a dry run
            continue
        costed = _costed(finished, data)
        write_page(finished, settings, args, front=None if isinstance(costed.front, str) else costed.front)
        done.append(costed)
        if not args.json and not args.quiet:
            _show(costed, args)
    if args.json and done:
        print(json.dumps(study_document(identity, [_document(one) for one in done], data.describe(), about_weights)))
    return ExitCode.DONE


# -- what is run -----------------------------------------------------------------------------------------------------


def _plans(args: Namespace, settings: Settings) -> list[Plan]:
    """The plan: a short one of all models and a real training of the two smallest; or with --full of all."""
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.protocol import read_around
    from wattleak.cli.ready_made import only
    from wattleak.workloads.image_models import MODELS

    models = only(args.only, MODELS, lambda model: model.name)
    asked = read_around(args, settings).short
    warmups = settings.warmups if args.warmups is not None else 0  # a run's own first step is not counted
    own_blocks = settings.blocks if args.blocks is not None else None
    words: tuple[str, ...]
    if args.full:
        words = ("--epochs", "5")
        warm = warmups if args.warmups is not None else 1
        return [Plan("training", "fine-tuning of all", models, words, own_blocks or 5, warm)]
    steps = Plan(
        "steps",
        "what a step costs",
        models,
        ("--image-size", str(max(model.least for model in models)), "--batch", "8", "--epochs", "1000"),
        own_blocks or blocks_needed(0.95, len(models) - 1),
        warmups,
        steps=6 if asked is None or asked.steps is None else asked.steps,
    )
    smallest = tuple(sorted(models, key=lambda model: model.gmacs)[:2])
    least = max(model.least for model in smallest)
    words = ("--image-size", str(least), "--train-images", "320", "--epochs", "2", "--batch", "32")
    real = Plan("training", "fine-tuning of the two smallest", smallest, words, own_blocks or 6, warmups)
    return [steps, real]


def _part(plan: Plan) -> Part:
    from wattleak.cli.ready_made import Part
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant
    from wattleak.workloads import image_models

    program = Path(image_models.__file__).with_name("fine_tuning.py")
    variants = tuple(
        Variant(model.name, (sys.executable, str(program), "--model", model.name, *plan.words)) for model in plan.models
    )
    quality = None if plan.steps is not None else _QUALITY
    return Part(plan.name, plan.title, Treatments(variants), plan.blocks, plan.warmups, quality, plan.steps)


def _shapes(experiment: Experiment, data: ImageData) -> dict[str, Shape]:
    """Parameters and FLOPs of each model as it was trained: by the commands of its runs, not by this command line."""
    from wattleak.analysis.model_costs import Shape
    from wattleak.workloads.flops import count_operations
    from wattleak.workloads.image_models import find_model

    shapes = {}
    for variant in experiment.plan.design.variants:
        model = find_model(variant.name)
        counted = count_operations(model, _number(variant.command, "--image-size") or model.side, data.classes)
        assert counted.training_flops is not None
        shapes[model.name] = Shape(model.title, counted.parameters, counted.forward_flops, counted.training_flops)
    return shapes


def _number(words: Sequence[str], option: str) -> int | None:
    """The whole number behind an option in a command line."""
    from wattleak.cli.ready_made import value_of

    found = value_of(words, option)
    if found is not None and not found.isdigit():
        raise UsageError(f"{option} {found} is no number", f"write {option} 64")
    return None if found is None else int(found)


# -- what comes of it ------------------------------------------------------------------------------------------------


def _costed(finished: Finished, data: ImageData) -> Costed:
    from wattleak.analysis.candidates import front_of
    from wattleak.analysis.model_costs import model_costs
    from wattleak.cli.ready_made import busy_of

    experiment = finished.experiment
    costs = model_costs(experiment, _shapes(experiment, data), busy_of(experiment))
    return Costed(finished, costs, front_of(experiment))


def _show(costed: Costed, args: Namespace) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.models import render_models_part

    done = costed.finished
    style = style_for(sys.stdout, args)
    print(
        render_models_part(done.part.title, done.experiment, done.comparison, costed.costs, costed.front, style=style)
    )
    print()


def _document(costed: Costed) -> dict[str, Any]:
    from wattleak.reports.models import models_part_document

    done = costed.finished
    return models_part_document(done.part.name, done.experiment, done.comparison, costed.costs, costed.front)


# -- what it needs ---------------------------------------------------------------------------------------------------


def _refuse(args: Namespace) -> None:
    from wattleak.cli.ready_made import refuse_require, refuse_varied
    from wattleak.workloads.image_models import needs

    lacking = needs()
    if lacking:
        raise UsageError(f"this Python has no {lacking}, which the image models need", install("vision"))
    if args.full and (args.steps is not None or getattr(args, "for") is not None):
        raise UsageError("--full trains to the end, and --steps or --for end a run early", "leave one of them out")
    refuse_varied(args, {"--model": "--only", "--weights": "--weights, before --"})
    refuse_require(args)


def _weights(args: Namespace, plans: Sequence[Plan]) -> tuple[str, str]:
    """What the programs are told, and in words: all models begin with weights, or none does."""
    from wattleak.workloads.image_weights import NONE, find_weights

    if args.weights == NONE:
        return NONE, "weights: none, every model begins with random values"
    models = {model.name: model for plan in plans for model in plan.models}
    found = {name: find_weights(model, args.weights) for name, model in models.items()}
    lacking = [name for name, path in found.items() if path is None]
    if lacking:
        return NONE, (
            f"weights: none, every model begins with random values: the ImageNet weights of {', '.join(lacking)} are "
            "not on this machine (--weights download, or --weights DIR). Quality is that of a training from scratch"
        )
    folders = {str(path.parent) for path in found.values() if path is not None}
    if len(folders) > 1:
        raise UsageError("the weights lie in several folders", "put them into one, and give it with --weights")
    return folders.pop(), "weights: ImageNet, of torchvision (IMAGENET1K_V1), their checksums right"
