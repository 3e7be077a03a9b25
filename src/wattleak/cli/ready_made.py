"""What the studies of no smell have in common: parts, each one experiment, gone on with when interrupted; a report.

A study (cli/study_NAME.py) says which experiments it is made of; `run_part` makes one, or takes it from the store when
it has been made under the same identity, and writes its page.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from wattleak.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Mapping, Sequence

    from wattleak.analysis.model_costs import Busy
    from wattleak.analysis.pareto import Front
    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Comparison, Experiment
    from wattleak.reports.markup import Html
    from wattleak.store.sqlite import SqliteStore
    from wattleak.workloads.data import ImageData

Candidate = TypeVar("Candidate")


@dataclass(frozen=True, slots=True)
class Part:
    """One experiment of a study."""

    name: str  # "steps", "training": names it in the document
    title: str  # in words, for people; with the study's identity it finds the experiment again
    treatments: Treatments
    blocks: int
    warmups: int
    quality: str | None = None  # as --quality takes it; None: quality is not measured
    steps: int | None = None  # of a short plan


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of a part."""

    part: Part
    experiment: Experiment
    comparison: Comparison


def identity_of(study: str, args: Namespace, facts: Sequence[str] = ()) -> str:
    """The id of this study, new or that of --resume; says how to go on with it, and facts that hold for all."""
    from secrets import token_hex

    identity: str = args.resume or token_hex(4)
    if not args.quiet:
        print(f"study {identity}: to go on later, {_going_on(study, identity)}", file=sys.stderr)
        for fact in facts:
            print(fact, file=sys.stderr)
    return identity


def _going_on(study: str, identity: str) -> str:
    """This command line with --resume: other options would ask for other experiments."""
    import shlex

    from wattleak.environment.redaction import redact_command

    words = list(redact_command(sys.argv[1:])) if sys.argv[1:2] == ["study"] else ["study", study]
    own = words.index("--") if "--" in words else len(words)
    told = words[:own]
    if "--resume" in told:
        place = told.index("--resume")
        told[place : place + 2] = []
    told = [word for word in told if not word.startswith("--resume=")]
    return shlex.join(["wattleak", *told, "--resume", identity, *words[own:]])


def blocks_and_warmups(args: Namespace, settings: Settings, blocks: int, warmups: int) -> tuple[int, int]:
    """What the user asked for; else what the study has by default."""
    return (
        settings.blocks if args.blocks is not None else blocks,
        settings.warmups if args.warmups is not None else warmups,
    )


def run_part(study: str, part: Part, identity: str, args: Namespace, settings: Settings) -> Finished | None:
    """One experiment: taken from the store when it is there, made or gone on with when it is not; None in a dry run."""
    from argparse import Namespace as Copy

    from wattleak.analysis.comparison import compare
    from wattleak.cli.experiment import experiment
    from wattleak.store.sqlite import SqliteStore

    title = f"study {study}: {part.title}, part of {identity}"
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        rows = store.experiments()
        if args.resume and not any(_is_of(row.title, study, identity) for row in rows):
            raise UsageError(f"no part of a study {study} {identity} is stored here", "wattleak list; or --store DIR")
        stored = next((row for row in rows if row.title == title), None)
        if stored is not None and stored.complete:
            known = store.experiment(stored.id)
            return Finished(part, known, compare(known))
    kept: list[Experiment] = []

    def conclude(store: SqliteStore, finished: Experiment) -> int:
        store.save_verdict(finished.plan.experiment, compare(finished).pairs[0].verdict.value)
        kept.append(finished)
        return ExitCode.DONE

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
    quality = None if short else settings.quality or part.quality
    planned = replace(settings, blocks=part.blocks, warmups=part.warmups, quality=quality)
    experiment(part.treatments, planned, own, title=title, kind="study", conclude=conclude)
    return Finished(part, kept[0], compare(kept[0])) if kept else None


def _is_of(title: str, study: str, identity: str) -> bool:
    return title.startswith(f"study {study}: ") and title.endswith(f", part of {identity}")


def write_page(
    finished: Finished, settings: Settings, args: Namespace, *, front: Front | None = None, first: Sequence[Html] = ()
) -> None:
    """The report: a study of this kind always ends with one. `first`: its own sections, before the verdicts."""
    from wattleak.cli.report import write
    from wattleak.reports.html import render_html

    path = settings.store / "reports" / f"{finished.experiment.plan.experiment}.html"
    write(path, render_html(finished.experiment, finished.comparison, front=front, first=first))
    if not args.quiet:
        print(f"Wrote {path}", file=sys.stderr)


def only(
    asked: str | None, known: Sequence[Candidate], name_of: Callable[[Candidate], str], least: int = 2
) -> tuple[Candidate, ...]:
    """The candidates that --only names, in their own order; all when it names none.

    Raises UsageError for a name that is none of theirs, and for fewer than `least`.
    """
    if not asked:
        return tuple(known)
    names = {name.strip() for name in asked.split(",") if name.strip()}
    there = [name_of(one) for one in known]
    for name in sorted(names - set(there)):
        raise UsageError(f"--only: there is no {name!r} in this study", f"one of {', '.join(there)}")
    chosen = tuple(one for one in known if name_of(one) in names)
    if len(chosen) < least:
        raise UsageError(f"--only names {len(chosen)} of them", f"a comparison takes {least}: {', '.join(there)}")
    return chosen


def value_of(words: Sequence[str], option: str) -> str | None:
    """The value of an option among the words for a program; the last one counts, as there."""
    found = None
    for place, word in enumerate(words):
        if word == option and place + 1 < len(words):
            found = words[place + 1]
        elif word.startswith(f"{option}="):
            found = word.partition("=")[2]
    return found


def per_sample(settings: Settings) -> Settings:
    """The same with a metric per sample: of whole runs that differ in start-up, or in how much they work through."""
    from wattleak.analysis.metrics import choose_primary, metric, per_name
    from wattleak.meters.probe import probe_meters

    name = settings.metric
    if name is None:
        probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
        name = choose_primary(probed.channels)
    if "_per_sample_" not in name:
        name = per_name(name, "sample")
    return replace(settings, metric=metric(name).name)


def busy_of(experiment: Experiment) -> dict[str, Busy]:
    """Utilisation of every run whose journal is still there, by run id."""
    from pathlib import Path

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


def images_of(args: Namespace, settings: Settings, preferred: str) -> tuple[ImageData, str]:
    """The images that --data names; else those that the study prefers, or, with a note that says so, those shipped."""
    import os

    from wattleak.workloads.data import load

    if settings.data_dir is not None:
        os.environ["WATTLEAK_DATA_DIR"] = str(settings.data_dir)  # the programs look there too
    if args.data is not None:
        return load(args.data, download=True), ""
    try:
        return load(preferred), ""
    except UsageError as error:
        note = f"note: {error.message}; these images stand in for it. --data {preferred} downloads it"
        return load(), note


def refuse_varied(args: Namespace, varied: Mapping[str, str]) -> None:
    """Raise UsageError for an option after -- that the study itself varies: {option: what to use instead}.

    The last of two options counts, so it would make all variants one. Abbreviations are options, too.
    """
    for word in args.arguments:
        name = word.partition("=")[0]
        for option, instead in varied.items():
            if len(name) > len("--") and option.startswith(name):
                raise UsageError(f"{option} after -- would make all variants one", f"use {instead}")


def refuse_require(args: Namespace) -> None:
    """`--require` judges one comparison; a study of several parts has many."""
    if args.require is not None:
        raise UsageError("--require judges one comparison", "leave it out: the documents have every verdict")
