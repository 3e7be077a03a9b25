"""What each factor of a run table does by itself, and what two do to each other: effects with intervals and verdicts.

One figure for each block and effect: the contrast of the log costs of its runs (`analysis.contrasts`). So a main effect
is a ratio, and an interaction a ratio of ratios: 0.9 means that the two moves together cost 10 % less than the product
of what each does alone. The interval is Hodges and Lehmann's over the blocks and the p-value that of the
sign-flip test, as for two variants (`analysis.effect`); all effects of a table together keep the level (Holm 1979).

The sign-flip test needs a difference that is as likely -d as d when there is no effect. Runs in a block stand in random
order, so their errors are exchangeable, and swapping the runs of weight +w with those of weight -w turns the contrast
round: it holds exactly wherever the weights come in such pairs, as in every full table and regular fraction, and nearly
in tables with gaps. Pure.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wattleak.analysis.blocks import counting_blocks
from wattleak.analysis.contrasts import contrasts, varied
from wattleak.analysis.effect import Change, change_of
from wattleak.analysis.feasibility import adjusted_level, further_blocks
from wattleak.analysis.metrics import least_firm, metric, metrics_of, readings_alike
from wattleak.analysis.quality import compare_quality, usual_target
from wattleak.analysis.sequential import look_level
from wattleak.analysis.short_plan import with_primary
from wattleak.analysis.verdict import carries_a_claim, decide, grade, weigh_quality
from wattleak.model import Grade, QualityComparison, QualityState, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wattleak.analysis.blocks import Block
    from wattleak.analysis.contrasts import Contrast, Step, Weights
    from wattleak.model import Design, Experiment, Origin

_FEWEST_FACTORS = 2
_ROUNDING = 1e-12  # relative; what weights of thirds leave of equal figures is no difference


@dataclass(frozen=True, slots=True)
class MetricEffect:
    """What an effect does to one metric."""

    change: Change
    origin: Origin
    derived_from: str | None


@dataclass(frozen=True, slots=True)
class Effect:
    """A main effect (one step) or an interaction (two) on the primary metric, and on others that were read alike.

    For an interaction the verdict says whether the two moves together cost less (saving) or more than the product of
    each alone; quality is that of main effects. `without` and `with_`: the first move while the other factor stays, and
    while it is moved; only of interactions, at the same level.
    """

    steps: tuple[Step, ...]
    aliases: tuple[str, ...]
    metrics: Mapping[str, MetricEffect]
    verdict: Verdict
    grade: Grade
    quality: QualityComparison
    level: float  # of the intervals, adjusted for the number of effects
    further_blocks: int | None
    without: Change | None = None
    with_: Change | None = None

    @property
    def is_interaction(self) -> bool:
        return len(self.steps) > 1

    @property
    def name(self) -> str:
        return " x ".join(map(str, self.steps))


@dataclass(frozen=True, slots=True)
class Factorial:
    """All effects of a run table."""

    metric: str
    smallest_effect: float
    level: float  # at which they hold together
    blocks: int
    variants: int
    effects: tuple[Effect, ...]  # main effects first
    untold: tuple[str, ...]  # interactions that these combinations cannot tell from an effect that is listed

    @property
    def main(self) -> tuple[Effect, ...]:
        return tuple(effect for effect in self.effects if not effect.is_interaction)

    @property
    def interactions(self) -> tuple[Effect, ...]:
        return tuple(effect for effect in self.effects if effect.is_interaction)


@dataclass(frozen=True, slots=True)
class _Logs:
    """Logarithms of one metric: by variant, one for each block."""

    values: Mapping[str, Sequence[float]]
    origin: Origin
    derived_from: str | None

    def contrast(self, weights: Weights) -> tuple[float, ...]:
        used = [(weight, self.values[name]) for name, weight in weights.items() if weight]
        return tuple(
            math.fsum(weight * logs[block] for weight, logs in used)
            for block in range(len(next(iter(self.values.values()))))
        )


def is_factorial(design: Design) -> bool:
    """Whether a design asks for effects: two factors or more that take two levels or more."""
    if len(design.factors) < _FEWEST_FACTORS or design.search is not None:
        return False
    return len(varied(design.variants, design.factors)) >= _FEWEST_FACTORS


def factorial(experiment: Experiment) -> Factorial | str:
    """Every effect of the run table of an experiment, or in words why there is none."""
    design = experiment.plan.design
    if not is_factorial(design):
        return "the run table has fewer than two factors"
    blocks = counting_blocks(experiment)
    if not blocks:
        return "no block is complete"
    names = [variant.name for variant in design.variants]
    blocks = tuple(block for block in blocks if block.runs.keys() >= set(names))
    if not blocks:
        return "a look dropped some of the combinations from every block"
    design = with_primary(experiment, blocks).plan.design
    logs = {
        known.name: found
        for known in metrics_of(design)
        if not isinstance(found := _logs(blocks, names, known.name), str)
    }
    primary = metric(design.metric).name
    if primary not in logs:
        return str(_logs(blocks, names, primary))
    table = contrasts(design.variants, design.factors)
    effects = _step_down(table.told, design, blocks, logs)
    return Factorial(
        metric=primary,
        smallest_effect=design.smallest_effect,
        level=design.level,
        blocks=len(blocks),
        variants=len(names),
        effects=effects if carries_a_claim(experiment) else tuple(replace(e, grade=Grade.OBSERVED) for e in effects),
        untold=table.untold,
    )


# -- the family ------------------------------------------------------------------------------------------------------


def _step_down(
    told: Sequence[Contrast], design: Design, blocks: Sequence[Block], logs: Mapping[str, _Logs]
) -> tuple[Effect, ...]:
    """As for several candidates: who is decided leaves, and the rest is judged at the level of the smaller number."""
    judged: dict[tuple[Step, ...], Effect] = {}
    undecided = list(told)
    while undecided:
        level = look_level(design.stopping, adjusted_level(design.level, len(undecided)), len(blocks))
        judged |= {one.steps: _effect(one, design, blocks, logs, level) for one in undecided}
        left = [one for one in undecided if judged[one.steps].verdict is Verdict.NOT_ENOUGH_RUNS]
        if len(left) == len(undecided):
            break
        undecided = left
    return tuple(judged[one.steps] for one in told)


def _effect(
    contrast: Contrast, design: Design, blocks: Sequence[Block], logs: Mapping[str, _Logs], level: float
) -> Effect:
    primary = metric(design.metric).name
    own = logs[primary]
    ratios = own.contrast(contrast.weights)
    changes = {
        name: MetricEffect(
            change_of(found.contrast(contrast.weights), level, test=name == primary), found.origin, found.derived_from
        )
        for name, found in logs.items()
    }
    quality = QualityComparison(QualityState.NOT_MEASURED)
    if len(contrast.steps) == 1:
        quality = _quality(contrast, design, blocks)
    verdict = weigh_quality(decide(changes[primary].change, design.smallest_effect), quality.state)
    undecided = verdict is Verdict.NOT_ENOUGH_RUNS
    return Effect(
        steps=contrast.steps,
        aliases=contrast.aliases,
        metrics=changes,
        verdict=verdict,
        grade=grade(_by_session(blocks, design, ratios), verdict, changes[primary], quality.state, level),
        quality=quality,
        level=level,
        further_blocks=further_blocks(ratios, design.smallest_effect, level) if undecided else None,
        without=None if contrast.without is None else change_of(own.contrast(contrast.without), level, test=False),
        with_=None if contrast.with_ is None else change_of(own.contrast(contrast.with_), level, test=False),
    )


def _by_session(blocks: Sequence[Block], design: Design, ratios: Sequence[float]) -> Mapping[str, Sequence[float]]:
    sessions: defaultdict[str, list[float]] = defaultdict(list)
    for block, ratio in zip(blocks, ratios, strict=True):
        sessions[block.runs[design.variants[0].name].session].append(ratio)
    return sessions


# -- figures ---------------------------------------------------------------------------------------------------------


def _logs(blocks: Sequence[Block], names: Sequence[str], figure: str) -> _Logs | str:
    readings = readings_alike([block.runs[name].measurement for name in names for block in blocks], figure)
    if isinstance(readings, str):
        return readings
    if not all(0.0 < reading.value < math.inf for reading in readings):
        return f"{figure} is zero in some run: the runs are too short for it"
    logs = [math.log(reading.value) for reading in readings]
    count = len(blocks)
    return _Logs(
        {name: logs[place * count : (place + 1) * count] for place, name in enumerate(names)},
        least_firm(reading.origin for reading in readings),
        readings[0].derived_from,
    )


def _quality(contrast: Contrast, design: Design, blocks: Sequence[Block]) -> QualityComparison:
    """The same contrast of the quality figure, as a difference: its mean with the move against its mean without."""
    if design.short is not None:  # a figure of a training that was cut off says nothing about its result
        return QualityComparison(QualityState.NOT_MEASURED)
    reported = [run.measurement.quality.keys() for block in blocks for run in block.runs.values()]
    target = design.quality or usual_target(reported)
    if target is None:
        return QualityComparison(QualityState.NOT_MEASURED)
    (step,) = contrast.steps
    base = [item.name for item in design.variants if item.levels[step.factor] == step.base]
    before, after = [], []
    for block in blocks:
        values = {name: run.measurement.quality.get(target.metric) for name, run in block.runs.items()}
        known = {name: value for name, value in values.items() if value is not None}
        if known.keys() >= contrast.weights.keys():
            before.append(math.fsum(known[name] for name in base) / len(base))
            moved = math.fsum(weight * known[name] for name, weight in contrast.weights.items())
            after.append(before[-1] + (moved if abs(moved) > _ROUNDING * abs(before[-1]) else 0.0))
    return compare_quality(before, after, target)
