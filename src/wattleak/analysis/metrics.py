"""The catalogue: which numbers of a measurement are compared, and how each of them came to be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Origin, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wattleak.model import Channel, Design, Measurement, StepWindow

_MEASURED = frozenset({Origin.COUNTER, Origin.SAMPLED})
_SIMULATED = frozenset({Origin.SIMULATED})


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure of one measurement."""

    value: float
    origin: Origin
    channels: frozenset[str] = frozenset()  # whose energies were added up; empty for what is no such sum
    derived_from: str | None = None  # the metric of which this one is a function


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure that can be compared. `unit` is for people: s, J, B, g."""

    name: str
    unit: str
    title: str
    read: Callable[[Measurement], Reading | None]


def metric(name: str) -> Metric:
    """Return the metric of this name.

    Raises:
        UsageError: there is none.
    """
    for known in METRICS:
        if known.name == name:
            return known
    raise UsageError(f"there is no metric {name!r}", "choose one of " + ", ".join(known.name for known in METRICS))


def metric_value(measurement: Measurement, name: str) -> float | None:
    """Return the value in the unit that ends the name (seconds, joules, bytes, grams), None where it was not read.

    Raises:
        UsageError: there is no such metric.
    """
    reading = metric(name).read(measurement)
    return None if reading is None else reading.value


def metric_origin(measurements: Sequence[Measurement], name: str) -> Origin:
    """Return the least firm origin of this metric among the measurements that have it.

    Raises:
        UsageError: there is no such metric.
        ValueError: none of the measurements has it; check with `metric_value` first.
    """
    return least_firm(reading.origin for reading in map(metric(name).read, measurements) if reading is not None)


def readings_alike(measurements: Sequence[Measurement], name: str) -> tuple[Reading, ...] | str:
    """Return the reading of every measurement, or in words why they cannot be set against each other.

    A sum over three channels is not compared with a sum over two, nor what was measured with what was modelled: a
    reading that failed in one run would look like a saving.

    Raises:
        UsageError: there is no such metric.
    """
    read = metric(name).read
    readings = tuple(reading for measurement in measurements if (reading := read(measurement)) is not None)
    if len(readings) < len(measurements):
        return f"{name} was read in {len(readings)} of {len(measurements)} runs"
    if len({(reading.channels, _kind(reading.origin), reading.derived_from) for reading in readings}) > 1:
        return f"{name} does not come from the same channels in every run"
    return readings


def least_firm(origins: Iterable[Origin]) -> Origin:
    """Return the weakest of some origins: a sum or a comparison is no firmer than its weakest part.

    Raises:
        ValueError: no origins.
    """
    return max(origins, key=list(Origin).index)  # Origin lists them from the firmest down


def choose_primary(channels: Sequence[Channel], gpu_used: bool | None = None) -> str:
    """Choose the metric that decides, from the channels that can be read.

    `energy_j` where measured (or simulated) channels cover the host and every GPU; `gpu_energy_j` where only a GPU is
    measured, unless it is known that none is used; else `cpu_s`.
    """
    if _covering(channels):
        return "energy_j"
    if gpu_used is not False and _gpus(channels):
        return "gpu_energy_j"
    return "cpu_s"


def _covering(channels: Sequence[Channel]) -> frozenset[str]:
    """Return the channels whose sum is the energy of host and GPUs, none inside another; empty if that is not covered.

    The host is its CPU channels; where those are not measured, a channel that sees the whole machine. Measured
    channels before simulated ones, and never a sum of both.
    """
    for kind in (_MEASURED, _SIMULATED):
        own = [channel for channel in channels if channel.origin in kind]
        host = [c for c in own if c.part is Part.CPU] or [c for c in own if c.part is Part.MACHINE]
        chosen = _outermost([*host, *(c for c in own if c.part is Part.GPU)])
        seen = {c.name for c in chosen}.union(*(c.contains for c in chosen))
        if host and all(c.name in seen for c in channels if c.part is Part.GPU):
            return frozenset(c.name for c in chosen)
    return frozenset()


def _gpus(channels: Sequence[Channel]) -> frozenset[str]:
    for kind in (_MEASURED, _SIMULATED):
        own = [channel for channel in channels if channel.part is Part.GPU and channel.origin in kind]
        if own:
            return frozenset(channel.name for channel in _outermost(own))
    return frozenset()


def _outermost(channels: Sequence[Channel]) -> list[Channel]:
    inside = frozenset[str]().union(*(channel.contains for channel in channels))
    return [channel for channel in channels if channel.name not in inside]


def _kind(origin: Origin) -> frozenset[Origin]:
    """Return the origins that may be added up and compared with this one."""
    return _MEASURED if origin in _MEASURED else frozenset({origin})


# -- how each figure is read -----------------------------------------------------------------------------------------


def _energy(measurement: Measurement | StepWindow) -> Reading | None:
    """Return gross energy of host and GPUs; the attributed, modelled energy where nothing at all was measured.

    None where only a part was measured (a GPU without its host): that part has its own metric.
    """
    if any(item.energy_j.origin in _MEASURED | _SIMULATED for item in measurement.energy):
        return _sum(measurement, _covering([item.channel for item in measurement.energy]))
    return _attributed(measurement)


def _gpu_energy(measurement: Measurement | StepWindow) -> Reading | None:
    return _sum(measurement, _gpus([item.channel for item in measurement.energy]))


def _sum(measurement: Measurement | StepWindow, channels: frozenset[str]) -> Reading | None:
    parts = [item.energy_j for item in measurement.energy if item.channel.name in channels]
    if not parts:
        return None
    return Reading(sum(part.value for part in parts), least_firm(part.origin for part in parts), channels)


def _attributed(measurement: Measurement | StepWindow) -> Reading | None:
    total = measurement.attributed_energy_j
    if total is None:
        return None
    channels = (i.channel.name for i in measurement.attributed if _kind(i.energy_j.origin) == _kind(total.origin))
    derived_from = None
    if total.origin is Origin.MODELLED:  # a model of CPU-seconds, or of measured channels by a wall calibration
        kinds = {item.energy_j.origin for item in measurement.attributed}
        derived_from = "energy_j" if kinds & (_MEASURED | _SIMULATED) else "cpu_s"
    return Reading(total.value, total.origin, frozenset(channels), derived_from)


def _carbon(measurement: Measurement) -> Reading | None:
    carbon, energy = measurement.carbon_g, _attributed(measurement)
    if carbon is None:
        return None
    channels = energy.channels if energy else frozenset[str]()
    return Reading(carbon.value_g, carbon.origin, channels, derived_from="attributed_energy_j")


def _bytes(amount_b: int | None) -> Reading | None:
    return None if amount_b is None else Reading(amount_b, Origin.COUNTER)


# -- short plans: per step, per sample, and what comes before the first step -------------------------------------------


def per_name(name: str, per: str) -> str:
    """The name of a metric per step or per sample: energy_j is energy_per_step_j; cpu_s is cpu_per_sample_s."""
    stem, _, unit = name.rpartition("_")
    return f"{stem}_per_{per}_{unit}"


def _steps_of(window: StepWindow) -> float | None:
    return window.steps


def _samples_of(window: StepWindow) -> float | None:
    return window.samples


def _per(
    name: str,
    unit: str,
    title: str,
    read: Callable[[StepWindow], Reading | None],
    per: str,
    number: Callable[[StepWindow], float | None],
) -> Metric:
    """A figure of the window of the steps, divided by how many there were."""

    def divided(measurement: Measurement) -> Reading | None:
        window = measurement.window
        count = None if window is None else number(window)
        reading = None if window is None else read(window)
        if reading is None or not count:
            return None
        source = None if reading.derived_from is None else per_name(reading.derived_from, per)
        return replace(reading, value=reading.value / count, derived_from=source)

    return Metric(per_name(name, per), unit, f"{title} per {per}", divided)


def _start_up(read: Callable[[StepWindow], Reading | None]) -> Callable[[Measurement], Reading | None]:
    return lambda measurement: None if measurement.window is None else read(measurement.window)


def _start_up_energy(window: StepWindow) -> Reading | None:
    total = window.start_up_energy_j
    if total is None:
        return None
    own = _attributed(window)
    source = None if own is None or own.derived_from is None else f"start_up_{own.derived_from}"
    return Reading(total.value, total.origin, derived_from=source)


_WHOLE_RUN: tuple[Metric, ...] = (
    Metric("energy_j", "J", "energy", _energy),
    Metric("gpu_energy_j", "J", "GPU energy", _gpu_energy),
    Metric("attributed_energy_j", "J", "attributed energy", _attributed),
    Metric("cpu_s", "s", "CPU time", lambda m: Reading(m.cpu_s, Origin.COUNTER)),
    Metric("duration_s", "s", "wall time", lambda m: Reading(m.duration_s, Origin.COUNTER)),
    Metric("peak_memory_b", "B", "peak memory", lambda m: Reading(m.peak_memory_b, Origin.SAMPLED)),
    Metric("read_b", "B", "read", lambda m: _bytes(m.read_b)),
    Metric("written_b", "B", "written", lambda m: _bytes(m.written_b)),
    Metric("carbon_g", "g", "CO2e", _carbon),
)
_OF_STEPS: tuple[Metric, ...] = tuple(
    _per(name, unit, title, read, per, number)
    for per, number in (("step", _steps_of), ("sample", _samples_of))
    for name, unit, title, read in (
        ("energy_j", "J", "energy", _energy),
        ("gpu_energy_j", "J", "GPU energy", _gpu_energy),
        ("attributed_energy_j", "J", "attributed energy", _attributed),
        ("cpu_s", "s", "CPU time", lambda w: Reading(w.cpu_s.value, Origin.COUNTER)),
        ("duration_s", "s", "wall time", lambda w: Reading(w.duration_s, Origin.COUNTER)),
    )
)
_START_UP: tuple[Metric, ...] = (
    Metric("start_up_attributed_energy_j", "J", "start-up, attributed energy", _start_up(_start_up_energy)),
    Metric("start_up_cpu_s", "s", "start-up, CPU time", _start_up(lambda w: Reading(w.start_up_cpu_s, Origin.COUNTER))),
    Metric("start_up_s", "s", "start-up, wall time", _start_up(lambda w: Reading(w.start_up_s, Origin.COUNTER))),
)
METRICS: tuple[Metric, ...] = (*_WHOLE_RUN, *_OF_STEPS, *_START_UP)
"""Every figure that two variants can be compared by, in the order in which people read them."""


def metrics_of(design: Design) -> tuple[Metric, ...]:
    """What an experiment compares. Runs that a short plan ends have no totals that could be set side by side."""
    if design.short is not None:
        return (*_OF_STEPS, *_START_UP, metric("peak_memory_b"))
    return tuple(known for known in METRICS if known in _WHOLE_RUN or known.name == design.metric)
