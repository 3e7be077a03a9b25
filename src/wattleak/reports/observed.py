"""What was seen at run time, in words: places with their level and evidence, and where the joules went."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.model import EvidenceLevel
from wattleak.reports import units

if TYPE_CHECKING:
    from wattleak.model import AlsoSeen, Evidence, Observations, PerSample, Phase, Place

_COUNTS = 1e6  # whole numbers below it are written as such
NOT_SEEN = "suspected by a scan; not seen in this run"
ALSO = "also"  # in the place of a code, for what has none
NO_ROOM = "no smell of wattleak's: there is no page, fix or experiment for it"
_BATCHES = "BAT001"


@dataclass(frozen=True, slots=True)
class PlaceStory:
    """One place. The first line of `text` says most."""

    level: EvidenceLevel
    code: str
    name: str
    where: str  # "train.py:14"; "": nowhere in the code
    text: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PhaseStory:
    name: str
    energy: str
    interval: str
    note: str


@dataclass(frozen=True, slots=True)
class ObservedStory:
    places: tuple[PlaceStory, ...]
    phases: tuple[PhaseStory, ...]
    notes: tuple[str, ...]
    prove: str | None


def tell_observed(observed: Observations) -> ObservedStory:
    """Everything that is to be said of it."""
    return ObservedStory(
        places=(
            *(_place(place, observed.per_sample) for place in observed.places),
            *(_also(item) for item in observed.also),
        ),
        phases=(
            *(_phase(phase) for phase in observed.phases),
            *(() if observed.per_sample is None else (_of_a_sample(observed.per_sample),)),
        ),
        notes=observed.notes,
        prove=observed.prove,
    )


def places_seen(observed: Observations) -> set[str]:
    """Each place that was seen, in a few words: `MOD001 train.py:14`."""
    return {f"{place.code} {_where(place)}".rstrip() for place in observed.places if place.evidence}


def _where(place: Place | Evidence) -> str:
    where = "" if place.path is None else _shown(place.path)
    return f"{where}:{place.line}" if where and place.line else where


def _place(place: Place, cost: PerSample | None) -> PlaceStory:
    text = [line for item in place.evidence for line in (item.message, _figure(item))]
    if cost is not None and place.code == _BATCHES and any(item.pid == cost.pid for item in place.evidence):
        text.append(f"a sample of the training took {_energy_of(cost)}")
    if place.measured is not None:
        text.append(place.measured)
    if place.suspicion is not None:
        text.append(f"a scan suspects it too: {place.suspicion}" if text else f"{place.suspicion} ({NOT_SEEN})")
    return PlaceStory(place.level, place.code, place.name, _where(place), tuple(text))


def _also(item: AlsoSeen) -> PlaceStory:
    evidence = item.evidence
    text = (evidence.message, _figure(evidence), f"{item.severity.value}; {NO_ROOM}")
    return PlaceStory(EvidenceLevel.SEEN, ALSO, item.name, _where(evidence), text)


def _energy_of(cost: PerSample) -> str:
    value, interval = units.with_range(cost.energy_j, "J")
    return f"{value} {interval} ({cost.energy_j.origin.value}), {units.duration(cost.duration_s)}"


def _of_a_sample(cost: PerSample) -> PhaseStory:
    value, interval = units.with_range(cost.energy_j, "J")
    made = f"{cost.samples:,} samples in {cost.steps:,} steps"
    note = f"{units.duration(cost.duration_s)} · {made} · {cost.energy_j.origin.value}"
    return PhaseStory("one sample", value, interval, note)


def _figure(item: Evidence) -> str:
    value = _value(item.value, item.unit)
    if item.interval is not None:
        value += f" [{_value(item.interval.low, item.unit)}, {_value(item.interval.high, item.unit)}]"
    parts = [f"{item.counter}: {value} ({item.origin.value}; threshold {_value(item.threshold, item.unit)})"]
    costs = [
        units.duration(item.cost_s) if item.cost_s is not None else "",
        units.memory(item.cost_b) if item.cost_b is not None else "",
        units.energy(item.cost_j) if item.cost_j is not None else "",
    ]
    if any(costs):
        parts.append("so far " + ", ".join(cost for cost in costs if cost))
    return " · ".join(parts)


def _value(value: float, unit: str) -> str:
    if unit.partition("/")[0] == "B":
        return units.memory(value) + unit[1:]
    if unit == "s":
        return units.duration(value)
    figure = f"{value:.0f}" if value == round(value) and abs(value) < _COUNTS else units.number(value)
    return f"{figure} {unit}".rstrip()


def _shown(path: str) -> str:
    """Relative to the present folder where that is shorter to read."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _phase(phase: Phase) -> PhaseStory:
    note = [units.duration(phase.duration_s), f"{100 * phase.share:.0f} % of the time"]
    if phase.duration_range_s is not None:
        note.append(f"{' to '.join(map(units.duration, phase.duration_range_s))}, from a sample of the steps")
    energy, interval = "", ""
    if phase.energy_j is not None:
        energy, interval = units.with_range(phase.energy_j, "J")
        note.append(phase.energy_j.origin.value + ("" if phase.by_interval else ", split by time"))
    if phase.inside:
        note.append(f"part of {phase.inside}")
    return PhaseStory(phase.name, energy, interval, " · ".join(note))
