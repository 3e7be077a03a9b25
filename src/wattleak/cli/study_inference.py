"""`wattleak study inference`: what answering requests costs, by size of batch and by rate, and how long they wait.

    wattleak study inference
    wattleak study inference --batches 1,8,32 --rates 5,20,20:8 --requests 1000000 --training 1f2e3d4c
    wattleak study inference -- --model resnet18 --image-size 64
    wattleak study inference -- --model mine.py:load          # a model of your own

Back to back in batches, and at given rates with up to so many waiting requests answered together. What follows -- goes
to the program that answers (workloads/serve.py).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Sequence

    from wattleak.analysis.break_even import BreakEven, Training
    from wattleak.analysis.serving import Setting
    from wattleak.analysis.serving_costs import ServingCost
    from wattleak.cli.ready_made import Finished, Part
    from wattleak.cli.settings import Settings

SUMMARY = "what answering requests costs by batch and rate, latency percentiles, break-even with the training"
OPTIONS = ("framework", "batches", "rates", "arrivals", "requests", "training", "training_j", "training_cpu_s")

_BATCHES, _RATES = "1,8,32", "5,20"
_LEAST_REQUESTS = 100  # of a schedule: a p99 takes so many
_FRAMEWORKS = ("torch", "keras")


def configure(group: _ArgumentGroup) -> None:
    group.add_argument("--batches", metavar="N,N", help=f"back to back, so many at a time (default: {_BATCHES})")
    group.add_argument(
        "--rates",
        metavar="R,R:N",
        help="requests a second; 20:8 answers up to 8 that wait together; none for no rates (default: 5,20)",
    )
    group.add_argument("--arrivals", choices=("poisson", "even"), help="of requests at a rate (default: poisson)")
    group.add_argument("--requests", metavar="N", help="what inference comes to after so many, as 1000000")
    group.add_argument(
        "--training", metavar="ID[:VARIANT]", help="stored runs of the training: after how many requests both are even"
    )
    group.add_argument("--training-j", metavar="ENERGY", help="the same, stated: '5.4 MJ', '1..2 kWh'")
    group.add_argument("--training-cpu-s", metavar="SECONDS", help="the same, stated in CPU-seconds: 3600")


def run_study(args: Namespace, settings: Settings) -> int:
    """Run what has not been run yet; tables, verdicts, break-even and report."""
    from wattleak.cli.ready_made import identity_of, per_sample, run_part, write_page
    from wattleak.cli.training_cost import training_cost
    from wattleak.reports.inference_document import break_even_document, settings_document
    from wattleak.reports.parts import part_document, parts_document

    _refuse(args)
    served = _settings(args)
    training, requests = training_cost(args, settings), _requests(args)
    about = _about(args, settings)
    identity = identity_of("inference", args, (about,))
    part = _part(served, args, settings)
    # Runs answer different numbers of requests, so they are compared by the cost of one: a request is a sample.
    finished = run_part("inference", part, identity, args, per_sample(settings))
    if finished is None:  # a dry run
        return ExitCode.DONE
    costs, found = _costs(finished, training, requests)
    write_page(finished, settings, args)
    if args.json:
        document = part_document(
            part.name,
            finished.experiment,
            finished.comparison,
            settings=settings_document(costs),
            break_even=break_even_document(found, training),
        )
        print(json.dumps(parts_document("inference", identity, [document], data=about)))
    elif not args.quiet:
        _show(finished, costs, found, training, args)
    return ExitCode.DONE


# -- what is run -----------------------------------------------------------------------------------------------------


def _settings(args: Namespace) -> tuple[Setting, ...]:
    """Back to back, then the rates, each once. Raises UsageError."""
    from wattleak.analysis.serving import Setting
    from wattleak.cli.numbers import whole_number

    found = [] if args.batches == "none" else [Setting(number) for number in _numbers(args.batches or _BATCHES)]
    for text in "" if args.rates == "none" else (args.rates or _RATES).split(","):
        rate, colon, batch = text.partition(":")
        together = whole_number(batch, "--rates", 1) if colon else 1
        found.append(Setting(together, _rate(rate)))
    chosen = tuple(dict.fromkeys(found))
    if len(chosen) < 2:
        raise UsageError(f"a comparison takes two settings, and there are {len(chosen)}", "--batches 1,8 --rates 20")
    return chosen


def _numbers(text: str) -> list[int]:
    from wattleak.cli.numbers import whole_number

    return [whole_number(word.strip(), "--batches", 1) for word in text.split(",")]


def _rate(text: str) -> float:
    from math import isfinite

    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not (isfinite(rate) and rate > 0):
        raise UsageError(f"--rates: {text!r} is no number of requests a second", "--rates 5,20, or 20:8")
    return rate


def _part(served: Sequence[Setting], args: Namespace, settings: Settings) -> Part:
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.ready_made import Part, blocks_and_warmups
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant
    from wattleak.workloads import serving

    program = str(Path(serving.__file__).with_name("serve.py"))
    common = ["--framework", args.framework or _FRAMEWORKS[0], *(["--data", args.data] if args.data else [])]
    variants = []
    for setting in served:
        words = ["--batch", str(setting.batch)]
        if setting.rate_per_s is not None:
            seconds = max(_LEAST_REQUESTS / setting.rate_per_s, 4.0)
            words += ["--rate", f"{setting.rate_per_s:g}", "--seconds", f"{seconds:g}"]
            words += ["--arrivals", args.arrivals or "poisson"]
        variants.append(Variant(setting.name, (sys.executable, program, *common, *words, *args.arguments)))
    # Each program warms itself up and only what follows is compared, so no block is thrown away by default.
    blocks, warmups = blocks_and_warmups(args, settings, blocks_needed(0.95, len(variants) - 1), 0)
    return Part("inference", "answering requests", Treatments(tuple(variants)), blocks, warmups)


def _about(args: Namespace, settings: Settings) -> str:
    """What answers, in words; makes sure that the images are there before the first run."""
    from wattleak.cli.ready_made import images_of, value_of
    from wattleak.workloads.served import is_own

    model = value_of(args.arguments, "--model")
    if model is not None and is_own(model):
        if not Path(model.rpartition(":")[0]).is_file():
            raise UsageError(f"--model {model}: there is no such file", "write -- --model FILE.py:FUNCTION")
        return f"model: {model}"
    _refuse_without_framework(args.framework or _FRAMEWORKS[0])
    images, _ = images_of(args, settings, "fashion-mnist")
    return f"data: {images.describe()}; the model has random values"


# -- what comes of it ------------------------------------------------------------------------------------------------


def _costs(
    finished: Finished, training: Training | None, requests: float | None
) -> tuple[tuple[ServingCost, ...], list[tuple[ServingCost, BreakEven | str]]]:
    from wattleak.analysis.break_even import break_even
    from wattleak.analysis.serving_costs import serving_costs

    variants = finished.experiment.plan.design.variants
    costs = serving_costs(finished.experiment, {one.name: _setting_of(one.command) for one in variants})
    if training is None and requests is None:
        return costs, []
    return costs, [(cost, break_even(cost, training, requests)) for cost in costs]


def _setting_of(command: Sequence[str]) -> Setting:
    """As the program read it: a study that is gone on with may have been planned by another command line."""
    from wattleak.analysis.serving import Setting
    from wattleak.cli.ready_made import value_of

    rate = value_of(command, "--rate")
    return Setting(int(value_of(command, "--batch") or 1), None if rate is None else float(rate))


def _show(
    finished: Finished,
    costs: Sequence[ServingCost],
    found: Sequence[tuple[ServingCost, BreakEven | str]],
    training: Training | None,
    args: Namespace,
) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.inference import render_break_even, render_serving
    from wattleak.reports.parts import render_part

    style = style_for(sys.stdout, args)
    after = [style.paint("  a sample is a request", "faint"), *render_break_even(found, training, style=style)]
    if training is None:
        hint = "  after how many requests has inference cost as much as the training? --training ID, or --training-j"
        after.append(style.paint(hint, "faint"))
    table = render_serving(costs, style=style)
    print(render_part("study inference", finished.experiment, finished.comparison, table, after, style=style))


def _requests(args: Namespace) -> float | None:
    from wattleak.footprint.inputs import count
    from wattleak.footprint.quantities import NONE

    if args.requests is None:
        return None
    found = count("--requests", args.requests, NONE)
    if not found.is_exact or found.value < 1:
        raise UsageError(f"--requests {args.requests!r} is not one number of requests", "--requests 1000000, or 1M")
    return found.value


# -- what it needs ---------------------------------------------------------------------------------------------------


def _refuse(args: Namespace) -> None:
    from wattleak.cli.ready_made import refuse_require, refuse_varied

    refuse_varied(args, {"--batch": "--batches", "--rate": "--rates", "--framework": "--framework, before --"})
    if args.steps is not None or getattr(args, "for") is not None:
        raise UsageError("--steps and --for end a training early; requests have an end", "-- --seconds 10")
    if args.framework is not None and args.framework not in _FRAMEWORKS:
        raise UsageError(f"--framework {args.framework}: no program serves with it", "--framework torch, or keras")
    refuse_require(args)


def _refuse_without_framework(framework: str) -> None:
    from wattleak.cli.study import missing_for

    missing = missing_for(framework)
    if missing:
        raise UsageError(
            f"this Python has no {missing}, which the study answers with",
            f"{install(framework)}, or -- --model FILE.py:FUNCTION of your own",
        )
