"""`wattleak study combined`: what each measure saves by itself, what they do to each other, and what remains together.

    wattleak study combined                                         # batch, threads and a smaller model: 2 x 2 x 2
    wattleak study combined --only batch,precision,pipeline --data jets
    wattleak study combined --full --fraction half --runs-per-day 5000

A factorial experiment: every combination of two settings of each measure, in fresh processes and random order. What
follows -- goes to the program that trains (workloads/image_training.py). For a command of your own: wattleak compare
-F batch=32,128 -F threads=2,1 -- python train.py --batch {batch} --threads {threads}
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import ExitCode, MeasurementError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup

    from wattleak.analysis.conclusions import Conclusion
    from wattleak.analysis.factorial import Factorial
    from wattleak.cli.ready_made import Finished, Part
    from wattleak.cli.settings import Settings
    from wattleak.experiment.levels import Machine
    from wattleak.footprint.savings import Savings
    from wattleak.model import Experiment

SUMMARY = "measures together (batch, precision, threads, pipeline, smaller model): effects, interactions, conclusions"
OPTIONS = ("full", "only", "fraction", "runs_per_day")

_USUAL = ("batch", "threads", "model")
_QUALITY = "accuracy:max:0.01"  # the standard error of an accuracy on 2,000 test images is 0.9 points
_LEAST_MEASURES = 2


@dataclass(frozen=True, slots=True)
class Measure:
    """One factor: the option of the program, what it is before and after."""

    name: str
    before: str
    after: str

    @property
    def option(self) -> str:
        return f"--{self.name}"


@dataclass(frozen=True, slots=True)
class Concluded:
    """What came of the experiment."""

    finished: Finished
    effects: Factorial | str
    lines: tuple[Conclusion, ...]
    savings: Savings | str


def configure(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--fraction", choices=("half",), help="a regular half of the combinations; the report says what it cannot tell"
    )
    group.add_argument(
        "--runs-per-day", metavar="N", help="savings of a year with so many runs a day (default: of 1,000 runs)"
    )


def run_study(args: Namespace, settings: Settings) -> int:
    """Run the experiment, or take it from the store; effects, conclusion matrix and report."""
    import json

    from wattleak.cli.ready_made import identity_of, refuse_require, run_part, write_page
    from wattleak.reports.combined import conclusions_section
    from wattleak.reports.parts import parts_document

    refuse_require(args)
    _refuse(args)
    chosen = _chosen(args)
    data = _data(args, settings)
    identity = identity_of("combined", args, (f"data: {data}",))
    finished = run_part("combined", _part(chosen, args, settings), identity, args, settings)
    if finished is None:  # a dry run
        return ExitCode.DONE
    done = _concluded(finished, args, settings)
    first = (conclusions_section(done.lines, done.savings, _metric(done)),) if done.lines else ()
    write_page(finished, settings, args, first=first)
    if args.json:
        print(json.dumps(parts_document("combined", identity, [_document(done)], data=data)))
    elif not args.quiet:
        _show(done, args)
    return ExitCode.DONE


# -- what is run -----------------------------------------------------------------------------------------------------


def _measures(machine: Machine) -> tuple[Measure, ...]:
    """Every measure, from what many programs do to what is advised. Threads: half of the CPUs, where there are two."""
    return (
        Measure("batch", "32", "128"),
        Measure("precision", "float32", "bfloat16"),
        *((Measure("threads", f"{machine.allowed}", f"{machine.allowed // 2}"),) if machine.allowed > 1 else ()),
        Measure("pipeline", "loader", "cached"),
        Measure("model", "large", "small"),
    )


def _refuse(args: Namespace) -> None:
    """What could only fail after the runs, or would mean nothing."""
    from wattleak.footprint.inputs import count
    from wattleak.footprint.quantities import NONE

    if args.steps is not None or getattr(args, "for") is not None:
        raise UsageError(
            "the conclusions say what becomes of the quality, and a run that is ended early has none",
            "leave --steps and --for out; fewer images make runs shorter: -- --train-images 1000",
        )
    if args.runs_per_day is not None:
        count("--runs-per-day", args.runs_per_day, NONE)


def _chosen(args: Namespace) -> tuple[Measure, ...]:
    """The measures that are asked for. Raises UsageError for one that the program is told otherwise."""
    from wattleak.cli.ready_made import only, refuse_varied
    from wattleak.experiment.levels import Machine

    known = _measures(Machine.here())
    if args.only and "threads" in args.only.split(",") and not any(one.name == "threads" for one in known):
        raise UsageError("this process may use one CPU, so there is no other number of threads", "--only batch,model")
    if args.only or args.full:
        chosen = only(args.only, known, lambda one: one.name, _LEAST_MEASURES)
    else:
        chosen = tuple(one for one in known if one.name in _USUAL)
        if len(chosen) < len(_USUAL):
            chosen = (*chosen, next(one for one in known if one.name == "pipeline"))
    for one in chosen:
        others = ",".join(other.name for other in chosen if other != one)
        refuse_varied(args, {one.option: f"--only {others}, where it is the same for all"})
    return chosen


def _part(chosen: tuple[Measure, ...], args: Namespace, settings: Settings) -> Part:
    from wattleak import workloads
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.ready_made import Part, blocks_and_warmups
    from wattleak.experiment.factors import outside_half, run_table
    from wattleak.model import Factor, Variant

    program = Path(str(workloads.__file__)).with_name("image_training.py")
    words = [word for one in chosen for word in (one.option, f"{{{one.name}}}")]
    words += ["--epochs", "5", "--train-images", "10000"] if args.full else []
    words += [] if args.data is None else ["--data", args.data]
    factors = tuple(Factor(one.name, (one.before, one.after)) for one in chosen)
    treatments = run_table(
        Variant("all", (sys.executable, str(program), *words, *args.arguments)),
        factors,
        exclude=outside_half(factors) if args.fraction else (),
    )
    # Effects are means over many runs and need no more blocks than a candidate does; the best of all is a candidate.
    needed = blocks_needed(0.95, len(treatments.variants) - 1)
    blocks, warmups = blocks_and_warmups(args, settings, needed, 1 if len(treatments.variants) <= 8 else 0)
    title = " x ".join(one.name for one in chosen) + (", a half" if args.fraction else "")
    return Part("factorial", title, treatments, blocks, warmups, _QUALITY)


def _data(args: Namespace, settings: Settings) -> str:
    """What the images are, made sure that they are there before the first run."""
    import os

    from wattleak.workloads.data import load

    if settings.data_dir is not None:
        os.environ["WATTLEAK_DATA_DIR"] = str(settings.data_dir)  # the program looks there too
    return load(args.data, download=args.data is not None).describe()


# -- what comes of it ------------------------------------------------------------------------------------------------


def _concluded(finished: Finished, args: Namespace, settings: Settings) -> Concluded:
    from wattleak.analysis.conclusions import conclusions
    from wattleak.analysis.factorial import factorial

    found = factorial(finished.experiment)
    if isinstance(found, str):
        return Concluded(finished, found, (), found)
    lines = conclusions(finished.experiment, finished.comparison, found)
    return Concluded(finished, found, lines, _savings(finished.experiment, lines, args, settings))


def _savings(
    experiment: Experiment, lines: tuple[Conclusion, ...], args: Namespace, settings: Settings
) -> Savings | str:
    """What each line saves of a run of the reference; in words why nothing is known."""
    from wattleak.analysis.blocks import counting_blocks
    from wattleak.cli.project import place_of
    from wattleak.cli.project_sources import as_input, says_energy
    from wattleak.footprint.measured import work_of
    from wattleak.footprint.savings import savings

    reference = experiment.plan.design.variants[0].name
    runs = [block.runs[reference].measurement for block in counting_blocks(experiment)]
    changes = {
        line.label: as_input(line.label, line.changes[name])
        for line in lines
        if (name := says_energy(line.changes)) is not None
    }
    if not changes:
        return "so few blocks give no interval of a change"
    try:
        work = work_of("run", runs, f"{len(runs)} runs of the reference")
    except MeasurementError as error:
        return error.message
    return savings(work, changes, place_of(settings), args.runs_per_day)


def _metric(done: Concluded) -> str:
    return done.finished.comparison.pairs[0].primary_metric


def _show(done: Concluded, args: Namespace) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.combined import render_conclusions
    from wattleak.reports.factorial import render_effects
    from wattleak.reports.parts import render_part

    style = style_for(sys.stdout, args)
    finished = done.finished
    if isinstance(done.effects, str):
        table, after = style.paint(f"no effects: {done.effects}", "warning"), []
    else:
        table = render_effects(done.effects, style=style)
        after = [render_conclusions(done.lines, done.savings, _metric(done), style=style)]
    print(render_part(finished.part.title, finished.experiment, finished.comparison, table, after, style=style))


def _document(done: Concluded) -> dict[str, Any]:
    from wattleak.reports.combined import conclusions_document
    from wattleak.reports.factorial import effects_key
    from wattleak.reports.parts import part_document

    finished = done.finished
    return part_document(
        finished.part.name,
        finished.experiment,
        finished.comparison,
        **(effects_key(finished.experiment) or {"effects": {"why_none": done.effects}}),
        conclusions=conclusions_document(done.lines, done.savings, _metric(done)),
    )
