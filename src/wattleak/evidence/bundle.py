"""Writing an evidence bundle: a zip file with sorted members, the same bytes for the same experiment.

    MANIFEST.json                  subject, versions, SHA-256 and size of every other member
    experiment.json                machine, sessions, whether it is complete, the runs in their order
    plan.json                      as it was written before the first run, bytes unchanged
    stored-plan.json               the plan that was followed in the end (sessions may have been added)
    provenance/000.json            what the variants were made of, and how they differ; one for each start
    runs/ID.json                   every run, the failed ones too, as the store has it
    exclusions.json                runs that do not count, and why
    comparison.json                the answer
    checksums.json                 data files that were first read for this bundle
    tables/...                     the tables that numbers were taken from
    journals/ID/journal.jsonl      what the recorder wrote; the numbers of a run follow from it
    journals/ID/{printed,metrics}.jsonl   figures and hashes that the program reported, and nothing else of its output

The bundle of a single run has run.json in place of the experiment.
"""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import not_counted
from wattleak.analysis.comparison import compare
from wattleak.documents import comparison_document, envelope
from wattleak.errors import OwnFailure
from wattleak.recorder.journal import JOURNAL, METRICS
from wattleak.recorder.reported import Reported, reported_in, telling_lines
from wattleak.recorder.ring import FOLDER as MARKS
from wattleak.shipped import TABLES, shipped_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from wattleak.documents import Document
    from wattleak.model import Experiment, Session

MANIFEST = "MANIFEST.json"
PRINTED = "printed.jsonl"
_COMPUTED_WITH = ("numpy", "scipy", "statsmodels")
_RUNS = ("runs", "warmup_runs", "control_runs")  # of a comparison document: they are members of their own
_OWN_COST = "own_cost"  # older bundles have none, and the runs tell it
_A_DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can say: no member knows when it was packed
_README = """This is evidence: an experiment measured by wattleak, and everything that its numbers are made from.

Check it with:   wattleak verify FILE

It recomputes the numbers from the journals and names whatever does not follow from them. MANIFEST.json has the
SHA-256 of every member. Whoever changes a bundle can also make its manifest anew: keep the digest that `wattleak
export` printed somewhere else, and compare.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to pack."""

    identity: str
    run_documents: Sequence[Document]  # in the order in which they ran; one for a single run
    run_folders: Mapping[str, Path]  # by run id; a folder that is gone is left out
    experiment: Experiment | None = None  # None: a single run
    plan_files: Mapping[str, bytes] = field(default_factory=dict)
    stored_plan: Document = field(default_factory=dict)
    sessions: Sequence[Session] = ()
    provenance: Sequence[Document] = ()
    checksums: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


def pack(evidence: Evidence, path: Path, *, journals: bool = True) -> str:
    """Write the bundle; the SHA-256 of its manifest, which stands for all of it. Raises OwnFailure."""
    members = dict(_members(evidence, journals=journals))
    manifest = {
        **envelope("evidence"),
        "subject": {"kind": "run" if evidence.experiment is None else "experiment", "id": evidence.identity},
        "journals": journals,
        "computed_with": computed_with(),
        "files": {
            name: {"sha256": hashlib.sha256(members[name]).hexdigest(), "size_b": len(members[name])}
            for name in sorted(members)
        },
    }
    members[MANIFEST] = _json(manifest)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w") as archive:
            for name in sorted(members):
                info = zipfile.ZipInfo(name, _A_DATE)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system, info.external_attr = 3, 0o644 << 16
                archive.writestr(info, members[name], compresslevel=9)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OwnFailure(f"cannot write {path}: {error.strerror}", "choose another file: --output FILE") from error
    return hashlib.sha256(members[MANIFEST]).hexdigest()


def answer_document(experiment: Experiment) -> Document | None:
    """The comparison without its runs; None where one variant is held against others' runs."""
    if len(experiment.plan.design.variants) < 2:
        return None
    document = comparison_document(experiment, compare(experiment))
    return {key: value for key, value in document.items() if key not in (*_RUNS, _OWN_COST)}


def exclusions_document(experiment: Experiment) -> list[Document]:
    """Every run that does not count, and why."""
    return [
        {"run_id": run.id, "variant": run.variant, "block": run.block, "attempt": run.attempt, "why": why}
        for run, why in not_counted(experiment)
    ]


def tables() -> Mapping[str, bytes]:
    """The tables of this installation, by the name of their member."""
    return {f"tables/{name}": shipped_bytes(package, "data", name) for package, name in TABLES}


def _versions() -> dict[str, str]:
    found = {}
    for name in _COMPUTED_WITH:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def computed_with() -> dict[str, str]:
    """Whose versions may move the last digits of a number."""
    return {"python": platform.python_version(), **_versions()}


def _members(evidence: Evidence, *, journals: bool) -> Iterable[tuple[str, bytes]]:
    yield "README.txt", _README.encode()
    yield from tables().items()
    experiment = evidence.experiment
    regex = None
    if experiment is None:
        (document,) = evidence.run_documents
        yield "run.json", _json(document)
    else:
        regex = experiment.plan.design.quality_regex
        yield from _experiment_members(evidence, experiment)
    if journals:
        for document in evidence.run_documents:
            folder = evidence.run_folders.get(document["run_id"])
            if folder is not None:
                yield from _journal_members(f"journals/{document['run_id']}", folder, regex, experiment is not None)


def _experiment_members(evidence: Evidence, experiment: Experiment) -> Iterable[tuple[str, bytes]]:
    yield from evidence.plan_files.items()
    yield "stored-plan.json", _json(evidence.stored_plan)
    yield (
        "experiment.json",
        _json(
            {
                **envelope("experiment"),
                "experiment_id": evidence.identity,
                "complete": experiment.complete,
                "environment": dict(experiment.environment),
                "sessions": [
                    {"id": s.id, "node": s.node, "boot": s.boot, "started_at": s.started_at} for s in evidence.sessions
                ],
                "runs": [document["run_id"] for document in evidence.run_documents],
            }
        ),
    )
    for number, document in enumerate(evidence.provenance):
        yield f"provenance/{number:03}.json", _json(document)
    for document in evidence.run_documents:
        yield f"runs/{document['run_id']}.json", _json(document)
    yield "exclusions.json", _json(exclusions_document(experiment))
    answer = answer_document(experiment)
    if answer is not None:
        yield "comparison.json", _json(answer)
    if evidence.checksums:
        yield "checksums.json", _json(evidence.checksums)


def _journal_members(place: str, folder: Path, regex: str | None, reads_stdout: bool) -> Iterable[tuple[str, bytes]]:
    try:
        yield f"{place}/{JOURNAL}", (folder / JOURNAL).read_bytes()
        if (folder / METRICS).exists():
            lines = (folder / METRICS).read_text(encoding="utf-8", errors="replace").splitlines()
            yield f"{place}/{METRICS}", _reports(map(reported_in, lines))
        if reads_stdout and (folder / "stdout.txt").exists():
            with (folder / "stdout.txt").open(encoding="utf-8", errors="replace") as text:
                yield f"{place}/{PRINTED}", _reports(reported for _, reported in telling_lines(text, regex))
        for path in sorted((folder / MARKS).glob("*")):
            yield f"{place}/{MARKS}/{path.name}", path.read_bytes()
    except OSError as error:
        raise OwnFailure(
            f"cannot read {error.filename}: {error.strerror}", "pack it without the journals: --no-journals"
        ) from error


def _reports(reports: Iterable[Reported]) -> bytes:
    """Only figures and hashes: what else stands in a program's output is its own affair."""
    told = (item for item in reports if item.quality or item.outputs)
    return "".join(json.dumps({**item.quality, **item.outputs}) + "\n" for item in told).encode()


def _json(document: object) -> bytes:
    return (json.dumps(document, indent=1) + "\n").encode()
