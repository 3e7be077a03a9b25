"""`wattleak study compression`: one trained classifier, compressed in several ways.

    wattleak study compression                                # PyTorch: 16 bits, int8, pruning
    wattleak study compression --framework keras              # the same in Keras, and LiteRT
    wattleak study compression --framework all --data jets
    wattleak study compression --only float32,int8-static -- --batch 1

A model is trained once, outside of what is measured, and kept; every variant begins with its weights. The reference is
float32. What follows -- goes to the program that converts and answers (workloads/compression.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, OwnFailure, UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Sequence

    from wattleak.analysis.compression_costs import CompressionCost
    from wattleak.cli.ready_made import Finished, Part
    from wattleak.cli.settings import Settings
    from wattleak.workloads.compressing.asked import Asked

SUMMARY = "one classifier in 16 bits, int8, pruned, and as LiteRT: cost, latency, size and accuracy"
OPTIONS = ("framework", "only")

_QUALITY = "accuracy:max:0.005"  # half a point, as for every figure that is a share
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Plan:
    """The variants of one framework, and those that cannot be compared here."""

    part: Part
    left_out: tuple[tuple[str, str], ...]


def configure(group: _ArgumentGroup) -> None:
    """--framework torch|keras|all and --only are made by `study`."""
    group.description = "--framework torch, keras or all; --only names variants, with float32 among them"


def run_study(args: Namespace, settings: Settings) -> int:
    """Run the parts that have not been run yet; tables, verdicts and report of each."""
    from wattleak.cli.ready_made import (
        identity_of,
        per_sample,
        refuse_require,
        refuse_varied,
        run_part,
        write_page,
    )
    from wattleak.reports.compression import compression_document, compression_section, findings
    from wattleak.reports.parts import part_document, parts_document

    refuse_require(args)
    if args.steps is not None or getattr(args, "for") is not None:
        raise UsageError("--steps and --for end a run before its accuracy is known", "-- --inferences 2000")
    refuse_varied(args, {"--variant": "--only", "--framework": "--framework, before --"})
    if settings.data_dir is not None:
        os.environ["WATTLEAK_DATA_DIR"] = str(settings.data_dir)  # the programs look there too
    task, frameworks, note = _task(args, settings)
    plans = [_plan(framework, task, args, settings) for framework in frameworks]
    data, model = task.data.describe(), _about(task)
    facts = [f"data: {data}", f"model: {model}", *([note] if note else [])]
    facts += [f"left out: {name} ({plan.part.name}): {why}" for plan in plans for name, why in plan.left_out]
    identity = identity_of("compression", args, facts)
    if not args.dry_run:
        _train_once(task, args)
    parts = []
    for plan in plans:
        finished = run_part("compression", plan.part, identity, args, per_sample(settings))
        if finished is None:  # a dry run
            continue
        costs = _costs(finished)
        write_page(finished, settings, args, first=[compression_section(costs, finished.comparison)])
        parts.append(
            part_document(
                plan.part.name,
                finished.experiment,
                finished.comparison,
                compressed=compression_document(costs),
                findings=list(findings(costs, finished.comparison)),
                left_out=[{"variant": name, "why": why} for name, why in plan.left_out],
            )
        )
        if not args.json and not args.quiet:
            _show(finished, costs, plan, args)
    if args.json and parts:
        print(json.dumps(parts_document("compression", identity, parts, data=data, model=model)))
    return ExitCode.DONE


# -- what is run -----------------------------------------------------------------------------------------------------


def _task(args: Namespace, settings: Settings) -> tuple[Asked, tuple[str, ...], str]:
    """What the words for the program come to, the frameworks, and what to say about one that is lacking."""
    from wattleak.workloads.compressing.asked import asked
    from wattleak.workloads.compressing.variants import FRAMEWORKS, lacking, of_framework

    if args.framework not in {None, _ALL}:
        of_framework(args.framework)
    missing = {name: lacking(name) for name in FRAMEWORKS}
    there = [name for name in FRAMEWORKS if not missing[name]]
    wanted = [args.framework] if args.framework in FRAMEWORKS else there if args.framework == _ALL else there[:1]
    for name in wanted if there else FRAMEWORKS[:1]:
        if missing[name]:
            raise UsageError(
                f"this Python has no {missing[name]}, which the study compresses with",
                install(name),
            )
    left = [f"{name} is left out: this Python has no {missing[name]}" for name in FRAMEWORKS if missing[name]]
    task = asked([*_data_words(args), *args.arguments], folder=settings.store / "models")
    return task, tuple(wanted), "; ".join(left) if args.framework == _ALL else ""


def _plan(framework: str, task: Asked, args: Namespace, settings: Settings) -> Plan:
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.ready_made import Part, blocks_and_warmups, only
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant
    from wattleak.workloads import compression
    from wattleak.workloads.compressing.variants import REFERENCE, left_out, of_framework

    chosen = only(_of(framework, args), of_framework(framework), lambda one: one.name)
    accelerator = framework == "torch" and task.arguments.device != "cpu" and _finds_cuda()
    why = {one.name: left_out(one, accelerator=accelerator) for one in chosen}
    kept = [one for one in chosen if not why[one.name]]
    if kept[0].name != REFERENCE or len(kept) < 2:
        raise UsageError(
            f"the reference is {REFERENCE}, and something to hold against it is needed",
            f"--only {REFERENCE},{next(one.name for one in of_framework(framework) if one.name != REFERENCE)}",
        )
    program = str(Path(compression.__file__))
    words = (*_data_words(args), "--weights", str(task.weights), *args.arguments)
    variants = tuple(
        Variant(one.name, (sys.executable, program, "--framework", framework, "--variant", one.name, *words))
        for one in kept
    )
    # Each program warms itself up and only what follows is compared, so no block is thrown away by default.
    blocks, warmups = blocks_and_warmups(args, settings, blocks_needed(0.95, len(variants) - 1), 0)
    part = Part(framework, f"compression ({framework})", Treatments(variants), blocks, warmups, _QUALITY)
    return Plan(part, tuple((name, reason) for name, reason in why.items() if reason))


def _of(framework: str, args: Namespace) -> str | None:
    """Of the names in --only those that this framework has, where both are asked for."""
    from wattleak.workloads.compressing.variants import CATALOGUE, of_framework

    if not args.only or args.framework != _ALL:
        return str(args.only) if args.only else None
    names = [name.strip() for name in args.only.split(",") if name.strip()]
    known = {one.name for one in CATALOGUE}
    own = {one.name for one in of_framework(framework)}
    return ",".join(name for name in names if name in own or name not in known)


def _finds_cuda() -> bool:
    from importlib.metadata import version

    if version("torch").endswith("+cpu"):  # a build that knows no other device; importing it takes seconds
        return False
    import torch

    found: bool = torch.cuda.is_available()
    return found


def _data_words(args: Namespace) -> tuple[str, ...]:
    return ("--data", args.data) if args.data else ()


def _about(task: Asked) -> str:
    from wattleak.reports.words import count

    recipe = task.recipe
    parameters = sum(_product(shape) for shape in task.network.shapes().values())
    return (
        f"{task.network.name}, {parameters:,} weights and biases, {task.network.multiplications:,} multiplications an "
        f"inference; trained once by {recipe.trained_by} ({recipe.images} images, {count(recipe.epochs, 'epoch')})"
    )


def _product(shape: Sequence[int]) -> int:
    from math import prod

    return prod(shape)


def _train_once(task: Asked, args: Namespace) -> None:
    """Before the first run, in a process of its own; at once where the model is kept already."""
    from wattleak.workloads import compression

    if task.weights.exists():
        return
    if not args.quiet:
        print("training the model that all variants begin with (once)", file=sys.stderr)
    # The framework of the trainer, so that no other one is loaded; nothing else in the words matters to the training.
    words = ["--weights", str(task.weights), "--framework", task.trained_by, "--train-only"]
    command = [sys.executable, compression.__file__, *_data_words(args), *args.arguments, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 or not task.weights.exists():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise OwnFailure(f"the model could not be trained: {last}", f"to see all: {' '.join(command)}")
    if not args.quiet:
        print(done.stdout.strip().splitlines()[-1], file=sys.stderr)


# -- what comes of it ------------------------------------------------------------------------------------------------


def _costs(finished: Finished) -> tuple[CompressionCost, ...]:
    from wattleak.analysis.compression_costs import compression_costs

    return compression_costs(finished.experiment, finished.comparison)


def _show(finished: Finished, costs: Sequence[CompressionCost], plan: Plan, args: Namespace) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.compression import render_compression
    from wattleak.reports.parts import render_part

    style = style_for(sys.stdout, args)
    table = render_compression(costs, finished.comparison, plan.left_out, style=style)
    print(render_part(plan.part.title, finished.experiment, finished.comparison, table, style=style))
    print()
