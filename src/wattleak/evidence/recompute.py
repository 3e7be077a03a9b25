"""From journals to a measurement, and from runs to the answer, once more: by the code that made them the first time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.documents import (
    measurement_document,
    plan_from_document,
    run_from_document,
)
from wattleak.errors import WattleakError
from wattleak.evidence.bundle import PRINTED
from wattleak.experiment.deviations import as_found
from wattleak.footprint.intensity import Intensity, current_tables
from wattleak.model import Experiment
from wattleak.recorder.journal import JOURNAL
from wattleak.recorder.reported import read_reported
from wattleak.recorder.summary import read_measurement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.documents import Document
    from wattleak.evidence.archive import Bundle
    from wattleak.model import Plan

_NOT_MEASURED = frozenset({"schema_version", "kind", "wattleak_version", "journal"})
"""Keys of a run that do not follow from its journal: whose program wrote it, and where it lay."""


def unpack_journal(bundle: Bundle, run: str, folder: Path) -> bool:
    """Lay the journal of a run out as the recorder had it; False when the bundle has none."""
    place = f"journals/{run}/"
    names = [name for name in bundle.names if name.startswith(place)]
    for name in names:
        path = folder / Path(name.removeprefix(place))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bundle.read(name))
    return place + JOURNAL in names


def from_journal(folder: Path, document: Document) -> Document:
    """The document of a run, made from its journal anew. Raises WattleakError, KeyError, TypeError, ValueError.

    The place of the carbon intensity and the PUE are settings, not readings: they are taken from the document, and
    the figures that follow from them are made anew. So is the intensity itself where it came from a table that is not
    the one here (`foreign_table`).
    """
    printed = read_reported(folder / PRINTED)
    made: list[Document] = []
    for region, pue in _settings(document):
        try:
            measurement = read_measurement(folder, region=region, pue=pue, more=printed)
        except WattleakError:
            if not made and region is None:
                raise
            continue
        made.append(json.loads(json.dumps(measurement_document(measurement))))
        if document["carbon_g"] is not None and "table" not in document["carbon_g"]:  # made before results named one
            (made[-1]["carbon_g"] or {}).pop("table", None)
        if made[-1]["carbon_g"] == document["carbon_g"]:
            break
    nearest = min(made, key=lambda one: sum(1 for _ in changes(document["carbon_g"], one["carbon_g"])))
    return {key: value for key, value in nearest.items() if key not in _NOT_MEASURED}


def foreign_table(document: Document) -> str | None:
    """The table of intensities that a run's emissions were made with, if it is not one of those shipped now."""
    table = (document["carbon_g"] or {}).get("table")
    return None if table is None or table in current_tables() else str(table)


def _settings(document: Document) -> Iterator[tuple[str | Intensity | None, float | None]]:
    carbon = document["carbon_g"]
    yield None, None
    if carbon is None:
        return
    if foreign_table(document) is not None:
        unstated = "no PUE given: the device's own energy"
        intensity = Intensity(
            value=carbon["intensity_g_per_kwh"],
            low=carbon["intensity_low"],
            high=carbon["intensity_high"],
            source=carbon["source"],
            year=carbon["year"],
            region=carbon["region"],
            note=carbon["note"].removesuffix(unstated).removesuffix("; "),
            table=carbon["table"],
        )
        yield intensity, carbon["pue"]
        yield intensity, None
    yield carbon["region"], carbon["pue"]
    yield carbon["region"], None
    yield None, carbon["pue"]


def experiment_of(bundle: Bundle) -> tuple[Experiment, Sequence[Document]]:
    """The experiment, and its run documents. Raises UsageError, KeyError, TypeError, ValueError."""
    about = bundle.document("experiment.json")
    documents = [bundle.document(f"runs/{run}.json") for run in about["runs"]]
    records = [bundle.document(name) for name in bundle.names if name.startswith("provenance/")]
    experiment = Experiment(
        plan=plan_from_document(bundle.document("stored-plan.json")),
        runs=tuple(map(run_from_document, documents)),
        complete=about["complete"],
        environment=about["environment"],
    )
    return as_found(experiment, records, _written(bundle)), documents


def _written(bundle: Bundle) -> Plan | str:
    if "plan.json" not in bundle.names:
        return "is gone"
    try:
        return plan_from_document(bundle.document("plan.json"))
    except (KeyError, TypeError, ValueError):
        return "is no plan any more"


def changes(stored: object, made: object, place: str = "") -> Iterator[str]:
    """Every place in which two documents differ, with both values. Numbers are compared to their last bit."""
    stored, made = _plain(stored), _plain(made)
    if isinstance(stored, dict) and isinstance(made, dict):
        for key in sorted(stored.keys() | made.keys()):
            where = f"{place}.{key}" if place else key
            if key not in made:
                yield f"{where} is {_shown(stored[key])}, and nothing gives it"
            elif key not in stored:
                yield f"{where} is missing; it is {_shown(made[key])}"
            else:
                yield from changes(stored[key], made[key], where)
    elif isinstance(stored, list) and isinstance(made, list) and len(stored) == len(made):
        for number, (one, other) in enumerate(zip(stored, made, strict=True)):
            yield from changes(one, other, f"{place}[{number}]")
    elif repr(stored) != repr(made):
        yield f"{place or 'it'} is {_shown(stored)}, recomputed {_shown(made)}"


def _plain(document: object) -> object:
    return json.loads(json.dumps(document)) if isinstance(document, (dict, list, tuple)) else document


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
