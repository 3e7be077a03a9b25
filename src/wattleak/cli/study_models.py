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

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Sequence

    from wattleak.analysis.model_costs import Busy, ModelCost, Shape
    from wattleak.analysis.pareto import Front
    from wattleak.cli.settings import Settings
    from wattleak.model import Comparison, Experiment
    from wattleak.store.sqlite import SqliteStore
    from wattleak.workloads.data import ImageData
    from wattleak.workloads.image_models import ImageModel

SUMMARY = "six image models: what a step costs, and whether the dearer one is worth it (Pareto front)"
OPTIONS = ("full", "weights", "only")

_QUALITY = "auc:max:0.005"  # half a point, as for every figure that is a share
_DATA = "pneumoniamnist"


@dataclass(frozen=True, slots=True)
class Part:
    """One experiment of the study."""

    name: str  # "steps", "training"
    title: str
    models: tuple[ImageModel, ...]
    words: tuple[str, ...]  # for the program
    blocks: int
    warmups: int
    steps: int | None = None  # of a short plan


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a part."""

    part: Part
    experiment: Experiment
    comparison: Comparison
    costs: tuple[ModelCost, ...]
    front: Front | str


def configure(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--full", action="store_true", help="fine-tune all six at full size, for accuracy and AUC: hours"
    )
    group.add_argument(
        "--weights",
        metavar="DIR",
        help="ImageNet weights: a folder with torchvision's files; download; none (default: those on this machine)",
    )
    group.add_argument("--only", metavar="NAMES", help="of the six, by comma: resnet18,densenet121")


def run_study(args: Namespace, settings: Settings) -> int:
    """Run the parts that have not been run yet; table, verdicts and report of each."""
    import json
    from secrets import token_hex

    from wattleak.reports.models import study_document

    _refuse(args)
    data, note = _data(args, settings)
    parts = _parts(args, settings)
    weights, about_weights = _weights(args, parts)
    identity = args.resume or token_hex(4)
    if not args.quiet:
        facts = (f"data: {data.describe()}", *([note] if note else []), about_weights)
        print(f"study {identity}: to go on later, wattleak study models --resume {identity}", file=sys.stderr)
        print(*facts, sep="\n", file=sys.stderr)
    done = []
    for part in parts:
        words = (*part.words, "--data", str(args.data or data.name), "--weights", weights, *args.arguments)
        finished = _run(replace(part, words=words), identity, data, args, settings)
        if finished is None:  # a dry run
            continue
        done.append(finished)
        if not args.json and not args.quiet:
            _show(finished, args)
    if args.json and done:
        print(json.dumps(study_document(identity, [_document(one) for one in done], data.describe(), about_weights)))
    return ExitCode.DONE


# -- what is run -----------------------------------------------------------------------------------------------------


def _parts(args: Namespace, settings: Settings) -> list[Part]:
    """The plan: a short one of all models and a real training of the two smallest; or with --full of all."""
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.protocol import read_around
    from wattleak.workloads.image_models import MODELS, find_model

    models = MODELS
    if args.only:
        models = tuple(dict.fromkeys(find_model(name) for name in args.only.split(",") if name.strip()))
    if len(models) < 2:
        raise UsageError("a comparison takes two models or more", "--only resnet18,densenet121")
    asked = read_around(args, settings).short
    warmups = settings.warmups if args.warmups is not None else 1
    own_blocks = settings.blocks if args.blocks is not None else None
    words: tuple[str, ...]
    if args.full:
        words = ("--epochs", "5")
        return [Part("training", "fine-tuning of all", models, words, own_blocks or 5, warmups)]
    steps = Part(
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
    words = ("--image-size", str(least), "--train-images", "480", "--epochs", "2", "--batch", "32")
    warm = warmups if args.warmups is not None else 0
    real = Part("training", "fine-tuning of the two smallest", smallest, words, own_blocks or 6, warm)
    return [steps, real]


def _run(part: Part, identity: str, data: ImageData, args: Namespace, settings: Settings) -> Finished | None:
    """One experiment: taken from the store when it is there, made or gone on with when it is not."""
    from argparse import Namespace as Copy

    from wattleak.analysis.comparison import compare
    from wattleak.cli.compare import experiment
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant
    from wattleak.store.sqlite import SqliteStore
    from wattleak.workloads import image_models

    title = f"study models: {part.title}, part of {identity}"
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        stored = next((row for row in store.experiments() if row.title == title), None)
        if stored is not None and stored.complete:
            return _finished(part, store.experiment(stored.id), _shapes(part, data))
    kept: list[Experiment] = []

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        store.save_verdict(finished.plan.experiment, compare(finished).pairs[0].verdict.value)
        kept.append(finished)
        return ExitCode.DONE

    program = Path(image_models.__file__).with_name("fine_tuning.py")
    variants = tuple(
        Variant(model.name, (sys.executable, str(program), "--model", model.name, *part.words)) for model in part.models
    )
    short = part.steps is not None
    own = Copy(
        **{
            **vars(args),
            "resume": None if stored is None else stored.id,
            "steps": part.steps if short and getattr(args, "for") is None else None,
            "for": getattr(args, "for") if short else None,
            "quality": None if short else args.quality,
        }
    )
    quality = None if short else settings.quality or _QUALITY
    planned = replace(settings, blocks=part.blocks, warmups=part.warmups, quality=quality)
    experiment(Treatments(variants), planned, own, title=title, kind="study", conclude=conclude)
    if not kept:
        return None
    finished = _finished(part, kept[0], _shapes(part, data))
    _write_page(finished, settings, args)
    return finished


def _shapes(part: Part, data: ImageData) -> dict[str, Shape]:
    """Parameters and FLOPs of each model as it is trained here."""
    from wattleak.analysis.model_costs import Shape
    from wattleak.workloads.flops import count_operations

    shapes = {}
    for model in part.models:
        counted = count_operations(model, int(_word(part.words, "--image-size") or model.side), data.classes)
        assert counted.training_flops is not None
        shapes[model.name] = Shape(model.title, counted.parameters, counted.forward_flops, counted.training_flops)
    return shapes


def _word(words: Sequence[str], option: str) -> str | None:
    """The value of an option in a command line; the last one counts."""
    found = None
    for place, word in enumerate(words):
        if word == option and place + 1 < len(words):
            found = words[place + 1]
        elif word.startswith(f"{option}="):
            found = word.partition("=")[2]
    if found is not None and not found.isdigit():
        raise UsageError(f"{option} {found} is no number", f"write {option} 64")
    return found


# -- what comes of it ------------------------------------------------------------------------------------------------


def _finished(part: Part, experiment: Experiment, shapes: dict[str, Shape]) -> Finished:
    from wattleak.analysis.candidates import front_of
    from wattleak.analysis.comparison import compare
    from wattleak.analysis.model_costs import model_costs

    costs = model_costs(experiment, shapes, _busy(experiment))
    return Finished(part, experiment, compare(experiment), costs, front_of(experiment))


def _busy(experiment: Experiment) -> dict[str, Busy]:
    """Utilisation of every run whose journal is still there."""
    from wattleak.analysis.model_costs import Busy
    from wattleak.analysis.utilisation import cpu_utilisation, device_utilisation
    from wattleak.recorder.trace import read_recording

    found = {}
    for run in experiment.runs:
        journal = run.measurement.journal
        if journal is not None and Path(journal).is_file():
            trace = read_recording(Path(journal)).trace
            found[run.id] = Busy(cpu_utilisation(trace), device_utilisation(trace))
    return found


def _write_page(finished: Finished, settings: Settings, args: Namespace) -> None:
    """The report: a study of this kind always ends with one."""
    from wattleak.cli.report import write
    from wattleak.reports.html import render_html

    front = None if isinstance(finished.front, str) else finished.front
    path = settings.store / "reports" / f"{finished.experiment.plan.experiment}.html"
    write(path, render_html(finished.experiment, finished.comparison, front=front))
    if not args.quiet:
        print(f"Wrote {path}", file=sys.stderr)


def _show(finished: Finished, args: Namespace) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.models import render_part

    style = style_for(sys.stdout, args)
    print(
        render_part(
            finished.part.title, finished.experiment, finished.comparison, finished.costs, finished.front, style=style
        )
    )
    print()


def _document(finished: Finished) -> dict[str, Any]:
    from wattleak.reports.models import part_document

    return part_document(finished.part.name, finished.experiment, finished.comparison, finished.costs, finished.front)


# -- what it needs ---------------------------------------------------------------------------------------------------


def _refuse(args: Namespace) -> None:
    from wattleak.workloads.image_models import needs

    lacking = needs()
    if lacking:
        raise UsageError(f"this Python has no {lacking}, which the image models need", "pip install 'wattleak[vision]'")
    if args.full and (args.steps is not None or getattr(args, "for") is not None):
        raise UsageError("--full trains to the end, and --steps or --for end a run early", "leave one of them out")
    if args.require is not None:
        raise UsageError("--require judges one comparison", "leave it out: the documents have every verdict")


def _data(args: Namespace, settings: Settings) -> tuple[ImageData, str]:
    """The images, and what to say where they are not those of the published study."""
    import os

    from wattleak.workloads.data import load

    if settings.data_dir is not None:
        os.environ["WATTLEAK_DATA_DIR"] = str(settings.data_dir)  # the programs look there too
    if args.data is not None:
        return load(args.data, download=True), ""
    try:
        return load(_DATA), ""
    except UsageError as error:
        note = f"note: {error.message}; these images stand in for it. --data {_DATA} downloads it"
        return load(), note


def _weights(args: Namespace, parts: Sequence[Part]) -> tuple[str, str]:
    """What the programs are told, and in words: all models begin with weights, or none does."""
    from wattleak.workloads.image_weights import NONE, find_weights

    if args.weights == NONE:
        return NONE, "weights: none, every model begins with random values"
    models = {model.name: model for part in parts for model in part.models}
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
