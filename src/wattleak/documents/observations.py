"""What was seen in a run, as the part `observed` of the document of a measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.documents.meters import estimate_document, estimate_from_document
from wattleak.model import (
    AlsoSeen,
    Evidence,
    EvidenceLevel,
    Interval,
    Observations,
    Origin,
    PerSample,
    Phase,
    Place,
    Severity,
)

if TYPE_CHECKING:
    from wattleak.documents.head import Document


def observations_document(observed: Observations) -> Document:
    """The way back is `observations_from_document`."""
    return {
        "processes": observed.processes,
        "ranks": list(observed.ranks),
        "world_size": observed.world,
        "places": [_place_document(place) for place in observed.places],
        "phases": [
            {
                "name": phase.name,
                "duration_s": phase.duration_s,
                "share": phase.share,
                "energy_j": estimate_document(phase.energy_j),
                "by_interval": phase.by_interval,
                "inside": phase.inside,
                **({} if phase.duration_range_s is None else {"duration_range_s": list(phase.duration_range_s)}),
            }
            for phase in observed.phases
        ],
        "also": [
            {"name": item.name, "severity": item.severity.value, "evidence": evidence_document(item.evidence)}
            for item in observed.also
        ],
        "per_sample": _per_sample_document(observed.per_sample),
        "notes": list(observed.notes),
        "prove": observed.prove,
    }


def observations_from_document(document: Document) -> Observations:
    """Raises KeyError or ValueError for a document that `observations_document` did not write."""
    return Observations(
        processes=document["processes"],
        ranks=tuple(document.get("ranks", ())),  # runs stored before ranks were told apart
        world=document.get("world_size"),
        places=tuple(_place(item) for item in document["places"]),
        phases=tuple(
            Phase(
                name=item["name"],
                duration_s=item["duration_s"],
                share=item["share"],
                energy_j=estimate_from_document(item["energy_j"]),
                by_interval=item["by_interval"],
                inside=item["inside"],
                duration_range_s=_range(item.get("duration_range_s")),  # absent where it was counted
            )
            for item in document["phases"]
        ),
        also=tuple(
            AlsoSeen(item["name"], Severity(item["severity"]), evidence_from_document(item["evidence"]))
            for item in document.get("also", ())  # runs stored before there were any
        ),
        per_sample=_per_sample(document.get("per_sample")),
        notes=tuple(document["notes"]),
        prove=document["prove"],
    )


def _range(values: list[float] | None) -> tuple[float, float] | None:
    return None if values is None else (values[0], values[1])


def _per_sample_document(item: PerSample | None) -> Document | None:
    if item is None:
        return None
    return {
        "samples": item.samples,
        "steps": item.steps,
        "energy_j": estimate_document(item.energy_j),
        "duration_s": item.duration_s,
        "pid": item.pid,
    }


def _per_sample(item: Document | None) -> PerSample | None:
    energy_j = None if item is None else estimate_from_document(item["energy_j"])
    if item is None or energy_j is None:
        return None
    return PerSample(item["samples"], item["steps"], energy_j, item["duration_s"], item["pid"])


def evidence_document(item: Evidence) -> Document:
    """One piece of evidence; costs that nobody counted are absent."""
    costs = {"cost_s": item.cost_s, "cost_b": item.cost_b, "cost_j": item.cost_j}
    interval = item.interval
    return {
        "code": item.code,
        "level": item.level.value,
        "path": item.path,
        "line": item.line,
        "function": item.function,
        "counter": item.counter,
        "value": item.value,
        **({} if interval is None else {"low": interval.low, "high": interval.high, "interval_level": interval.level}),
        "unit": item.unit,
        "threshold": item.threshold,
        "origin": item.origin.value,
        "message": item.message,
        "pid": item.pid,
        **{name: cost for name, cost in costs.items() if cost is not None},
    }


def evidence_from_document(item: Document) -> Evidence:
    """The way back from `evidence_document`."""
    interval = Interval(item["low"], item["high"], item["interval_level"]) if "low" in item else None
    return Evidence(
        code=item["code"],
        path=item["path"],
        line=item["line"],
        counter=item["counter"],
        value=item["value"],
        unit=item["unit"],
        threshold=item["threshold"],
        message=item["message"],
        function=item["function"],
        interval=interval,
        origin=Origin(item["origin"]),
        cost_s=item.get("cost_s"),
        cost_b=item.get("cost_b"),
        cost_j=item.get("cost_j"),
        pid=item["pid"],
        level=EvidenceLevel(item["level"]),
    )


def _place_document(place: Place) -> Document:
    return {
        "code": place.code,
        "name": place.name,
        "level": place.level.value,
        "path": place.path,
        "line": place.line,
        "suspicion": place.suspicion,
        "evidence": [evidence_document(item) for item in place.evidence],
        "proof": place.proof,
        "measured": place.measured,
    }


def _place(item: Document) -> Place:
    return Place(
        code=item["code"],
        name=item["name"],
        level=EvidenceLevel(item["level"]),
        path=item["path"],
        line=item["line"],
        suspicion=item["suspicion"],
        evidence=tuple(evidence_from_document(evidence) for evidence in item["evidence"]),
        proof=item["proof"],
        measured=item["measured"],
    )
