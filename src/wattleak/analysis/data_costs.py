"""What delivering samples cost, over the runs that count: CPU time, energy, bytes from storage, the first epoch. Pure.

The programs (workloads/data_pipeline/deliver.py) report wall time, CPU time and bytes of the first epoch and of the
later ones; energy is that of the spans around them.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.effect import paired_change
from wattleak.analysis.estimates import middle, scaled
from wattleak.analysis.feasibility import adjusted_level

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wattleak.model import Estimate, Experiment, Measurement

FIRST, LATER = "first epoch", "later epochs"  # the spans that the program opens
_PER = 1000  # samples
# Energy is billed by CPU time, which the system counts in ticks of 10 ms: of fewer than ten of them a share of energy
# would be wrong by more than a tenth, and of none it would be zero.
_LEAST_CPU_S = 0.1


@dataclass(frozen=True, slots=True)
class Passing:
    """One passing of all samples. None: not reported, or not attributed.

    `storage_b` were fetched from storage for it, by read calls or by touching a mapped file; `called_b` were handed
    over by read calls, from storage or from memory.
    """

    samples_per_s: float
    cpu_per_1000_s: float
    energy_per_1000_j: Estimate | None  # of the process tree; no meter sees storage
    storage_b: float | None
    called_b: float | None


@dataclass(frozen=True, slots=True)
class DataCost:
    """Medians over the runs that count."""

    name: str
    levels: Mapping[str, str]
    runs: int
    samples: float
    size_b: float
    on_disk_b: float
    first: Passing
    later: Passing  # mean of the epochs after the first
    wrong_samples: float  # the most of a run
    dropping_share: float  # of the CPU time of the later epochs and of dropping their pages: what energy has too much
    resident_share: float | None  # of the files' pages, after they were dropped: the most of a run
    least_storage_share: float | None  # of an epoch that was to be cold: bytes from storage over those of the files
    read_b: float | None  # from storage in the whole run, as the recorder saw it
    peak_memory_b: float

    @property
    def first_over_later(self) -> float:
        """How many times as long the first epoch takes."""
        return self.later.samples_per_s / self.first.samples_per_s


@dataclass(frozen=True, slots=True)
class LevelEffect:
    """What moving one factor does while the others stay: a fraction of the figure at the level it moves from."""

    factor: str
    base: str
    level: str
    others: Mapping[str, str]
    change: float | None
    low: float | None
    high: float | None
    blocks: int
    confidence: float  # of each interval, so that all of one factor and figure hold together


def data_costs(experiment: Experiment) -> tuple[DataCost, ...]:
    """One entry for each variant with a run that counts, in the order of the design."""
    blocks = counting_blocks(experiment)
    found = []
    for variant in experiment.plan.design.variants:
        own = [block.runs[variant.name].measurement for block in blocks if variant.name in block.runs]
        own = [run for run in own if "later_epochs" in run.quality]
        if own:
            found.append(_data_cost(variant.name, variant.levels, own))
    return tuple(found)


def cpu_per_sample(run: Measurement) -> float | None:
    """CPU-seconds of a sample in the later epochs, dropping of pages left out; None where the run does not say."""
    return _of_later(run, "later_cpu_s")


def time_per_sample(run: Measurement) -> float | None:
    """Seconds of a sample in the later epochs, dropping of pages left out; None where the run does not say."""
    return _of_later(run, "later_s")


def level_effects(
    experiment: Experiment, factor: str, figure: Callable[[Measurement], float | None]
) -> tuple[LevelEffect, ...]:
    """Each level of a factor against its first, at every combination of the other factors that has both.

    Paired in blocks, as every comparison (analysis.effect); the intervals hold together (Bonferroni).
    """
    design = experiment.plan.design
    levels = next(one.levels for one in design.factors if one.name == factor)
    by_levels = {tuple(sorted(variant.levels.items())): variant.name for variant in design.variants}
    pairs = []
    for variant in design.variants:
        others = {name: level for name, level in variant.levels.items() if name != factor}
        base = by_levels.get(tuple(sorted({**others, factor: levels[0]}.items())))
        if variant.levels[factor] != levels[0] and base is not None:
            pairs.append((base, variant.name, variant.levels[factor], others))
    confidence = adjusted_level(design.level, max(1, len(pairs)))
    blocks = counting_blocks(experiment)
    effects = []
    for base, name, level, others in pairs:
        both = [
            (figure(block.runs[base].measurement), figure(block.runs[name].measurement))
            for block in blocks
            if base in block.runs and name in block.runs
        ]
        known = [(before, after) for before, after in both if before is not None and after is not None]
        change = paired_change([before for before, _ in known], [after for _, after in known], confidence, test=False)
        effects.append(
            LevelEffect(
                factor, levels[0], level, others, change.change, change.low, change.high, change.blocks, confidence
            )
        )
    return tuple(effects)


def _of_later(run: Measurement, figure: str) -> float | None:
    told = run.quality
    if not {figure, "samples", "later_epochs"} <= told.keys():
        return None
    return told[figure] / (told["samples"] * told["later_epochs"])


def _data_cost(name: str, levels: Mapping[str, str], runs: Sequence[Measurement]) -> DataCost:
    def known(figure: str) -> float:
        return statistics.median(run.quality[figure] for run in runs)

    residents = [run.quality["resident_share"] for run in runs if "resident_share" in run.quality]
    shares = [run.quality["least_storage_share"] for run in runs if "least_storage_share" in run.quality]
    dropping = [_share(run.quality.get("dropping_cpu_s", 0.0), run.quality["later_cpu_s"]) for run in runs]
    return DataCost(
        name=name,
        levels=levels,
        runs=len(runs),
        samples=known("samples"),
        size_b=known("size_b"),
        on_disk_b=known("on_disk_b"),
        first=_passing(runs, "first", FIRST, [1.0] * len(runs)),
        later=_passing(runs, "later", LATER, [run.quality["later_epochs"] for run in runs]),
        wrong_samples=max(run.quality["wrong_samples"] for run in runs),
        dropping_share=statistics.median(dropping),
        resident_share=max(residents, default=None),
        least_storage_share=min(shares, default=None),
        read_b=_middle(run.read_b for run in runs),
        peak_memory_b=statistics.median(run.peak_memory_b for run in runs),
    )


def _passing(runs: Sequence[Measurement], prefix: str, span: str, epochs: Sequence[float]) -> Passing:
    """`epochs`: how many of them the figures of each run are of."""
    samples = [run.quality["samples"] * number for run, number in zip(runs, epochs, strict=True)]

    def of_epoch(figure: str) -> float | None:
        told = [run.quality.get(f"{prefix}_{figure}") for run in runs]
        return _middle(None if one is None else one / number for one, number in zip(told, epochs, strict=True))

    def per_1000(energy: Estimate | None, number: float) -> Estimate | None:
        return None if energy is None else scaled(energy, _PER / number)

    each = list(zip(runs, samples, strict=True))
    return Passing(
        samples_per_s=statistics.median(number / run.quality[f"{prefix}_s"] for run, number in each),
        cpu_per_1000_s=statistics.median(_PER * run.quality[f"{prefix}_cpu_s"] / number for run, number in each),
        energy_per_1000_j=middle([per_1000(_energy(run, span), number) for run, number in each]),
        storage_b=of_epoch("storage_b"),
        called_b=of_epoch("called_b"),
    )


def _energy(run: Measurement, span: str) -> Estimate | None:
    """What the process tree is billed for the first span of this name; None where it is too short to be billed."""
    found = next((one for one in run.spans if one.name == span and one.complete), None)
    return None if found is None or found.cpu_s < _LEAST_CPU_S else found.attributed_energy_j


def _share(part: float, rest: float) -> float:
    return part / (part + rest) if part + rest else 0.0


def _middle(values: Iterable[float | None]) -> float | None:
    """Median; None where a run does not say."""
    known = list(values)
    there = [value for value in known if value is not None]
    return statistics.median(there) if there and len(there) == len(known) else None
