"""Which runs of an experiment count, and how two variants meet in them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.effect import log_ratios
from wattleak.analysis.metrics import readings_alike
from wattleak.model import CONTROL, Order

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.analysis.metrics import Reading
    from wattleak.model import Design, Experiment, Measurement, Run


@dataclass(frozen=True, slots=True)
class Block:
    """One attempt at a block in which every variant ran to its end."""

    number: int
    attempt: int
    runs: Mapping[str, Run]  # by variant


@dataclass(frozen=True, slots=True)
class Pair:
    """One candidate and the reference in the blocks that count."""

    experiment: Experiment
    blocks: tuple[Block, ...]
    reference: str
    candidate: str

    @property
    def design(self) -> Design:
        return self.experiment.plan.design

    @property
    def measurements(self) -> tuple[Measurement, ...]:
        """All that count: the reference in the order of the blocks, then the candidate."""
        return tuple(b.runs[name].measurement for name in (self.reference, self.candidate) for b in self.blocks)

    def readings(self, metric: str) -> tuple[tuple[Reading, ...], tuple[Reading, ...]] | str:
        """Return the readings of reference and candidate, or in words why they cannot be set against each other."""
        readings = readings_alike(self.measurements, metric)
        if isinstance(readings, str):
            return readings
        return readings[: len(self.blocks)], readings[len(self.blocks) :]

    def differences(self, metric: str) -> tuple[float, ...]:
        """Return the log ratio of every block; empty when there is none to be had."""
        readings = self.readings(metric)
        if isinstance(readings, str):
            return ()
        before, after = readings
        return log_ratios([reading.value for reading in before], [reading.value for reading in after])

    def quality(self, figure: str) -> list[tuple[float, float]]:
        """Return the values of a quality figure in the blocks where both runs reported it."""
        both = (
            (b.runs[self.reference].measurement.quality, b.runs[self.candidate].measurement.quality)
            for b in self.blocks
        )
        return [(before[figure], after[figure]) for before, after in both if figure in before and figure in after]

    def outputs(self) -> tuple[tuple[str, ...], int]:
        """Return the hashes of outputs that every run reported, and in how many blocks one of them differs."""
        reported = [measurement.outputs.keys() for measurement in self.measurements]
        names = sorted(set(reported[0]).intersection(*reported)) if reported else []
        differing = sum(
            any(
                b.runs[self.reference].measurement.outputs[name] != b.runs[self.candidate].measurement.outputs[name]
                for name in names
            )
            for b in self.blocks
        )
        return tuple(names), differing


def is_good(run: Run) -> bool:
    """Whether this run may stand for its variant: it did not fail and was recorded to its end."""
    return run.failure is None and run.measurement.complete


def counting_blocks(experiment: Experiment) -> tuple[Block, ...]:
    """Return the blocks that count, by number: of each the latest attempt in which every variant has one good run.

    Warm-up blocks (negative numbers), failed runs, partial blocks and the attempts before the latest whole one never
    count; a run that is listed twice is counted once. An attempt that holds two different runs of one variant, or a
    failed run beside a good one, broke the rule that a block is run again whole, and does not count either.

    In the sequential order there are no blocks in time: the n-th good run of one variant meets the n-th of the other,
    whatever attempt each was.
    """
    variants = {variant.name for variant in experiment.plan.design.variants}
    if experiment.plan.design.order is Order.SEQUENTIAL:
        return _numbered_pairs(experiment, variants)
    attempts: defaultdict[tuple[int, int], dict[str, Run]] = defaultdict(dict)
    for run in experiment.runs:
        if run.block >= 0 and run.variant in variants:
            attempts[run.block, run.attempt][run.id] = run
    latest: dict[int, Block] = {}
    for (number, attempt), runs in sorted(attempts.items()):
        by_variant = {run.variant: run for run in runs.values() if is_good(run)}
        dropped = {name for run in runs.values() for name in run.dropped}
        if len(runs) == len(by_variant) and by_variant.keys() >= variants - dropped:
            latest[number] = Block(number, attempt, by_variant)
    return tuple(latest.values())


def not_counted(experiment: Experiment) -> tuple[tuple[Run, str], ...]:
    """Return every run that does not count, and why; runs of the reference program are no variant's and left out."""
    blocks = {block.number: block for block in counting_blocks(experiment)}
    counted = {run.id for block in blocks.values() for run in block.runs.values()}
    distinct = {run.id: run for run in experiment.runs if run.variant != CONTROL and run.id not in counted}
    return tuple(
        (run, _why_not(run, blocks[run.block].attempt if run.block in blocks else None)) for run in distinct.values()
    )


def _why_not(run: Run, counted_attempt: int | None) -> str:
    """Why a run does not count, the firmest reason first."""
    if run.failure is not None:
        return f"failed: {run.failure}"
    if run.block < 0:
        return "warm-up"
    if not run.measurement.complete:
        return f"incomplete: {run.measurement.incomplete_reason or 'the recording stopped early'}"
    if counted_attempt is not None and counted_attempt > run.attempt:
        return f"attempt {counted_attempt} of its block counts instead"
    return "its block is not whole"


def _numbered_pairs(experiment: Experiment, variants: set[str]) -> tuple[Block, ...]:
    good: defaultdict[int, dict[str, Run]] = defaultdict(dict)
    for run in experiment.runs:
        if run.block >= 0 and run.variant in variants and is_good(run):
            good[run.block][run.variant] = run
    return tuple(
        Block(number, max(run.attempt for run in runs.values()), runs)
        for number, runs in sorted(good.items())
        if runs.keys() == variants
    )
