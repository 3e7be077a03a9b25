"""What is special where each run was ended early: what decides, and what such runs cannot say. Pure."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.analysis.blocks import Block, Pair
    from wattleak.model import Experiment, StepWindow

_SAME_WORK = 1.001  # ratio of samples per step: a last batch that is smaller is no other batch size
_EDGE_ERROR = 0.5  # of the smallest effect: what the edges of the windows may make up before it is doubted


def with_primary(experiment: Experiment, blocks: Sequence[Block]) -> Experiment:
    """The experiment with the primary metric that its rule gives.

    The plan fixes the rule before the first run: per step; per sample where the variants work through different
    numbers of samples in a step and every run says how many. No cost is looked at, so it is no choice by result.
    """
    design = experiment.plan.design
    if design.short is None or not design.short.metric_by_rule:
        return experiment
    work = [_samples_per_step(blocks, variant.name) for variant in design.variants]
    known = [samples for samples in work if samples is not None]
    if len(known) < len(work) or max(known) <= _SAME_WORK * min(known):
        return experiment
    metric = design.metric.replace("_per_step_", "_per_sample_")
    return replace(experiment, plan=replace(experiment.plan, design=replace(design, metric=metric)))


def _samples_per_step(blocks: Sequence[Block], variant: str) -> float | None:
    """Median over the runs; None when one of them does not say."""
    found = [block.runs[variant].measurement.window for block in blocks if variant in block.runs]
    each = [window.samples / window.steps for window in found if window is not None and window.samples is not None]
    return statistics.median(each) if each and len(each) == len(found) else None


def short_plan_doubts(pair: Pair) -> Iterator[str]:
    """What a careful reader would object to a price per step."""
    if pair.design.short is None or not pair.blocks:
        return
    yield (
        "a short plan shows the price of a step, not how many steps it takes to the same quality: "
        "that takes a few full runs with --quality"
    )
    reference, candidate = (
        [block.runs[name].measurement.window for block in pair.blocks] for name in (pair.reference, pair.candidate)
    )
    windows = [window for window in (*reference, *candidate) if window is not None]
    if not windows:
        return
    names = {window.name for window in windows}
    if len(names) > 1:
        yield f"the steps are not called the same ({', '.join(sorted(names))}): they may not be the same work"
    writers = {window.writers for window in windows}
    if len(writers) > 1:
        counts = ", ".join(str(number) for number in sorted(writers))
        yield f"the steps were marked by different numbers of threads or processes ({counts}): each counts its own"
    if any(window.samples is None for window in windows):
        yield (
            "no run says how many samples a step holds (wattleak.step(samples=...)): if the variants do different work "
            "per step, a cheaper step is no cheaper training"
        )
    elif "_per_step_" in pair.design.metric and _differ(pair):
        yield "the variants do different work per step: the price per sample is the one to look at"
    loose = statistics.median(_edge_error(window) for window in windows)
    if loose > _EDGE_ERROR * pair.design.smallest_effect and "cpu" in pair.design.metric:
        yield (
            f"the first and the last step lie between two readings: half of the runs do not know their CPU time to "
            f"better than {100 * loose:.1f} %; more steps (or a shorter --interval) make it sharper"
        )


def _differ(pair: Pair) -> bool:
    work = [_samples_per_step(pair.blocks, name) for name in (pair.reference, pair.candidate)]
    known = [samples for samples in work if samples is not None]
    return len(known) == len(work) and max(known) > _SAME_WORK * min(known)


def _edge_error(window: StepWindow) -> float:
    """Half the width of the range of the CPU time, as a fraction of it."""
    cpu_s = window.cpu_s
    return (cpu_s.high - cpu_s.low) / 2 / cpu_s.value if cpu_s.value > 0 else 0.0
