"""Devices that are not here: the user's stored runs, results of another machine, and tables that somebody states."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from argparse import Namespace, _ArgumentGroup
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.device_costs import DeviceCost
    from wattleak.analysis.model_costs import Busy
    from wattleak.archive.device_table import StatedDevice
    from wattleak.cli.settings import Settings
    from wattleak.model import Estimate, Experiment

OPTIONS = ("stored", "import", "table")

_APART = "not in random order with the others"


@dataclass(frozen=True, slots=True)
class Absent:
    """What is known of devices that are not here."""

    measured: tuple[DeviceCost, ...] = ()
    stated: tuple[StatedDevice, ...] = ()

    def costs(self, job: str, place: Estimate | None) -> tuple[DeviceCost, ...]:
        """All of them, each with why it gets no verdict beside a study of this job in this place."""
        from wattleak.analysis.device_costs import different_job, stated

        tables = [
            stated(
                row.device,
                f"{row.place}, {row.source}",
                "stated, and not seen to run here",
                row.figures,
                row.job,
                place,
            )
            for row in self.stated
        ]
        found = []
        for cost in (*self.measured, *tables):
            differs = different_job(cost, job)
            found.append(
                replace(cost, why_no_verdict=f"{cost.why_no_verdict}; {differs}") if differs is not None else cost
            )
        return tuple(found)


def configure(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--stored",
        action="append",
        default=[],
        metavar="ID[:VARIANT]",
        help="show the devices of an experiment of this store beside the others, without a verdict",
    )
    group.add_argument(
        "--import",
        action="append",
        default=[],
        metavar="FILE",
        help="the same of another machine: what `study devices --json` printed there, or an evidence bundle",
    )
    group.add_argument(
        "--table",
        action="append",
        default=[],
        metavar="FILE",
        help="the same as somebody states it: CSV or TOML with device, power_w, samples_per_s, source",
    )


def absent_devices(args: Namespace, settings: Settings) -> Absent:
    """Read all that --stored, --import and --table name. Raises UsageError before anything is run."""
    from wattleak.archive.device_table import read_device_table

    measured: list[DeviceCost] = []
    for word in args.stored:
        measured += _stored(word, settings)
    for name in getattr(args, "import"):
        measured += _imported(Path(name))
    return Absent(tuple(measured), tuple(row for name in args.table for row in read_device_table(Path(name))))


def _stored(word: str, settings: Settings) -> Sequence[DeviceCost]:
    from wattleak.cli.ready_made import busy_of
    from wattleak.store.sqlite import SqliteStore

    identity, _, variant = word.partition(":")
    with SqliteStore(settings.store, region=settings.region, pue=settings.pue) as store:
        kind, found = store.find(identity)
        if kind != "experiment":
            raise UsageError(
                f"--stored {word}: {found} is a single run, which nothing was repeated for",
                "give the id of an experiment: wattleak list",
            )
        experiment = store.experiment(found)
    return _costs(experiment, f"experiment {found}", f"--stored {word}", busy_of(experiment), variant)


def _imported(path: Path) -> Sequence[DeviceCost]:
    import zipfile

    if path.is_file() and zipfile.is_zipfile(path):
        return _from_bundle(path)
    return _from_document(path)


def _from_bundle(path: Path) -> Sequence[DeviceCost]:
    """An evidence bundle, once everything in it follows from its journals."""
    from wattleak.evidence.archive import Bundle
    from wattleak.evidence.recompute import experiment_of
    from wattleak.evidence.verify import verify

    with Bundle(path) as bundle:
        checked = verify(bundle)
        if checked.findings:
            raise UsageError(
                f"{path} is not to be trusted: {checked.findings[0].file}: {checked.findings[0].what}",
                f"wattleak verify {path} says everything that does not fit",
            )
        if bundle.manifest["subject"]["kind"] != "experiment":
            raise UsageError(f"{path} is the evidence of a single run", "export an experiment: wattleak export ID")
        experiment, _ = experiment_of(bundle)
    # Where its journals lay is a path of another machine: what lies there on this one is none of them.
    return _costs(experiment, f"{path.name}, experiment {experiment.plan.experiment}", f"--import {path}", {})


def _from_document(path: Path) -> Sequence[DeviceCost]:
    from wattleak.analysis.device_costs import HERE
    from wattleak.archive.text import read_json, read_text
    from wattleak.reports.devices import cost_from

    remedy = "what `wattleak study devices --json` printed, or what `wattleak export ID` wrote"
    document = read_json(path, read_text(path))
    if not isinstance(document, dict) or document.get("kind") != "study_devices":
        raise UsageError(f"{path} is no result of study devices", remedy)
    found: list[DeviceCost] = []
    try:
        for part in document["parts"]:
            source = f"{path.name}, experiment {part['experiment_id']}, {_when(part['design']['created_at'])}"
            why = f"measured on another machine ({_machine(part['environment'])}), {_APART}"
            found += [cost_from(row, source, why) for row in part["devices"] if row["source"] == HERE]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is no whole result: {type(error).__name__} {error}", remedy) from error
    if not found:
        raise UsageError(f"{path} holds no device that was measured", remedy)
    return found


def _costs(
    experiment: Experiment, source: str, option: str, busy: Mapping[str, Busy], variant: str = ""
) -> Sequence[DeviceCost]:
    """The devices of an experiment of ours; its reports may have been made by any verb."""
    from wattleak.analysis.device_costs import TITLE, measured
    from wattleak.analysis.model_costs import Shape, model_costs
    from wattleak.environment.fingerprint import fingerprint

    variants = {one.name: one for one in experiment.plan.design.variants}
    if variant and variant not in variants:
        raise UsageError(f"{option}: there is no such variant", f"one of {', '.join(variants)}")
    facts = experiment.environment
    here = fingerprint()
    same = all(facts.get(name) == here.get(name) for name in ("node", "cpu", "memory_b"))
    where = "in another experiment of this machine" if same else f"on another machine ({_machine(facts)})"
    shapes = {name: Shape(one.env.get(TITLE, name), 0, 0, 0) for name, one in variants.items()}
    costs = measured(
        model_costs(experiment, shapes, busy),
        variants,
        f"{source}, {_when(experiment.plan.created_at)}",
        f"measured {where}, {_APART}",
    )
    chosen = [cost for cost in costs if not variant or cost.name == variant]
    if not any(cost.samples_per_s for cost in chosen):
        raise UsageError(
            f"{option}: no run that counts says how many samples it worked through",
            "wattleak.step(samples=...) in the program, or the programs of study devices and study models",
        )
    return chosen


def _when(moment: str) -> str:
    return str(moment)[:10]


def _machine(facts: Mapping[str, Any]) -> str:
    """CPU and how many of them; the name of the node is nobody else's business."""
    return f"{facts.get('cpu', 'CPU not known')}, {facts.get('cpus_allowed') or facts.get('cpus', '?')} CPUs"
