"""What a request costs at each setting, over runs: energy, CPU time, latency; waiting and warm-up apart. Pure."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.cpu_time import TICK_S
from wattleak.analysis.estimates import middle, scaled, summed_if_all_known
from wattleak.analysis.plane import Candidate, Mean, mean_cost
from wattleak.analysis.serving import (
    FIRST_ANSWER,
    PERCENTILES,
    SERVING,
    WARM_UP,
    capacity_per_s,
    latency_figure,
    load,
)
from wattleak.model import Origin, Part

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.serving import Setting
    from wattleak.model import ChannelEnergy, Estimate, Experiment, Measurement

_WORK_OF_OTHERS = 1.05  # the recording's own calls at the edges are not worth a child


@dataclass(frozen=True, slots=True)
class WarmUp:
    """What came before the first request that counts. None: not read, or not attributed."""

    duration_s: float
    cpu_s: float
    energy_j: Estimate | None
    first_answer_s: float | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """One run of one setting: its figures (analysis.serving.figures), and what it cost the process tree."""

    figures: Mapping[str, float]
    cpu_s: float
    energy_j: Estimate | None  # attributed
    waiting_j: Estimate | None  # the part of it that fell between requests
    rest_j: Estimate | None  # what the machine draws at rest in the same time: nobody's
    warm_up: WarmUp | None


@dataclass(frozen=True, slots=True)
class ServingCost:
    """One setting over its runs. Energies: medians, with the range of the reading; means: with that of the runs."""

    setting: Setting
    runs: int
    requests: int  # of a run, the median
    mean_batch: float
    cpu_per_request: tuple[float, ...]  # s, of each run
    cpu_per_request_s: Mean
    energy_per_request_j: Estimate | None
    waiting_cpu_per_request_s: float
    waiting_energy_per_request_j: Estimate | None
    rest_energy_per_request_j: Estimate | None
    latency_s: Mapping[int, Mean]  # by percentile; one that a run is too short for is left out
    latencies: int  # on how many every percentile rests: of the run that has the fewest
    throughput_per_s: float
    capacity_per_s: float | None  # while it works
    load: float | None  # None: back to back
    saturated: int  # runs in which the load was 1 or more
    most_waiting: int | None
    unanswered: int  # over all runs
    warm_up: WarmUp | None


def serving_costs(experiment: Experiment, settings: Mapping[str, Setting]) -> tuple[ServingCost, ...]:
    """One entry for each variant with a run that counts, in the order of the design. `settings` is by variant."""
    found = []
    blocks = counting_blocks(experiment)
    for variant in experiment.plan.design.variants:
        runs = [block.runs[variant.name].measurement for block in blocks if variant.name in block.runs]
        stretches = [known for known in map(stretch_of, runs) if known is not None]
        if stretches:
            found.append(serving_cost(settings[variant.name], stretches))
    return tuple(found)


def stretch_of(run: Measurement) -> Stretch | None:
    """What a run of the study's program says; None where it reported no requests or opened no span."""
    span = next((one for one in run.spans if one.name == SERVING and one.complete), None)
    if span is None or not run.quality.get("requests"):
        return None
    attributed = () if run.window is None else run.window.attributed
    cpu_s = cpu_seconds(run.quality, span.cpu_s)
    devices = any(item.channel.part is Part.GPU for item in attributed)
    energy_j = energy_of(span.attributed_energy_j, cpu_s, span.cpu_s, devices=devices)
    first = next((one for one in run.spans if one.name == WARM_UP and one.complete), None)
    share = span.duration_s / run.duration_s if run.duration_s > 0 else 0.0
    return Stretch(
        figures=run.quality,
        cpu_s=cpu_s,
        energy_j=energy_j,
        waiting_j=waiting_energy(energy_j, attributed, run.quality),
        rest_j=None if run.idle_energy_j is None else scaled(run.idle_energy_j, share),
        warm_up=None
        if first is None
        else WarmUp(first.duration_s, first.cpu_s, first.attributed_energy_j, run.quality.get(FIRST_ANSWER)),
    )


def cpu_seconds(figures: Mapping[str, float], tree_s: float) -> float:
    """CPU-seconds of a stretch: by the clock of the process, which counts nanoseconds, or by the tree's ticks of 10 ms.

    The ticks decide where they say more than their grain explains: then processes that it started worked too.
    """
    own_s = figures["working_cpu_s"] + figures["waiting_cpu_s"]
    return tree_s if tree_s > own_s * _WORK_OF_OTHERS + 2 * TICK_S else own_s


def energy_of(attributed: Estimate | None, cpu_s: float, tree_s: float, *, devices: bool) -> Estimate | None:
    """The attributed energy; where it is modelled from the tree's ticks, that of the CPU-seconds known better.

    None where the stretch was shorter than a tick: no joules were shared out, which does not mean that there were none.
    With a device in it (`devices`) the energy does not follow CPU time, and stays as it is.
    """
    if attributed is None or devices:
        return attributed
    if tree_s <= 0:
        return None if cpu_s > 0 else attributed
    return scaled(attributed, cpu_s / tree_s) if attributed.origin is Origin.MODELLED else attributed


def waiting_energy(
    total: Estimate | None, attributed: Sequence[ChannelEnergy], figures: Mapping[str, float]
) -> Estimate | None:
    """The part of the attributed energy that fell between requests.

    Of a host: by the share of CPU time (threads that spin while nobody asks). Of a device: what it drew while it was
    held and did nothing. None where a device does not say how busy it was.
    """
    if total is None:
        return None
    waiting_s = figures["waiting_cpu_s"]
    whole_s = figures["working_cpu_s"] + waiting_s
    share = waiting_s / whole_s if whole_s > 0 else 0.0
    devices = [item for item in attributed if item.channel.part is Part.GPU]
    if not devices:
        return scaled(total, share)
    measured = [item for item in attributed if item.energy_j.origin is not Origin.MODELLED]
    parts = [
        item.waiting_j if item.channel.part is Part.GPU else scaled(item.energy_j, share)
        for item in measured or attributed
    ]
    return summed_if_all_known(parts)


def serving_cost(setting: Setting, stretches: Sequence[Stretch]) -> ServingCost:
    """Runs of one setting together. Raises ValueError without any."""
    reported = [one.figures for one in stretches]
    requests = [figures["requests"] for figures in reported]
    loads = [found for found in map(load, reported) if found is not None]
    capacities = [found for found in map(capacity_per_s, reported) if found is not None]
    cpu = tuple(one.cpu_s / count for one, count in zip(stretches, requests, strict=True))
    return ServingCost(
        setting=setting,
        runs=len(stretches),
        requests=round(statistics.median(requests)),
        mean_batch=sum(requests) / sum(figures["batches"] for figures in reported),
        cpu_per_request=cpu,
        cpu_per_request_s=mean(cpu),
        energy_per_request_j=_each([one.energy_j for one in stretches], requests),
        waiting_cpu_per_request_s=statistics.median(
            figures["waiting_cpu_s"] / count for figures, count in zip(reported, requests, strict=True)
        ),
        waiting_energy_per_request_j=_each([one.waiting_j for one in stretches], requests),
        rest_energy_per_request_j=_each([one.rest_j for one in stretches], requests),
        latency_s={
            percent: mean([figures[latency_figure(percent)] for figures in reported])
            for percent in PERCENTILES
            if all(latency_figure(percent) in figures for figures in reported)
        },
        latencies=round(min(figures["latencies"] for figures in reported)),
        throughput_per_s=statistics.median(
            count / figures["serving_s"] for figures, count in zip(reported, requests, strict=True)
        ),
        capacity_per_s=statistics.median(capacities) if capacities else None,
        load=statistics.median(loads) if loads else None,
        saturated=sum(found >= 1 for found in loads),
        most_waiting=round(max(figures["most_waiting"] for figures in reported)) if loads else None,
        unanswered=round(sum(figures.get("unanswered", 0) for figures in reported)),
        warm_up=_warm_up([one.warm_up for one in stretches]),
    )


def mean(values: Sequence[float], level: float = 0.95) -> Mean:
    """Geometric mean over runs with the t interval of the logarithms; the plain mean where a value is zero."""
    if min(values) <= 0:
        return Mean(statistics.fmean(values), None, None)
    return mean_cost(Candidate("", dict(enumerate(values)), {}), level)


def _each(energies: Sequence[Estimate | None], requests: Sequence[float]) -> Estimate | None:
    return middle(
        [
            None if energy is None else scaled(energy, 1 / count)
            for energy, count in zip(energies, requests, strict=True)
        ]
    )


def _warm_up(found: Sequence[WarmUp | None]) -> WarmUp | None:
    known = [one for one in found if one is not None]
    if not known:
        return None
    first = [one.first_answer_s for one in known if one.first_answer_s is not None]
    return WarmUp(
        statistics.median(one.duration_s for one in known),
        statistics.median(one.cpu_s for one in known),
        middle([one.energy_j for one in known]),
        statistics.median(first) if first else None,
    )
