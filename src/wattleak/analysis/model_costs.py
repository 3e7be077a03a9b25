"""What training a model cost, over the runs that count: time, energy, memory, per epoch and per sample. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.estimates import middle
from wattleak.model import Estimate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wattleak.analysis.utilisation import Utilisation
    from wattleak.model import Experiment, Measurement, SpanCost

EPOCH = "epoch"  # the span that the programs open around the training of one epoch


@dataclass(frozen=True, slots=True)
class Busy:
    """Utilisation of one run."""

    cpu: Utilisation | None
    devices: Mapping[str, Utilisation]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a model without running it: parameters, FLOPs of one image at the size of the study."""

    title: str
    parameters: int
    forward_flops: int
    training_flops: int


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Medians over the runs that count. None: not measured. Energies are of the process tree."""

    name: str
    shape: Shape
    runs: int
    quality: Mapping[str, float]
    duration_s: float | None  # None in a short plan: the runs were cut off
    energy_j: Estimate | None  # of a whole run, start-up and evaluation included
    energy_per_epoch_j: Estimate | None
    energy_per_sample_j: Estimate | None  # of training, start-up and evaluation apart
    cpu_per_sample_s: float | None
    duration_per_sample_s: float | None
    carbon_g: Estimate | None
    cpu_mean: float | None
    cpu_weighted: float | None
    device_mean: Mapping[str, float]
    device_weighted: Mapping[str, float]
    peak_memory_b: float
    gpu_peak_memory_b: float | None

    @property
    def achieved_flops_s(self) -> float | None:
        """FLOPs of training per second, by the published way of counting them."""
        return None if not self.duration_per_sample_s else self.shape.training_flops / self.duration_per_sample_s


@dataclass(frozen=True, slots=True)
class _Work:
    """Training of one run: samples, and what they took. None: not attributed."""

    samples: float
    duration_s: float
    cpu_s: float
    energy_j: Estimate | None
    epochs: float | None


def model_costs(experiment: Experiment, shapes: Mapping[str, Shape], busy: Mapping[str, Busy]) -> tuple[ModelCost, ...]:
    """One entry for each variant with a run that counts, in the order of the design. `busy` is by run id."""
    found = []
    short = experiment.plan.design.short is not None
    blocks = counting_blocks(experiment)
    for variant in experiment.plan.design.variants:
        own = [block.runs[variant.name].measurement for block in blocks if variant.name in block.runs]
        if own:
            seen = [busy[one.id] for one in own if one.id in busy]
            found.append(_model_cost(variant.name, shapes[variant.name], own, seen, short=short))
    return tuple(found)


def _model_cost(
    name: str, shape: Shape, runs: Sequence[Measurement], busy: Sequence[Busy], *, short: bool
) -> ModelCost:
    work = [known for known in map(_of_window if short else _of_epochs, runs) if known is not None]
    per_sample = [_over(known.energy_j, known.samples) for known in work]
    per_epoch = [_over(known.energy_j, known.epochs) for known in work]
    figures = sorted(set[str]().union(*(one.quality for one in runs)) - {"gpu_peak_memory_b"})
    devices = sorted({name for one in busy for name in one.devices})
    carbon = [
        Estimate(one.carbon_g.value_g, one.carbon_g.low_g, one.carbon_g.high_g, one.carbon_g.origin)
        for one in runs
        if one.carbon_g is not None
    ]
    return ModelCost(
        name=name,
        shape=shape,
        runs=len(runs),
        quality={}
        if short
        else {f: statistics.median([one.quality[f] for one in runs if f in one.quality]) for f in figures},
        duration_s=None if short else statistics.median(one.duration_s for one in runs),
        energy_j=None if short else middle([one.attributed_energy_j for one in runs]),
        energy_per_epoch_j=middle(per_epoch),
        energy_per_sample_j=middle(per_sample),
        cpu_per_sample_s=_middle(known.cpu_s / known.samples for known in work),
        duration_per_sample_s=_middle(known.duration_s / known.samples for known in work),
        carbon_g=None if short or len(carbon) < len(runs) else middle(carbon),
        cpu_mean=_middle(one.cpu.mean for one in busy if one.cpu is not None),
        cpu_weighted=_middle(one.cpu.weighted for one in busy if one.cpu is not None),
        device_mean=_by_device(devices, busy, lambda found: found.mean),
        device_weighted=_by_device(devices, busy, lambda found: found.weighted),
        peak_memory_b=statistics.median(one.peak_memory_b for one in runs),
        gpu_peak_memory_b=_middle(
            one.quality["gpu_peak_memory_b"] for one in runs if "gpu_peak_memory_b" in one.quality
        ),
    )


def _of_window(run: Measurement) -> _Work | None:
    """From the first mark to the last."""
    window = run.window
    if window is None or not window.samples:
        return None
    return _Work(window.samples, window.duration_s, window.cpu_s.value, window.attributed_energy_j, None)


def _of_epochs(run: Measurement) -> _Work | None:
    """From the spans around the epochs."""
    epochs: list[SpanCost] = [span for span in run.spans if span.name == EPOCH and span.complete]
    samples = run.quality.get("samples")
    if not epochs or not samples:
        return None
    energies = [span.attributed_energy_j for span in epochs]
    known = [energy for energy in energies if energy is not None]
    energy = None
    if len(known) == len(energies):
        energy = Estimate(
            sum(one.value for one in known),
            sum(one.low for one in known),
            sum(one.high for one in known),
            known[0].origin,
        )
    return _Work(
        samples, sum(span.duration_s for span in epochs), sum(span.cpu_s for span in epochs), energy, len(epochs)
    )


def _over(energy: Estimate | None, count: float | None) -> Estimate | None:
    if energy is None or not count:
        return None
    return Estimate(energy.value / count, energy.low / count, energy.high / count, energy.origin)


def _middle(values: Iterable[float]) -> float | None:
    known = list(values)
    return statistics.median(known) if known else None


def _by_device(
    devices: Sequence[str], busy: Sequence[Busy], figure: Callable[[Utilisation], float]
) -> dict[str, float]:
    return {
        name: statistics.median(figure(one.devices[name]) for one in busy if name in one.devices) for name in devices
    }
