"""`wattleak study frameworks`: the same network, weights and batches in PyTorch, JAX, TensorFlow and Keras.

    wattleak study frameworks
    wattleak study frameworks --only torch,jax --target 0.85 -- --epochs 12
    wattleak study frameworks --data jets

A loop of each framework's own, and Keras on each of its backends (workloads/frameworks). What follows -- goes to every
program.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import ExitCode, UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup

    from wattleak.analysis.frameworks import Frameworks
    from wattleak.cli.ready_made import Finished, Part
    from wattleak.cli.settings import Settings

SUMMARY = "one network in PyTorch, JAX, TensorFlow and Keras: cost, and what a further point of accuracy costs"
OPTIONS = ("full", "only", "target")

_QUALITY = "accuracy:max:0.01"  # as for the smells: one run of 2,000 test images cannot tell less than a point
_FULL = ("--train-images", "1000000", "--epochs", "20")  # all there are


@dataclass(frozen=True, slots=True)
class Framework:
    """A candidate: its program, and what it needs to be installed."""

    name: str
    program: str
    words: tuple[str, ...]
    needs: tuple[str, ...]  # as they are imported


FRAMEWORKS = (
    Framework("torch", "torch_loop.py", (), ("torch",)),
    Framework("jax", "jax_loop.py", (), ("jax",)),
    Framework("tensorflow", "tensorflow_loop.py", (), ("tensorflow",)),
    *(
        Framework(f"keras-{backend}", "keras_fit.py", ("--backend", backend), ("keras", backend))
        for backend in ("torch", "jax", "tensorflow")
    ),
)
"""The first that is installed is the reference."""


def configure(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--target",
        metavar="ACCURACY",
        help="what it costs to reach it, as 0.85 (default: the highest whole point that every run reached)",
    )


def run_study(args: Namespace, settings: Settings) -> int:
    """Run it, or take it from the store; tables, verdicts and report."""
    import json

    from wattleak.analysis.candidates import front_of
    from wattleak.analysis.frameworks import frameworks_of
    from wattleak.cli.ready_made import identity_of, run_part, write_page
    from wattleak.reports.frameworks_document import frameworks_document
    from wattleak.reports.frameworks_html import frameworks_sections
    from wattleak.reports.parts import part_document, parts_document
    from wattleak.workloads.data import load

    target = _target(args)
    candidates, left_out = _candidates(args)
    if settings.data_dir is not None:
        import os

        os.environ["WATTLEAK_DATA_DIR"] = str(settings.data_dir)  # the programs look there too
    data = load(args.data, download=args.data is not None)
    versions = _versions(candidates)
    facts = [f"data: {data.describe()}", "versions: " + ", ".join(f"{name} {one}" for name, one in versions.items())]
    facts += [f"left out: {name}, this Python has no {lacking}" for name, lacking in left_out.items()]
    identity = identity_of("frameworks", args, facts)
    finished = run_part("frameworks", _part(candidates, args, settings), identity, args, settings)
    if finished is None:  # a dry run
        return ExitCode.DONE
    found = frameworks_of(finished.experiment, target)
    front = front_of(finished.experiment)
    sections = frameworks_sections(found)
    write_page(finished, settings, args, front=None if isinstance(front, str) else front, first=sections)
    if args.json:
        part = part_document("training", finished.experiment, finished.comparison, **frameworks_document(found))
        more: dict[str, Any] = {"data": data.describe(), "versions": versions, "left_out": left_out}
        print(json.dumps(parts_document("frameworks", identity, [part], **more)))
    elif not args.quiet:
        _show(finished, found, args)
    return ExitCode.DONE


def _candidates(args: Namespace) -> tuple[tuple[Framework, ...], dict[str, str]]:
    """Those that are asked for and can run here, and what the others lack."""
    from wattleak.cli.ready_made import only, refuse_require, refuse_varied

    refuse_require(args)
    refuse_varied(args, {"--backend": "--only keras-torch,keras-jax,keras-tensorflow"})
    if args.steps is not None or getattr(args, "for") is not None:
        raise UsageError("this study compares whole trainings, and --steps or --for end a run early", "leave it out")
    asked = only(args.only, FRAMEWORKS, lambda one: one.name)
    lacking = {one.name: next((need for need in one.needs if find_spec(need) is None), "") for one in asked}
    there = tuple(one for one in asked if not lacking[one.name])
    left_out = {name: need for name, need in lacking.items() if need}
    if len(there) < 2:
        missing = ", ".join(dict.fromkeys(left_out.values()))
        raise UsageError(
            f"a comparison takes two frameworks, and this Python has {there[0].name if there else 'none'}: "
            f"there is no {missing}",
            f"{install('torch', 'keras', 'jax')}, or run wattleak from the environment that has them",
        )
    return there, left_out


def _target(args: Namespace) -> float | None:
    if args.target is None:
        return None
    try:
        target = float(args.target)
    except ValueError:
        target = -1.0
    if not 0 < target <= 1:
        raise UsageError(f"--target {args.target!r} is no accuracy", "give a share above 0 and up to 1, as 0.85")
    return target


def _versions(candidates: tuple[Framework, ...]) -> dict[str, str]:
    """Installed versions, without loading anything."""
    found = {}
    for name in dict.fromkeys(need for one in candidates for need in one.needs):
        for distribution in (name, f"{name}-cpu", f"{name}-gpu"):
            try:
                found[name] = version(distribution)
            except PackageNotFoundError:
                continue
            break
    return found


def _part(candidates: tuple[Framework, ...], args: Namespace, settings: Settings) -> Part:
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.ready_made import Part, blocks_and_warmups
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant
    from wattleak.workloads import frameworks

    folder = Path(frameworks.__file__).parent
    words = (*(() if args.data is None else ("--data", args.data)), *(_FULL if args.full else ()), *args.arguments)
    variants = tuple(
        Variant(one.name, (sys.executable, str(folder / one.program), *one.words, *words)) for one in candidates
    )
    blocks, warmups = blocks_and_warmups(args, settings, blocks_needed(0.95, len(candidates) - 1), 0)
    return Part("training", "one network in several frameworks", Treatments(variants), blocks, warmups, _QUALITY)


def _show(finished: Finished, found: Frameworks, args: Namespace) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.frameworks import render_frameworks, render_price
    from wattleak.reports.parts import render_part

    style = style_for(sys.stdout, args)
    table = render_frameworks(found, style=style)
    after = render_price(found, style=style)
    print(render_part(finished.part.title, finished.experiment, finished.comparison, table, after, style=style))
