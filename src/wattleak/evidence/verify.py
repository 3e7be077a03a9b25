"""Every check of a bundle, in one answer: what was checked, and what does not follow from what it is said to follow.

    bytes         each member is as the manifest says, none is missing, none was added
    plan          its digest is that of its design and order; the runs are those that it planned
    runs          each number of each run follows from its journal
    answer        exclusions and comparison follow from the runs

What this cannot find: a bundle in which everything, journals and manifest included, was made up to fit. Against that
helps the digest of the manifest, kept by somebody else since the day of the export.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from wattleak import __version__
from wattleak.errors import UsageError, WattleakError
from wattleak.evidence.bundle import answer_document, computed_with, exclusions_document, tables
from wattleak.evidence.recompute import changes, experiment_of, foreign_table, from_journal, unpack_journal
from wattleak.experiment.design import plan_digest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.documents import Document
    from wattleak.evidence.archive import Bundle
    from wattleak.model import Experiment

_MOST_OF_ONE_FILE = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a member that does not follow."""

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. No findings: every number follows from what it is said to follow from."""

    subject: str  # "experiment 1f2e3d4c"
    digest: str  # of the manifest
    members: int
    runs: int
    from_journals: int  # runs whose numbers were made anew from readings
    exploratory: tuple[str, ...]
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def verify(bundle: Bundle) -> Verification:
    """Check everything. Raises UsageError when the bundle cannot be read at all."""
    findings = list(_bytes(bundle))
    notes = list(_notes(bundle))
    kind, identity = bundle.manifest["subject"]["kind"], bundle.manifest["subject"]["id"]
    runs = from_journals = 0
    exploratory: tuple[str, ...] = ()
    try:
        if kind == "run":
            documents = {"run.json": bundle.document("run.json")}
        else:
            experiment, listed = experiment_of(bundle)
            documents = {f"runs/{document['run_id']}.json": document for document in listed}
            exploratory = experiment.exploratory
            findings += _experiment(bundle, experiment, identity)
        runs = len(documents)
        for name, document in documents.items():
            found, followed = _run(bundle, name, document)
            findings += found
            from_journals += followed
    except UsageError as error:
        findings.append(Finding(bundle.path.name, error.message))
    except Exception as error:  # noqa: BLE001 - documents of a stranger may break what reads them in any way
        findings.append(Finding(bundle.path.name, f"its documents do not fit together: {_told(error)}"))
    if runs:
        foreign = dict.fromkeys(filter(None, map(foreign_table, documents.values())))
        notes += [
            f"emissions rest on {table}, which is no table of this version: its figure is as stored"
            for table in foreign
        ]
    if runs > from_journals:
        notes.append(
            f"{runs - from_journals} of {runs} runs come without a journal: their own numbers were taken as they stand"
        )
    return Verification(
        subject=f"{kind} {identity}",
        digest=bundle.digest,
        members=len(bundle.names),
        runs=runs,
        from_journals=from_journals,
        exploratory=exploratory,
        findings=tuple(dict.fromkeys(findings)),
        notes=tuple(notes),
    )


def _bytes(bundle: Bundle) -> Iterator[Finding]:
    said = bundle.files
    for name in sorted(said.keys() | set(bundle.names)):
        if name not in said:
            yield Finding(name, "is not in the manifest: it was added")
        elif name not in bundle.names:
            yield Finding(name, "is in the manifest and not in the bundle: it was removed")
        else:
            try:
                data = bundle.read(name)
            except UsageError as error:
                yield Finding(name, error.message)
                continue
            if hashlib.sha256(data).hexdigest() != said[name]:
                yield Finding(name, "was changed: its SHA-256 is not that of the manifest")


def _notes(bundle: Bundle) -> Iterator[str]:
    made_by = str(bundle.manifest.get("wattleak_version"))
    if made_by != __version__:
        yield f"made by wattleak {made_by}, checked by {__version__}: what one of them computes otherwise would differ"
    made_with = bundle.manifest.get("computed_with")
    for name, here in computed_with().items():
        there = made_with.get(name) if isinstance(made_with, dict) else None
        if there != here:
            yield f"made with {name} {there}, checked with {here}: the last digits of a number may differ"
    for name, data in tables().items():
        if name in bundle.names and bundle.files.get(name) != hashlib.sha256(data).hexdigest():
            yield f"{name} is another version than the one here: emissions are recomputed with the one here"


def _experiment(bundle: Bundle, experiment: Experiment, identity: str) -> Iterator[Finding]:
    plan = experiment.plan
    if plan.experiment != identity:
        yield Finding("stored-plan.json", f"is the plan of experiment {plan.experiment}, not of {identity}")
    if plan_digest(plan.design, plan.runs) != plan.digest:
        yield Finding("stored-plan.json", "digest is not that of its design and order")
    for run in experiment.runs:
        if run.experiment != identity:
            yield Finding(f"runs/{run.id}.json", f"is a run of experiment {run.experiment}")
        if run.measurement.name != run.variant:
            yield Finding(f"runs/{run.id}.json", f"variant is {run.variant}, and {run.measurement.name} was run")
        code = run.measurement.exit_code
        if run.failure is None and code and run.measurement.planned_end is None:
            yield Finding(f"runs/{run.id}.json", f"failure is null, and the program ended with exit code {code}")
    listed = {f"runs/{run.id}.json" for run in experiment.runs}
    for name in bundle.names:
        if name.startswith("runs/") and name not in listed:
            yield Finding(name, "is not in the list of runs of experiment.json")
    made: tuple[tuple[str, object], ...] = (
        ("exclusions.json", exclusions_document(experiment)),
        ("comparison.json", answer_document(experiment)),
    )
    for name, anew in made:
        if name in bundle.names or anew is not None:
            yield from _held_against(name, _any_document(bundle, name), anew)


def _any_document(bundle: Bundle, name: str) -> object:
    import json  # noqa: PLC0415 - a list, which Bundle.document refuses

    return json.loads(bundle.read(name))


def _run(bundle: Bundle, name: str, document: Document) -> tuple[list[Finding], int]:
    """Findings about one run, and whether there was a journal to hold it against."""
    run = document["run_id"]
    with TemporaryDirectory(prefix="wattleak-verify-") as folder:
        if not unpack_journal(bundle, str(run), Path(folder)):
            return [], 0
        try:
            made = from_journal(Path(folder), document)
        except Exception as error:  # noqa: BLE001 - as above
            return [Finding(f"journals/{run}/journal.jsonl", f"cannot be read as a journal: {_told(error)}")], 1
    stored = {key: document[key] for key in document if key in made}
    missing = {key: made[key] for key in made if key not in document}
    return list(_held_against(name, stored, {k: v for k, v in made.items() if k not in missing or v})), 1


def _held_against(name: str, stored: object, made: object) -> Iterator[Finding]:
    if isinstance(stored, dict) and isinstance(made, dict):  # whose program wrote it is no number
        stored, made = ({k: v for k, v in d.items() if k != "wattleak_version"} for d in (stored, made))
    found = list(changes(stored, made))
    for what in found[:_MOST_OF_ONE_FILE]:
        yield Finding(name, what)
    if len(found) > _MOST_OF_ONE_FILE:
        yield Finding(name, f"and {len(found) - _MOST_OF_ONE_FILE} more")


def _told(error: Exception) -> str:
    if isinstance(error, WattleakError):
        return error.message
    return f"{type(error).__name__} {error}".strip()
