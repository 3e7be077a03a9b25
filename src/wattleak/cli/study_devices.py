"""`wattleak study devices`: the same job on the CPU, with one thread and with all, and on each accelerator here.

    wattleak study devices                                       # what is here; on a machine without a GPU, its CPUs
    wattleak study devices --import h200.json --table t4.csv     # beside what was measured or stated elsewhere
    wattleak study devices --only cpu-8,cuda-0 -- --model resnet50 --image-size 64

Which devices torch computes on is tried, not assumed. A device that is not here comes only from your stored runs
(--stored), from results of another machine (--import) or from a table that somebody states (--table), and gets no
verdict. What follows -- goes to the program (workloads/fine_tuning.py).
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.cli import device_sources
from wattleak.errors import ExitCode, UsageError
from wattleak.extras import install

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Sequence

    from wattleak.analysis.device_costs import DeviceCost
    from wattleak.analysis.model_costs import Shape
    from wattleak.cli.ready_made import Finished, Part
    from wattleak.cli.settings import Settings
    from wattleak.model import Channel, Experiment, Variant
    from wattleak.workloads.data import ImageData
    from wattleak.workloads.image_models import ImageModel

SUMMARY = "the same job on CPU (one thread, all) and each accelerator here, beside stored and stated ones"
OPTIONS = ("full", "only", *device_sources.OPTIONS)

_QUALITY = "accuracy:max:0.01"  # one point: the standard error of an accuracy on some hundred images is above it
_DATA = "pneumoniamnist"
_SMALL = ("--image-size", "32", "--train-images", "480", "--epochs", "2", "--batch", "32")
_FULL = ("--image-size", "224", "--epochs", "3", "--batch", "64")
_MANY_CPUS = 8  # from here on half of them are tried, too: a small job may not fill all
_PROBE_S = 300.0


@dataclass(frozen=True, slots=True)
class Device:
    """A candidate: what it is called here and by torch, its kind, its title, and its environment."""

    name: str
    device: str
    kind: str
    title: str
    env: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Looked:
    """What the probe program found, and why the rest is not here."""

    found: tuple[Device, ...]
    absent: tuple[tuple[str, str], ...]  # kind, why


def configure(group: _ArgumentGroup) -> None:
    device_sources.configure(group)


def run_study(args: Namespace, settings: Settings) -> int:
    """One experiment over the devices that are here; table with the others beside, verdicts, report."""
    from wattleak.analysis.device_costs import grams_per_joule, job_of, measured
    from wattleak.analysis.model_costs import model_costs
    from wattleak.cli.ready_made import (
        busy_of,
        identity_of,
        images_of,
        per_sample,
        run_part,
        write_page,
    )
    from wattleak.reports.devices import devices_document, devices_section
    from wattleak.reports.html import section
    from wattleak.reports.parts import part_document, parts_document

    _refuse(args)
    absent = device_sources.absent_devices(args, settings)
    data, note = images_of(args, settings, _DATA)
    looked = _look()
    devices = _chosen(args, looked)
    words = _words(args, data)
    _image_size(words)
    settings, about_metric = _metric(devices, settings)
    facts = [f"data: {data.describe()}", *([note] if note else [])]
    facts += [f"{device.name}: {device.title}" for device in devices]
    facts += [f"no {kind}: {why}" for kind, why in looked.absent] + about_metric
    identity = identity_of("devices", args, facts)
    finished = run_part("devices", _part(devices, words, args, settings), identity, args, per_sample(settings))
    if finished is None:  # a dry run
        return ExitCode.DONE
    experiment = finished.experiment
    variants = {variant.name: variant for variant in experiment.plan.design.variants}
    known = model_costs(experiment, _shapes(experiment, data), busy_of(experiment))
    job = job_of(experiment.plan.design.variants[0])
    costs = (*measured(known, variants), *absent.costs(job, grams_per_joule(known)))
    write_page(
        finished,
        settings,
        args,
        first=[section("devices", "The same job on each device", devices_section(costs, finished.comparison))],
    )
    if args.json:
        missing = [{"kind": kind, "why": why} for kind, why in looked.absent]
        row = part_document("devices", experiment, finished.comparison, devices=devices_document(costs))
        print(json.dumps(parts_document("devices", identity, [row], data=data.describe(), job=job, absent=missing)))
    elif not args.quiet:
        _show(finished, costs, args)
    return ExitCode.DONE


# -- what is here ----------------------------------------------------------------------------------------------------


def _look() -> Looked:
    """Ask a program of its own, so that a driver that crashes does so there."""
    from wattleak.workloads import image_models

    program = str(Path(image_models.__file__).with_name("device_probe.py"))
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", program], capture_output=True, text=True, check=False, timeout=_PROBE_S
        )
    except subprocess.TimeoutExpired:
        return Looked((), (("accelerator", f"asking torch for its devices took more than {_PROBE_S:g} s"),))
    try:
        answer = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        why = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return Looked((), (("accelerator", f"asking torch for its devices failed: {why[:200]}"),))
    found = tuple(Device(one["name"], one["device"], one["kind"], one["title"]) for one in answer["found"])
    return Looked(found, tuple((one["kind"], one["why"]) for one in answer["absent"]))


def _cpus() -> tuple[Device, ...]:
    """All threads first, as the reference: what torch takes by itself."""
    from wattleak.environment.fingerprint import fingerprint
    from wattleak.experiment.levels import Machine

    allowed = Machine.here().allowed
    counts = [allowed, *([allowed // 2] if allowed >= _MANY_CPUS else []), 1]
    title = fingerprint().get("cpu", "CPU")
    return tuple(
        Device(
            f"cpu-{count}",
            "cpu",
            "cpu",
            f"{title}, {count} thread{'s' if count > 1 else ''}",
            (("OMP_NUM_THREADS", str(count)), ("MKL_NUM_THREADS", str(count))),
        )
        for count in dict.fromkeys(counts)
    )


def _chosen(args: Namespace, looked: Looked) -> tuple[Device, ...]:
    """What --only names; else the CPU and the first of each accelerator that is there several times."""
    from wattleak.cli.ready_made import only

    every = (*_cpus(), *looked.found)
    if not args.only:
        alike: dict[tuple[str, str], Device] = {}
        for device in every:
            alike.setdefault((device.kind, device.title), device)
        every = tuple(alike.values())
    if len(every) < 2:
        raise UsageError(
            "this machine has one CPU for us and no accelerator that torch computes on: nothing to compare",
            "run it where there is more, and show the results of here with --import",
        )
    return only(args.only, every, lambda device: device.name)


# -- what is run -----------------------------------------------------------------------------------------------------


def _words(args: Namespace, data: ImageData) -> tuple[str, ...]:
    from wattleak.workloads.image_models import MODELS

    size = _FULL if args.full else _SMALL
    source = ("--data", str(args.data or data.name), "--weights", "none")
    return ("--model", MODELS[0].name, *size, *source, *args.arguments)


def _part(devices: Sequence[Device], words: Sequence[str], args: Namespace, settings: Settings) -> Part:
    from wattleak.analysis.feasibility import blocks_needed
    from wattleak.cli.ready_made import Part, blocks_and_warmups
    from wattleak.experiment.factors import Treatments

    blocks, warmups = blocks_and_warmups(args, settings, max(6, blocks_needed(0.95, len(devices) - 1)), 1)
    variants = tuple(_variant(device, words) for device in devices)
    return Part("devices", "the same job on each device", Treatments(variants), blocks, warmups, _QUALITY)


def _variant(device: Device, words: Sequence[str]) -> Variant:
    from wattleak.analysis.device_costs import TITLE
    from wattleak.model import Variant
    from wattleak.workloads import image_models

    program = str(Path(image_models.__file__).with_name("fine_tuning.py"))
    command = (sys.executable, program, "--device", device.device, *words)
    return Variant(device.name, command, {**dict(device.env), TITLE: device.title})


def _image_size(words: Sequence[str]) -> tuple[ImageModel, int]:
    """The model that a program is told to train, and the pixels of a side. Raises UsageError."""
    from wattleak.cli.ready_made import value_of
    from wattleak.workloads.image_models import find_model

    model = find_model(value_of(words, "--model") or "")
    side = value_of(words, "--image-size") or ""
    if not side.isdigit() or int(side) < model.least:
        raise UsageError(f"--image-size {side}: {model.title} takes {model.least} pixels or more", "--image-size 64")
    return model, int(side)


def _shapes(experiment: Experiment, data: ImageData) -> dict[str, Shape]:
    """By the commands of the runs, which another command line may have planned. Only the title is not the same."""
    from wattleak.analysis.device_costs import TITLE
    from wattleak.analysis.model_costs import Shape
    from wattleak.workloads.flops import count_operations

    variants = experiment.plan.design.variants
    model, side = _image_size(variants[0].command)
    counted = count_operations(model, side, data.classes)
    return {
        one.name: Shape(
            one.env.get(TITLE, one.name), counted.parameters, counted.forward_flops, counted.training_flops or 0
        )
        for one in variants
    }


def _metric(devices: Sequence[Device], settings: Settings) -> tuple[Settings, list[str]]:
    """What decides: joules only where counters see the CPU and every accelerator that takes part, else wall time.

    CPU time alone, which decides elsewhere without counters, would call any accelerator a saving.
    """
    from wattleak.meters.probe import probe_meters

    accelerators = [device for device in devices if device.kind != "cpu"]
    if settings.metric is not None or not accelerators:
        return settings, []
    probed = probe_meters(settings.meters, idle_power_w=settings.idle_power, instance_type=settings.instance_type)
    if _all_counted(probed.channels, len(accelerators)):
        return settings, []
    names = ", ".join(device.name for device in accelerators)
    note = (
        f"note: no counters see both the CPU and {names}, so wall time decides here: what is faster, and not what "
        "takes less energy"
    )
    return replace(settings, metric="duration_s"), [note]


def _all_counted(channels: Sequence[Channel], accelerators: int) -> bool:
    from wattleak.analysis.metrics import choose_primary
    from wattleak.model import Origin, Part

    counted = [c for c in channels if c.part is Part.GPU and c.origin in {Origin.COUNTER, Origin.SAMPLED}]
    return choose_primary(channels) == "energy_j" and len(counted) >= accelerators


def _refuse(args: Namespace) -> None:
    from wattleak.cli.ready_made import refuse_require, refuse_varied
    from wattleak.workloads.image_models import needs

    lacking = needs()
    if lacking:
        raise UsageError(f"this Python has no {lacking}, which the job needs", install("vision"))
    if args.steps is not None or getattr(args, "for") is not None:
        raise UsageError("--steps and --for end a run before its accuracy is known", "-- --train-images 200")
    refuse_varied(args, {"--device": "--only, which chooses among the devices: --only cpu-2,cuda-0"})
    refuse_require(args)


# -- what comes of it ------------------------------------------------------------------------------------------------


def _show(finished: Finished, costs: Sequence[DeviceCost], args: Namespace) -> None:
    from wattleak.cli.terminal import style_for
    from wattleak.reports.devices import render_devices
    from wattleak.reports.parts import render_part

    style = style_for(sys.stdout, args)
    table = render_devices(costs, finished.comparison, style=style)
    print(render_part(finished.part.title, finished.experiment, finished.comparison, table, style=style))
