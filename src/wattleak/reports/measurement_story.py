"""What a report says of one measurement: what it cost, whose energy it was, how the emissions were made."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from wattleak.footprint import context
from wattleak.footprint.places import with_name
from wattleak.model import Origin
from wattleak.reports import units, words
from wattleak.reports.observed import tell_observed
from wattleak.reports.story import Amount, Line, MeasurementStory, distinct

if TYPE_CHECKING:
    from wattleak.model import (
        Carbon,
        ChannelEnergy,
        Estimate,
        Measurement,
        StepCost,
        Term,
    )


def tell_measurement(measurement: Measurement) -> MeasurementStory:
    """Everything that is to be said of one recorded stretch of work."""
    total = measurement.attributed_energy_j
    own = [amount for item in measurement.attributed for amount in (_energy(item), *_use(item))]
    if total is not None:
        own.insert(0, _estimate("attributed", total, "of this process tree"))
    if measurement.idle_energy_j is not None:
        own.append(_estimate("idle", measurement.idle_energy_j, "of the machine at rest over the same time, apart"))
    carbon = measurement.carbon_g
    observed = None if measurement.observed is None else tell_observed(measurement.observed)
    return MeasurementStory(
        title=measurement.name or shlex.join(measurement.command),
        identity=measurement.id,
        facts=(words.how_it_ended(measurement), words.moment(measurement.started_at)),
        incomplete=None if measurement.complete else (measurement.incomplete_reason or "the recording stopped early"),
        costs=_costs(measurement),
        machine=tuple(_energy(item) for item in measurement.energy),
        own=tuple(own),
        carbon=None if carbon is None else _carbon(carbon),
        carbon_lines=(*(() if carbon is None else carbon_lines(carbon)), *_context(measurement)),
        remark=_energy_remark(measurement),
        quality=tuple(Amount(name, units.figures((value,))[0]) for name, value in sorted(measurement.quality.items())),
        spans=tuple(
            Amount(
                "  " * span.depth + span.name,
                units.duration(span.duration_s),
                note=_span_note(span.cpu_s, span.attributed_energy_j, complete=span.complete),
            )
            for span in measurement.spans
        ),
        steps=tuple(
            Amount(item.name, words.count(item.count, "step"), note=_step_note(item)) for item in measurement.steps
        ),
        lacking=distinct(measurement.unavailable),
        notes=(*_gaps(measurement), *distinct(measurement.notes), *([] if observed is None else observed.notes)),
        following=_after_measurement(measurement),
        footprint=tuple(map(_term, measurement.footprint)),
        observed=observed,
    )


def carbon_lines(carbon: Carbon) -> tuple[Line, ...]:
    """Everything that it takes to check the emissions."""
    low, high = units.number(carbon.intensity_low), units.number(carbon.intensity_high)
    place = "as stated" if carbon.region.endswith("g/kWh") else with_name(carbon.region)
    lines = [
        Line("intensity", f"{units.number(carbon.intensity_g_per_kwh)} g/kWh [{low}, {high}], {place}"),
        Line("source", source_of(carbon)),
        Line("PUE", units.plain(carbon.pue)),
    ]
    if carbon.note:
        lines.append(Line("note", carbon.note))
    return tuple(lines)


def source_of(carbon: Carbon) -> str:
    """Who published the intensity, when, and in which edition: "Ember (2026), ..., 2025 (ember-2026-06-30)"."""
    year = "" if carbon.year is None else f", {carbon.year}"
    return f"{carbon.source}{year}" + (f" ({carbon.table})" if carbon.table else "")


def _context(measurement: Measurement) -> list[Line]:
    """Whether the energy matters, and when it pays to measure it better."""
    if measurement.attributed_energy_j is None:
        return []
    return [Line("context", context.one_run(measurement.attributed_energy_j, measurement.carbon_g))]


def _term(term: Term) -> Amount:
    """A named part of a footprint in its own unit."""
    amount = term.amount
    value, interval = units.interval_in_unit(amount.value, amount.low, amount.high, term.unit)
    about = (str(amount.origin.value), term.source + (f", {term.year}" if term.year else ""), term.note)
    return Amount(term.name, value, interval, " · ".join(filter(None, about)), measured=amount.origin in words.MEASURED)


def _costs(measurement: Measurement) -> tuple[Amount, ...]:
    busy = measurement.cpu_s / measurement.duration_s if measurement.duration_s > 0 else None
    split = [
        f"{name} {units.duration(value)}"
        for name, value in (("user", measurement.user_s), ("system", measurement.system_s))
        if value is not None
    ]
    if busy is not None:
        split.append(f"{units.number(busy)} CPUs busy on average")
    processes = "1 process" if measurement.processes == 1 else f"{measurement.processes} processes at most"
    return (
        Amount("wall time", units.duration(measurement.duration_s), note="counter"),
        Amount("CPU time", units.duration(measurement.cpu_s), note=" · ".join(["counter", *split])),
        Amount("peak memory", units.memory(measurement.peak_memory_b), note=f"sampled · {processes}"),
        *(
            Amount(name, units.memory(amount_b), note=f"counter · {way} storage")
            for name, amount_b, way in (("read", measurement.read_b, "from"), ("written", measurement.written_b, "to"))
            if amount_b is not None
        ),
    )


def _energy(item: ChannelEnergy) -> Amount:
    return _estimate(item.channel.name, item.energy_j, item.channel.device or "")


def _use(item: ChannelEnergy) -> list[Amount]:
    """How a device that was held spent what it is billed for; a starving one must show."""
    parts = (("  at work", item.active_j), ("  waiting", item.waiting_j))
    shown = [(label, part) for label, part in parts if part is not None]
    if item.waiting_j is None or item.energy_j.value <= 0:
        return []
    return [_estimate(label, part, f"{part.value / item.energy_j.value:.0%} of it") for label, part in shown]


def _estimate(label: str, estimate: Estimate, about: str) -> Amount:
    value, interval = units.with_range(estimate, "J")
    origin = str(estimate.origin.value)
    note = f"{origin} · {about}" if about else origin
    return Amount(label, value, interval, note, measured=estimate.origin in words.MEASURED)


def _carbon(carbon: Carbon) -> Amount:
    value, interval = units.interval_in_unit(carbon.value_g, carbon.low_g, carbon.high_g, "g")
    note = f"{carbon.origin.value} · of the attributed energy"
    return Amount("CO2e", value, interval, note, measured=carbon.origin in words.MEASURED)


def _energy_remark(measurement: Measurement) -> str | None:
    origins = {item.energy_j.origin for item in measurement.energy}
    if Origin.SIMULATED in origins:
        return "This energy comes from a scripted meter: it is simulated, and nothing was measured."
    if origins & words.MEASURED:
        return None
    if not origins:
        return "No energy was measured or modelled."
    return "No energy was measured: what is shown is modelled from activity, and its range is wide."


def _span_note(cpu_s: float, attributed: Estimate | None, *, complete: bool) -> str:
    parts = [f"CPU {units.duration(cpu_s)}"]
    if attributed is not None:
        parts.append(f"{units.energy(attributed.value)} attributed ({attributed.origin.value})")
    if not complete:
        parts.append("still open at the end")
    return " · ".join(parts)


def _step_note(steps: StepCost) -> str:
    parts = []
    if steps.steps_per_s is not None:
        parts.append(f"{units.number(steps.steps_per_s)} /s")
    if steps.median_s is not None and steps.p95_s is not None:
        parts.append(f"median {units.duration(steps.median_s)}, 95 % below {units.duration(steps.p95_s)}")
    each = []
    if steps.energy_per_step_j is not None:
        value, interval = units.with_range(steps.energy_per_step_j, "J")
        each.append(f"{value} {interval} {steps.energy_per_step_j.origin.value}")
    if steps.cpu_per_step_s is not None:
        value, interval = units.with_range(steps.cpu_per_step_s, "s")
        each.append(f"CPU {value} {interval}")
    return " · ".join([*parts, *(["each " + ", ".join(each)] if each else [])])


def _gaps(measurement: Measurement) -> list[str]:
    """Gaps by channel, with how long nothing was read in all."""
    lost: dict[str, float] = {}
    for gap in measurement.gaps:
        lost[gap.channel or "anything"] = lost.get(gap.channel or "anything", 0.0) + gap.end_s - gap.start_s
    return [f"{channel} was not read for {units.duration(seconds)}" for channel, seconds in lost.items()]


def _after_measurement(measurement: Measurement) -> tuple[str, ...]:
    command = shlex.quote(shlex.join(measurement.command)) if measurement.command else "COMMAND"
    scripts = [word for word in measurement.command if word.endswith(".py")]
    prove = None if measurement.observed is None else measurement.observed.prove
    return (
        *([prove] if prove else [f"wattleak scan {shlex.quote(script)}" for script in scripts[:1]]),
        f"wattleak compare {command} 'ANOTHER COMMAND'",
        f"wattleak report {shlex.quote(measurement.id)}",
    )
