"""Channels, estimates and what is not available."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.model import Channel, Estimate, Origin, Part, Quantity, Unavailable

if TYPE_CHECKING:
    from wattleak.documents.head import Document
    from wattleak.model import Calibration


def estimate_document(estimate: Estimate | None) -> Document | None:
    """{energy_j, low_j, high_j, origin}; `value` repeats energy_j so that every estimate can be read alike."""
    if estimate is None:
        return None
    return {
        "value": estimate.value,
        "energy_j": estimate.value,
        "low_j": estimate.low,
        "high_j": estimate.high,
        "origin": estimate.origin.value,
    }


def estimate_from_document(document: Document | None) -> Estimate | None:
    if document is None:
        return None
    return Estimate(document["energy_j"], document["low_j"], document["high_j"], Origin(document["origin"]))


def range_document(estimate: Estimate | None) -> Document | None:
    """{value, low, high, origin}; the unit, where there is one, ends the key that holds it."""
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high, "origin": estimate.origin.value}


def _watts_document(estimate: Estimate | None) -> Document | None:
    if estimate is None:
        return None
    return {"power_w": estimate.value, "low_w": estimate.low, "high_w": estimate.high, "origin": estimate.origin.value}


def _watts(document: Document | None) -> Estimate | None:
    if document is None:
        return None
    return Estimate(document["power_w"], document["low_w"], document["high_w"], Origin(document["origin"]))


def calibration_document(calibration: Calibration) -> Document:
    """What `doctor --calibrate` keeps; the way back is `calibration_from_document`."""
    return {
        "machine": calibration.machine,
        "channels": list(calibration.channels),
        "slope": range_document(calibration.slope),
        "offset_w": _watts_document(calibration.offset_w),
        "residual_w": calibration.residual_w,
        "readings_w": [[power, wall] for power, wall in calibration.readings],
        "made_at": calibration.made_at,
    }


def calibration_from_document(document: Document) -> Calibration:
    """Raises KeyError, TypeError or ValueError for a document that `calibration_document` did not write."""
    slope, offset = document["slope"], document["offset_w"]
    residual = document["residual_w"]
    from wattleak.model import Calibration as Made  # noqa: PLC0415 - most machines have none

    return Made(
        machine=str(document["machine"]),
        channels=tuple(map(str, document["channels"])),
        slope=Estimate(float(slope["value"]), float(slope["low"]), float(slope["high"]), Origin(slope["origin"])),
        offset_w=Estimate(
            float(offset["power_w"]), float(offset["low_w"]), float(offset["high_w"]), Origin(offset["origin"])
        ),
        residual_w=None if residual is None else float(residual),
        readings=tuple((float(power), float(wall)) for power, wall in document["readings_w"]),
        made_at=str(document["made_at"]),
    )


def channel_document(channel: Channel) -> Document:
    return {
        "name": channel.name,
        "meter": channel.meter,
        "part": channel.part.value,
        "origin": channel.origin.value,
        "quantity": channel.quantity.value,
        "period_s": channel.period_s,
        "relative_low": channel.relative_low,
        "relative_high": channel.relative_high,
        "wrap_j": channel.wrap_j,
        "contains": sorted(channel.contains),
        "idle": _watts_document(channel.idle_w),
        "per_busy_cpu": _watts_document(channel.watts_per_busy_cpu),
        "device": channel.device,
        "source": channel.source,
    }


def channel_from_document(document: Document) -> Channel:
    return Channel(
        name=document["name"],
        meter=document["meter"],
        part=Part(document["part"]),
        origin=Origin(document["origin"]),
        quantity=Quantity(document["quantity"]),
        period_s=document["period_s"],
        relative_low=document["relative_low"],
        relative_high=document["relative_high"],
        wrap_j=document["wrap_j"],
        contains=frozenset(document["contains"]),
        idle_w=_watts(document["idle"]),
        watts_per_busy_cpu=_watts(document["per_busy_cpu"]),
        device=document["device"],
        source=document["source"],
    )


def unavailable_document(unavailable: Unavailable) -> Document:
    return {"meter": unavailable.meter, "reason": unavailable.reason, "remedy": unavailable.remedy}


def unavailable_from_document(document: Document) -> Unavailable:
    return Unavailable(document["meter"], document["reason"], document["remedy"])
