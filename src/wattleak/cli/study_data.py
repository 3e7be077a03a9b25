"""`wattleak study data`: what it costs to deliver samples to a training.

    wattleak study data                                # formats, page cache, order of access, loader workers
    wattleak study data --only npy,png,webdataset      # these formats alone
    wattleak study data --only access,workers          # these parts alone
    wattleak study data --data jets --raw-mb 64 -- --batch 256

The same samples are stored in each format once, in the store's folder data/, outside of what is measured, and removed
in the end. What follows -- goes to the program that delivers them (workloads/data_pipeline/deliver.py).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import ExitCode, OwnFailure, UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Callable, Mapping, Sequence

    from wattleak.analysis.data_costs import DataCost, LevelEffect
    from wattleak.cli.ready_made import Finished, Part
    from wattleak.cli.settings import Settings
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Experiment
    from wattleak.workloads.data import ImageData
    from wattleak.workloads.data_pipeline.formats import Format

SUMMARY = "how samples are stored and read: formats, page cache, order of access, loader workers; I/O and energy apart"
OPTIONS = ("only", "raw_mb", "side", "keep_files")

_QUALITY = "wrong_samples:min:0"  # every format must deliver the same samples
_KEPT = "-kept"  # a format whose samples stay in memory after the first epoch
_PARTS = ("formats", "page-cache", "access", "workers")
_UNASKED = ("npy", "npz", "parquet", "png", "png-kept", "webdataset", "tfrecord")
_ON_REQUEST = ("jpeg",)  # what it delivers is not what was stored
_DROPPED = ("npy", "webdataset", "png")  # one large file, some shards, a file for each sample
_CACHES = ("warm", "cold")
_ORDERS = ("contiguous", "blocks", "strided", "shuffled")
_WORKERS = ("0", "1", "2")
_FILES = ("--input", "--digests", "--format")
_VARIED = {  # what each part varies, or keeps as it is for its own reasons
    "formats": (*_FILES, "--keep"),
    "page-cache": (*_FILES, "--page-cache"),
    "access": (*_FILES, "--access", "--page-cache"),
    "workers": (*_FILES, "--access", "--loader", "--workers", "--train"),
}
_RAW_MB, _SIDE = 16, 96
_LEVEL = 0.95
_LEAST_SIDE, _MOST_SIDE, _MOST_RAW_MB = 8, 1024, 4096


@dataclass(frozen=True, slots=True)
class Files:
    """Where the samples are, or will be, and how large."""

    folder: Path
    side: int
    raw_mb: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """What of the study is run: candidates of the part `formats`, and the parts; why the rest is not."""

    candidates: tuple[str, ...]
    parts: tuple[str, ...]
    left_out: tuple[str, ...]

    @property
    def formats(self) -> tuple[str, ...]:
        """Every format that some part reads."""
        read = list(self.candidates) if "formats" in self.parts else []
        read += _dropped() if "page-cache" in self.parts else []
        read += ["npy"] if "access" in self.parts else []
        read += ["png"] if "workers" in self.parts else []
        return tuple(dict.fromkeys(name.removesuffix(_KEPT) for name in read))


def configure(group: _ArgumentGroup) -> None:
    group.add_argument("--raw-mb", metavar="N", help=f"MiB of pixels stored in each format (default: {_RAW_MB})")
    group.add_argument("--side", metavar="PIXELS", help=f"size to which the images are enlarged (default: {_SIDE})")
    group.add_argument("--keep-files", action="store_true", help="leave the stored samples where they are")


def run_study(args: Namespace, settings: Settings) -> int:
    """Run the parts that have not been run yet; tables, verdicts and report of each."""
    import json
    import shutil

    from wattleak.analysis.data_costs import data_costs
    from wattleak.cli.ready_made import identity_of, refuse_varied, run_part, write_page
    from wattleak.reports.data_study import data_part_document, study_document

    chosen, data = _chosen(args), _data(args, settings)
    refuse_varied(args, {option: "--only" for part in chosen.parts for option in _VARIED[part]})
    _refuse_channels(chosen, data)
    made = _made(args, data)
    identity = identity_of("data", args, (f"data: {data.describe()}", made, *chosen.left_out))
    files = Files(settings.store.resolve() / "data" / identity, _side(args), _raw_mb(args))
    cold = True
    if not args.dry_run:
        cold = _store_samples(files, chosen, data, args)
    notes = [*chosen.left_out, *([] if cold else [_NEVER_COLD.format(folder=files.folder)])]
    if not cold and not args.quiet:
        print(notes[-1], file=sys.stderr)
    documents = []
    for part in _parts(files, chosen, args, settings, cold=cold):
        finished = run_part("data", part, identity, args, _with_metric(settings, part.name))
        if finished is None:  # a dry run
            continue
        write_page(finished, settings, args)
        costs, effects = data_costs(finished.experiment), effects_of(finished.experiment)
        documents.append(data_part_document(part.name, finished.experiment, finished.comparison, costs, effects))
        if not args.json and not args.quiet:
            _show(finished, costs, effects, args)
    if args.json and documents:
        print(json.dumps(study_document(identity, documents, data.describe(), made, notes)))
    if not args.dry_run and not args.keep_files:
        shutil.rmtree(files.folder, ignore_errors=True)
    return ExitCode.DONE


# -- what is run -----------------------------------------------------------------------------------------------------

_NEVER_COLD = (
    "note: files in {folder} cannot be made to leave the page cache, or nobody says whether they did: nothing is "
    "measured cold. A store on a local disk (--store) can be"
)


def _chosen(args: Namespace) -> Chosen:
    """Parts and candidates that are asked for and can be run here."""
    from wattleak.cli.ready_made import only, refuse_require

    refuse_require(args)
    if args.steps is not None or getattr(args, "for") is not None:
        raise UsageError("this study counts whole epochs, and --steps or --for end a run early", "leave it out")
    asked = only(args.only, (*_PARTS, *_UNASKED, *_ON_REQUEST), str, least=1) if args.only else (*_PARTS, *_UNASKED)
    candidates = [name for name in asked if name not in _PARTS]
    parts = [name for name in _PARTS if name in asked or (name == "formats" and candidates)]
    candidates = candidates or [name for name in _UNASKED if "formats" in parts]
    left_out = []
    for name in tuple(candidates):
        lacking = _format(name).lacking
        if lacking:
            candidates.remove(name)
            left_out.append(f"left out: {name}, this Python has no {lacking} ({_format(name).install})")
    if "formats" in parts and len(candidates) < 2:
        raise UsageError(
            f"a comparison takes two formats, and here is {candidates[0] if candidates else 'none'}",
            "; ".join(left_out) or f"name two of {', '.join((*_UNASKED, *_ON_REQUEST))}",
        )
    lacking = _needed_by_workers()
    if "workers" in parts and lacking:
        parts.remove("workers")
        left_out.append(f"left out: workers, this Python has no {lacking} ({install('torch', 'formats')})")
    if not parts:
        raise UsageError("nothing of what --only names can run here", "; ".join(left_out))
    return Chosen(tuple(candidates), tuple(parts), tuple(left_out))


def _format(candidate: str) -> Format:
    from wattleak.workloads.data_pipeline.formats import find_format

    return find_format(candidate.removesuffix(_KEPT))


def _dropped() -> list[str]:
    """Formats of the part that drops the page cache, as far as they can be read here."""
    return [name for name in _DROPPED if not _format(name).lacking]


def _needed_by_workers() -> str:
    """The package that the part of the workers lacks; empty when it has all."""
    from importlib.util import find_spec

    return "torch" if find_spec("torch") is None else _format("png").lacking


def _parts(files: Files, chosen: Chosen, args: Namespace, settings: Settings, *, cold: bool) -> list[Part]:
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.ready_made import Part, blocks_and_warmups

    made: dict[str, tuple[str, Callable[[], Treatments]]] = {
        "formats": ("formats, in the order in which they are stored", lambda: _formats(files, chosen, args)),
        "page-cache": ("with and without the page cache", lambda: _page_cache(files, args)),
        "access": ("order of access", lambda: _access(files, args, _CACHES if cold else _CACHES[:1])),
        "workers": ("loader workers, beside a training", lambda: _workers(files, args)),
    }
    parts: list[Part] = []
    for name, (title, treat) in made.items():
        if name not in chosen.parts or (name == "page-cache" and not cold):
            continue
        treatments = treat()
        least = blocks_needed(_LEVEL, len(treatments.variants) - 1)
        # Each run begins with an epoch that does not decide: one block to warm up the machine is enough for the study.
        blocks, warmups = blocks_and_warmups(args, settings, least, int(not parts))
        parts.append(Part(name, title, treatments, blocks, warmups, settings.quality or _QUALITY))
    return parts


def _command(files: Files, name: str, words: Sequence[str], args: Namespace) -> tuple[str, ...]:
    from wattleak.workloads import data_pipeline
    from wattleak.workloads.data_pipeline.stored import DIGESTS

    program = Path(data_pipeline.__file__).with_name("deliver.py")
    where = ("--input", str(files.folder / name), "--digests", str(files.folder / DIGESTS))
    return (sys.executable, str(program), *where, *words, *args.arguments)


def _formats(files: Files, chosen: Chosen, args: Namespace) -> Treatments:
    from wattleak.experiment.factors import Treatments
    from wattleak.model import Variant

    return Treatments(
        tuple(
            Variant(name, _command(files, name.removesuffix(_KEPT), ("--keep",) * name.endswith(_KEPT), args))
            for name in chosen.candidates
        )
    )


def _page_cache(files: Files, args: Namespace) -> Treatments:
    return _table(
        _command(files, "{format}", ("--page-cache", "{page-cache}"), args),
        {"format": _dropped(), "page-cache": _CACHES},
    )


def _access(files: Files, args: Namespace, caches: Sequence[str]) -> Treatments:
    words = ("--access", "{access}", "--page-cache", "{page-cache}" if len(caches) > 1 else caches[0])
    factors = {"access": _ORDERS, **({"page-cache": caches} if len(caches) > 1 else {})}
    return _table(_command(files, "npy", words, args), factors)


def _workers(files: Files, args: Namespace) -> Treatments:
    words = ("--access", "shuffled", "--loader", "torch", "--workers", "{workers}", "--train")
    return _table(_command(files, "png", words, args), {"workers": _WORKERS})


def _table(command: tuple[str, ...], factors: Mapping[str, Sequence[str]]) -> Treatments:
    from wattleak.experiment.factors import run_table
    from wattleak.model import Factor, Variant

    return run_table(Variant("all", command), [Factor(name, tuple(levels)) for name, levels in factors.items()])


def _with_metric(settings: Settings, part: str) -> Settings:
    """What decides: the user's metric, else the first one that is measured here, per sample of the later epochs."""
    if settings.metric is not None:
        return settings
    from wattleak.analysis.metrics import choose_primary, per_name
    from wattleak.meters.probe import probe_meters

    probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
    chosen = choose_primary(probed.channels, gpu_used=None if part == "workers" else False)
    return replace(settings, metric=per_name(chosen, "sample"))


# -- what comes of it ------------------------------------------------------------------------------------------------


def effects_of(experiment: Experiment) -> dict[str, tuple[LevelEffect, ...]]:
    """What the levels of each factor change in CPU time and in wall time."""
    from wattleak.analysis.data_costs import cpu_per_sample, level_effects, time_per_sample

    factors = [factor.name for factor in experiment.plan.design.factors]
    figures = {"CPU time": cpu_per_sample, "wall time": time_per_sample}
    found = {
        figure: tuple(one for factor in factors for one in level_effects(experiment, factor, read))
        for figure, read in figures.items()
    }
    return {figure: effects for figure, effects in found.items() if effects}


def _show(
    done: Finished, costs: Sequence[DataCost], effects: Mapping[str, Sequence[LevelEffect]], args: Namespace
) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.data_study import render_data_part

    style = style_for(sys.stdout, args)
    print(render_data_part(done.part.title, done.experiment, done.comparison, costs, effects, style=style))
    print()


# -- the samples -----------------------------------------------------------------------------------------------------


def _data(args: Namespace, settings: Settings) -> ImageData:
    import os

    from wattleak.workloads.data import load

    if settings.data_dir is not None:
        os.environ["WATTLEAK_DATA_DIR"] = str(settings.data_dir)  # the programs look there too
    return load(args.data, download=args.data is not None)


def _refuse_channels(chosen: Chosen, data: ImageData) -> None:
    channels = data.train_images.shape[3]
    for name in chosen.formats:
        held = _format(name).channels
        if held and channels not in held:
            raise UsageError(
                f"{data.name} has images with {channels} channels, and {name} holds {' or '.join(map(str, held))}",
                "wattleak study data --only npy,npz,parquet",
            )


def _made(args: Namespace, data: ImageData) -> str:
    from wattleak.workloads.data_pipeline.enlarged import MOST, SEED, samples_for
    from wattleak.workloads.data_pipeline.stored import MIB

    side = _side(args)
    count = samples_for(data, side, _raw_mb(args) * MIB)
    size = count * side * side * data.train_images.shape[3]
    most = ", the most that are stored" if count == MOST else ""
    return (
        f"samples: {count} of {side}x{side}x{data.train_images.shape[3]} ({size / MIB:.1f} MiB of pixels{most}), "
        f"images of the set turned, moved, brightened and enlarged (seed {SEED})"
    )


def _side(args: Namespace) -> int:
    return _within(args.side, "--side", _SIDE, _LEAST_SIDE, _MOST_SIDE)


def _raw_mb(args: Namespace) -> int:
    return _within(args.raw_mb, "--raw-mb", _RAW_MB, 1, _MOST_RAW_MB)


def _within(text: str | None, option: str, default: int, least: int, most: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
        raise UsageError(f"{option} {text} is no whole number from {least} to {most}", f"{option} {default}")
    return int(text)


def _store_samples(files: Files, chosen: Chosen, data: ImageData, args: Namespace) -> bool:
    """Write what is not there yet, in a process of its own; whether the files can be read cold."""
    import subprocess

    from wattleak.workloads import data_pipeline
    from wattleak.workloads.data_pipeline.page_cache import can_be_cold
    from wattleak.workloads.data_pipeline.stored import files_in

    program = Path(data_pipeline.__file__).with_name("files.py")
    words = ["--to", str(files.folder), "--formats", ",".join(chosen.formats), "--data", str(args.data or data.name)]
    words += ["--side", str(files.side), "--raw-mb", str(files.raw_mb)]
    done = subprocess.run([sys.executable, str(program), *words], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines()
        raise OwnFailure(
            f"the samples could not be stored: {said[-1] if said else f'exit code {done.returncode}'}",
            "free some space, or choose another folder with --store",
        )
    return can_be_cold(files_in(files.folder / chosen.formats[0]))
