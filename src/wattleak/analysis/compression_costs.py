"""What compressed models cost, weigh and get right, over the runs that count: one row for each variant. Pure.

Costs are those of the program's spans: inference in batches, requests of one image, and the conversion, each apart
from start-up and warm-up. What the program reports about itself (sizes, counts, latencies) is read from its figures.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.estimates import middle, scaled
from wattleak.analysis.paired_share import PairedShare, paired_share
from wattleak.analysis.serving import PERCENTILES, latency_figure
from wattleak.analysis.serving_costs import mean
from wattleak.analysis.stretches import Stretch, of_span, together
from wattleak.model import Origin, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.plane import Mean
    from wattleak.model import Comparison, Estimate, Experiment, Measurement

TRAINING, CONVERT, WARM_UP, INFERENCE, REQUESTS = "training", "convert", "warm-up", "inference", "requests"
"""The spans of the program."""

THOUSAND = 1000
_MEASURED = frozenset({Origin.COUNTER, Origin.SAMPLED})
_SAVES = frozenset({Verdict.SAVING, Verdict.TRADE_OFF})


def cpu_figure(name: str) -> str:
    """What the CPU-seconds of a span are called where the program reports them itself: inference_cpu_s."""
    return f"{name}_cpu_s"


@dataclass(frozen=True, slots=True)
class Cost:
    """Of 1,000 inferences: means over the runs with their 95 % intervals, energy with the range of its origin."""

    cpu_s: Mean
    duration_s: Mean
    energy_j: Estimate | None  # of the process tree; None: not attributed


@dataclass(frozen=True, slots=True)
class CompressionCost:
    """One variant. None: not measured."""

    name: str
    runs: int
    size_b: int  # of the file that would be shipped
    parameters: int
    nonzero: int
    accuracy: float  # mean over the runs
    change: PairedShare | None  # of accuracy over the test images, against the float weights as they were trained
    batched: Cost | None
    single: Cost | None  # requests of one image
    latency_s: Mapping[int, Mean]  # percentile -> of a request of one image
    convert_s: float | None  # medians
    convert_cpu_s: float | None
    convert_energy_j: Estimate | None
    pays_back: float | None  # inferences after which converting has saved what it cost; None: it does not, or not shown
    native: bool | None  # whether the CPU has such arithmetic; None: it needs none of its own, or nobody says


def compression_costs(experiment: Experiment, comparison: Comparison) -> tuple[CompressionCost, ...]:
    """One entry for each variant with a run that counts, in the order of the design."""
    blocks = counting_blocks(experiment)
    target = experiment.plan.design.quality
    margin = target.margin if target is not None and target.metric == "accuracy" else None
    found = []
    for variant in experiment.plan.design.variants:
        own = [block.runs[variant.name].measurement for block in blocks if variant.name in block.runs]
        own = [run for run in own if "size_b" in run.quality]
        if own:
            found.append(_cost(variant.name, own, margin))
    reference = experiment.plan.design.variants[0].name
    base = next((one for one in found if one.name == reference), None)
    saving = {pair.candidate for pair in comparison.pairs if pair.verdict in _SAVES}
    return tuple(replace(one, pays_back=_pays_back(base, one)) if one.name in saving else one for one in found)


def _cost(name: str, runs: Sequence[Measurement], margin: float | None) -> CompressionCost:
    figures = [run.quality for run in runs]
    convert = [_span(run, CONVERT) for run in runs]
    spans = [one for one in convert if one is not None]
    native = {bool(one["native_arithmetic"]) for one in figures if "native_arithmetic" in one}
    return CompressionCost(
        name=name,
        runs=len(runs),
        size_b=round(statistics.median(one["size_b"] for one in figures)),
        parameters=round(figures[0]["parameters"]),
        nonzero=round(statistics.median(one["nonzero"] for one in figures)),
        accuracy=statistics.fmean(one["accuracy"] for one in figures),
        change=_change(figures, margin),
        batched=_thousand(runs, INFERENCE, "inferences"),
        single=_thousand(runs, REQUESTS, "requests"),
        latency_s={
            percent: mean([one[latency_figure(percent)] for one in figures])
            for percent in PERCENTILES
            if all(latency_figure(percent) in one for one in figures)
        },
        convert_s=statistics.median(one.duration_s for one in spans) if spans else None,
        convert_cpu_s=statistics.median(one.cpu_s for one in spans) if spans else None,
        convert_energy_j=middle([None if one is None else one.energy_j for one in convert]),
        pays_back=None,
        native=native.pop() if len(native) == 1 else None,
    )


def _span(run: Measurement, name: str) -> Stretch | None:
    """All spans of one name in a run, together."""
    spans = [of_span(span) for span in run.spans if span.name == name and span.complete]
    return together(spans) if spans else None


def _thousand(runs: Sequence[Measurement], name: str, count: str) -> Cost | None:
    """What 1,000 of them cost; None where a run has no such span.

    CPU-seconds as the program counts its own, finer than the recorder sees them from outside; else the recorder's.
    """
    spans = [_span(run, name) for run in runs]
    counts = [run.quality.get(count, 0) for run in runs]
    known = [(span, THOUSAND / number) for span, number in zip(spans, counts, strict=True) if span and number]
    if len(known) < len(runs):
        return None
    own = [run.quality.get(cpu_figure(name)) for run in runs]
    cpu = [span.cpu_s if seconds is None else seconds for (span, _), seconds in zip(known, own, strict=True)]
    return Cost(
        mean([seconds * share for seconds, (_, share) in zip(cpu, known, strict=True)]),
        mean([span.duration_s * share for span, share in known]),
        middle([None if span.energy_j is None else scaled(span.energy_j, share) for span, share in known]),
    )


def _change(figures: Sequence[Mapping[str, float]], margin: float | None) -> PairedShare | None:
    """Of the run in the middle: runs whose weights differ (trained again) answer about the same images."""
    if not all({"lost", "gained", "tested"} <= one.keys() for one in figures):
        return None
    ordered = sorted(figures, key=lambda one: one["gained"] - one["lost"])
    one = ordered[(len(ordered) - 1) // 2]
    return paired_share(round(one["lost"]), round(one["gained"]), round(one["tested"]), margin)


def _pays_back(base: CompressionCost | None, own: CompressionCost) -> float | None:
    """In joules where they were measured, else in CPU-seconds: modelled joules follow those."""
    if base is None or base.batched is None or own.batched is None or own.convert_cpu_s is None:
        return None
    before, after = base.batched.energy_j, own.batched.energy_j
    spent = own.convert_energy_j
    if before is not None and after is not None and spent is not None and before.origin in _MEASURED:
        more, saved = spent.value - _value(base.convert_energy_j), before.value - after.value
    else:
        more, saved = (
            own.convert_cpu_s - (base.convert_cpu_s or 0.0),
            base.batched.cpu_s.value - own.batched.cpu_s.value,
        )
    return max(0.0, more) / saved * THOUSAND if saved > 0 else None


def _value(energy: Estimate | None) -> float:
    """What making the reference ready took; where that is unknown nothing is taken off."""
    return 0.0 if energy is None else energy.value
