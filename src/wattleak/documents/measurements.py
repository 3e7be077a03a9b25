"""What `wattleak measure --json` prints and the store keeps of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.documents.head import envelope
from wattleak.documents.meters import (
    channel_document,
    channel_from_document,
    estimate_document,
    estimate_from_document,
    unavailable_document,
    unavailable_from_document,
)
from wattleak.model import (
    Carbon,
    ChannelEnergy,
    Estimate,
    Gap,
    Measurement,
    Origin,
    SpanCost,
    StepCost,
    StepWindow,
    Term,
)

if TYPE_CHECKING:
    from wattleak.documents.head import Document
    from wattleak.model import Channel, Observations


def _energy_document(item: ChannelEnergy) -> Document:
    return {
        "channel": item.channel.name,
        "origin": item.energy_j.origin.value,
        "energy_j": item.energy_j.value,
        "low_j": item.energy_j.low,
        "high_j": item.energy_j.high,
        **({} if item.resolution_j is None else {"resolution_j": item.resolution_j}),
        **{
            key: estimate_document(part)
            for key, part in (("active_j", item.active_j), ("waiting_j", item.waiting_j), ("counted_j", item.counted_j))
            if part is not None
        },
    }


def _energies(documents: list[Document], channels: dict[str, Channel]) -> tuple[ChannelEnergy, ...]:
    return tuple(
        ChannelEnergy(
            channels[item["channel"]],
            Estimate(item["energy_j"], item["low_j"], item["high_j"], Origin(item["origin"])),
            resolution_j=item.get("resolution_j"),
            active_j=estimate_from_document(item.get("active_j")),
            waiting_j=estimate_from_document(item.get("waiting_j")),
            counted_j=estimate_from_document(item.get("counted_j")),
        )
        for item in documents
    )


def carbon_document(carbon: Carbon | None) -> Document | None:
    if carbon is None:
        return None
    return {
        "value": carbon.value_g,
        "low": carbon.low_g,
        "high": carbon.high_g,
        "intensity_g_per_kwh": carbon.intensity_g_per_kwh,
        "intensity_low": carbon.intensity_low,
        "intensity_high": carbon.intensity_high,
        "source": carbon.source,
        "year": carbon.year,
        "region": carbon.region,
        "pue": carbon.pue,
        "origin": carbon.origin.value,
        "note": carbon.note,
        **({"table": carbon.table} if carbon.table else {}),
    }


def _carbon(document: Document | None) -> Carbon | None:
    if document is None:
        return None
    return Carbon(
        value_g=document["value"],
        low_g=document["low"],
        high_g=document["high"],
        intensity_g_per_kwh=document["intensity_g_per_kwh"],
        intensity_low=document["intensity_low"],
        intensity_high=document["intensity_high"],
        source=document["source"],
        year=document["year"],
        region=document["region"],
        pue=document["pue"],
        origin=Origin(document["origin"]),
        note=document["note"],
        table=document.get("table", ""),
    )


def measurement_document(measurement: Measurement) -> Document:
    """What `wattleak measure --json` prints."""
    return {
        **envelope("measure"),
        "run_id": measurement.id,
        "name": measurement.name,
        "command": list(measurement.command),
        "started_at": measurement.started_at,
        "complete": measurement.complete,
        "incomplete_reason": measurement.incomplete_reason,
        "exit_code": measurement.exit_code,
        "signal": measurement.signal,
        "duration_s": measurement.duration_s,
        "cpu_s": measurement.cpu_s,
        "user_s": measurement.user_s,
        "system_s": measurement.system_s,
        "peak_memory_b": measurement.peak_memory_b,
        "read_b": measurement.read_b,
        "written_b": measurement.written_b,
        "processes": measurement.processes,
        "energy": [_energy_document(item) for item in measurement.energy],
        "attributed": [_energy_document(item) for item in measurement.attributed],
        "attributed_energy_j": estimate_document(measurement.attributed_energy_j),
        "idle_energy_j": estimate_document(measurement.idle_energy_j),
        "carbon_g": carbon_document(measurement.carbon_g),
        "quality": dict(measurement.quality),
        "spans": [
            {
                "name": span.name,
                "start_s": span.start_s,
                "duration_s": span.duration_s,
                "cpu_s": span.cpu_s,
                "energy": [_energy_document(item) for item in span.energy],
                "attributed_energy_j": estimate_document(span.attributed_energy_j),
                "depth": span.depth,
                "complete": span.complete,
            }
            for span in measurement.spans
        ],
        "steps": [_steps_document(item) for item in measurement.steps],
        "channels": [channel_document(channel) for channel in _channels_of(measurement)],
        "unavailable": [unavailable_document(item) for item in measurement.unavailable],
        "gaps": [
            {"start_s": gap.start_s, "end_s": gap.end_s, "channel": gap.channel, "why": gap.why}
            for gap in measurement.gaps
        ],
        "notes": list(measurement.notes),
        "journal": None if measurement.journal is None else str(measurement.journal),
        "machine_counted_by": list(measurement.machine_counted_by),
        **({"outputs": dict(measurement.outputs)} if measurement.outputs else {}),
        **({} if measurement.window is None else {"step_window": _window_document(measurement.window)}),
        **({} if measurement.planned_end is None else {"planned_end": measurement.planned_end}),
        **_observed_document(measurement),
        **({"footprint": [term_document(item) for item in measurement.footprint]} if measurement.footprint else {}),
    }


def _window_document(window: StepWindow) -> Document:
    return {
        "name": window.name,
        "writers": window.writers,
        "steps": window.steps,
        "samples": window.samples,
        "duration_s": window.duration_s,
        "cpu_s": _seconds_document(window.cpu_s),
        "energy": [_energy_document(item) for item in window.energy],
        "attributed": [_energy_document(item) for item in window.attributed],
        "attributed_energy_j": estimate_document(window.attributed_energy_j),
        "start_up_s": window.start_up_s,
        "start_up_cpu_s": window.start_up_cpu_s,
        "start_up_energy_j": estimate_document(window.start_up_energy_j),
    }


def _window(document: Document | None, channels: dict[str, Channel]) -> StepWindow | None:
    if document is None:
        return None
    cpu = document["cpu_s"]
    return StepWindow(
        name=document["name"],
        writers=document["writers"],
        steps=document["steps"],
        samples=document["samples"],
        duration_s=document["duration_s"],
        cpu_s=Estimate(cpu["value"], cpu["low_s"], cpu["high_s"], Origin(cpu["origin"])),
        energy=_energies(document["energy"], channels),
        attributed=_energies(document["attributed"], channels),
        attributed_energy_j=estimate_from_document(document["attributed_energy_j"]),
        start_up_s=document["start_up_s"],
        start_up_cpu_s=document["start_up_cpu_s"],
        start_up_energy_j=estimate_from_document(document["start_up_energy_j"]),
    )


def _steps_document(steps: StepCost) -> Document:
    return {
        "name": steps.name,
        "count": steps.count,
        "writers": steps.writers,
        "duration_s": steps.duration_s,
        "steps_per_s": steps.steps_per_s,
        "median_s": steps.median_s,
        "p95_s": steps.p95_s,
        "samples": steps.samples,
        "energy_per_step_j": estimate_document(steps.energy_per_step_j),
        "cpu_per_step_s": _seconds_document(steps.cpu_per_step_s),
        "energy_per_sample_j": estimate_document(steps.energy_per_sample_j),
    }


def _steps(document: Document) -> StepCost:
    return StepCost(
        name=document["name"],
        count=document["count"],
        writers=document["writers"],
        duration_s=document["duration_s"],
        steps_per_s=document["steps_per_s"],
        median_s=document["median_s"],
        p95_s=document["p95_s"],
        samples=document["samples"],
        energy_per_step_j=estimate_from_document(document["energy_per_step_j"]),
        cpu_per_step_s=_seconds(document["cpu_per_step_s"]),
        energy_per_sample_j=estimate_from_document(document["energy_per_sample_j"]),
    )


def _seconds_document(estimate: Estimate | None) -> Document | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low_s": estimate.low, "high_s": estimate.high, "origin": estimate.origin.value}


def _seconds(document: Document | None) -> Estimate | None:
    if document is None:
        return None
    return Estimate(document["value"], document["low_s"], document["high_s"], Origin(document["origin"]))


def measurement_from_document(document: Document) -> Measurement:
    channels = {item["name"]: channel_from_document(item) for item in document["channels"]}
    return Measurement(
        id=document["run_id"],
        name=document["name"],
        command=tuple(document["command"]),
        started_at=document["started_at"],
        complete=document["complete"],
        incomplete_reason=document["incomplete_reason"],
        exit_code=document["exit_code"],
        signal=document["signal"],
        duration_s=document["duration_s"],
        cpu_s=document["cpu_s"],
        user_s=document["user_s"],
        system_s=document["system_s"],
        peak_memory_b=document["peak_memory_b"],
        read_b=document["read_b"],
        written_b=document["written_b"],
        processes=document["processes"],
        energy=_energies(document["energy"], channels),
        attributed=_energies(document["attributed"], channels),
        attributed_energy_j=estimate_from_document(document["attributed_energy_j"]),
        idle_energy_j=estimate_from_document(document["idle_energy_j"]),
        carbon_g=_carbon(document["carbon_g"]),
        quality=document["quality"],
        spans=tuple(
            SpanCost(
                name=item["name"],
                start_s=item["start_s"],
                duration_s=item["duration_s"],
                cpu_s=item["cpu_s"],
                energy=_energies(item["energy"], channels),
                attributed_energy_j=estimate_from_document(item["attributed_energy_j"]),
                depth=item["depth"],
                complete=item["complete"],
            )
            for item in document["spans"]
        ),
        unavailable=tuple(unavailable_from_document(item) for item in document["unavailable"]),
        gaps=tuple(
            Gap(item["start_s"], item["end_s"], item["channel"], item.get("why", "")) for item in document["gaps"]
        ),
        notes=tuple(document["notes"]),
        journal=None if document["journal"] is None else Path(document["journal"]),
        steps=tuple(_steps(item) for item in document.get("steps", ())),
        machine_counted_by=tuple(document.get("machine_counted_by", ())),
        outputs=document.get("outputs", {}),
        window=_window(document.get("step_window"), channels),
        planned_end=document.get("planned_end"),
        observed=_observed(document),
        footprint=tuple(_term(item) for item in document.get("footprint", ())),
    )


def _channels_of(measurement: Measurement) -> list[Channel]:
    found = {item.channel.name: item.channel for item in (*measurement.attributed, *measurement.energy)}
    return list(found.values())


def term_document(term: Term) -> Document:
    """A named part of a footprint, in its own unit."""
    return {
        "name": term.name,
        "unit": term.unit,
        "value": term.amount.value,
        "low": term.amount.low,
        "high": term.amount.high,
        "origin": term.amount.origin.value,
        "source": term.source,
        "year": term.year,
        "note": term.note,
    }


def _term(document: Document) -> Term:
    amount = Estimate(document["value"], document["low"], document["high"], Origin(document["origin"]))
    return Term(document["name"], document["unit"], amount, document["source"], document["year"], document["note"])


def _observed_document(measurement: Measurement) -> Document:
    if measurement.observed is None:
        return {}
    from wattleak.documents.observations import observations_document  # noqa: PLC0415 - most runs need none

    return {"observed": observations_document(measurement.observed)}


def _observed(document: Document) -> Observations | None:
    if document.get("observed") is None:
        return None
    from wattleak.documents.observations import observations_from_document  # noqa: PLC0415 - as above

    return observations_from_document(document["observed"])
