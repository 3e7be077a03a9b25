"""Are verdicts right as often as they say? Synthetic experiments through the real pipeline.

    noise model -> scripted program on a fake clock and a scripted meter -> plan, order, runner, attribution,
    readings -> interval, verdict, grade -> counted against the truth

Nothing is skipped but real processes. A fixed seed gives the same numbers, however many processes share the work.

The calibration over 10,000 experiments of each kind is `spared`: what the runs of a plan cost is known from the script,
so runner, meter and recording are played in the first experiment of every fifty only, which must come out the same both
ways; the others go from the order of their plan to the interval and the grade.
"""

from __future__ import annotations

import copy
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binom

from wattleak.analysis.comparison import judge_primary, judge_values
from wattleak.analysis.feasibility import blocks_for
from wattleak.environment.cpus import usable_cpus
from wattleak.executors.scripted import ScriptedExecutor, ScriptedHost, ScriptedWork
from wattleak.experiment.design import lay_out, make_plan, planned_session
from wattleak.experiment.noise_models import MODELS, NoiseModel
from wattleak.experiment.runner import run_experiment
from wattleak.model import Design, Grade, Session, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from wattleak.analysis.effect import Change
    from wattleak.model import Experiment, Plan, PlannedRun, Run

LEVEL = 0.95
EFFECTS = (0.01, 0.02, 0.05, 0.10)  # true changes that must be found
_EFFECT_NOISE = "steady"
_CHUNK = 50  # experiments that one process does at a time: seeds hang on the chunk, not on the process
_HOST = ScriptedHost(cpus=4, idle_w=10.0, watts_per_busy_cpu=10.0)
_VARIANTS = (Variant("reference", ("reference",)), Variant("candidate", ("candidate",)))


@dataclass(frozen=True, slots=True)
class Trial:
    """Many experiments of one kind, and how they came out."""

    model: NoiseModel
    blocks: int  # in each session
    effect: float  # the true change
    seed: int
    experiments: int
    excluded_zero: int  # intervals that do not hold 0: false alarms when the effect is 0, discoveries otherwise
    covered: int  # intervals that hold the truth
    wrong_sign: int  # intervals wholly on the other side of 0 than the truth
    confirmed: int  # claims (interval without 0) of grade confirmed or proved
    proved: int

    @property
    def claims(self) -> int:
        """False alarms where nothing changed. With sessions only what is graded above observed is claimed."""
        return self.confirmed if self.model.sessions > 1 else self.excluded_zero

    @property
    def most_claims(self) -> int:
        """What chance allows a test of 5 % in 99 of 100 such trials: the exact binomial quantile."""
        return int(binom.ppf(0.995, self.experiments, 1.0 - LEVEL))

    @property
    def fewest_covered(self) -> int:
        return int(binom.ppf(0.005, self.experiments, LEVEL))

    @property
    def is_within(self) -> bool:
        """Whether the trial keeps what verdicts promise.

        Without an effect: no more claims than the band allows. With one: four in five found, no sign wrong. Always,
        but under session effects (where one interval over all blocks is not what is claimed): coverage in its band.
        """
        covers = self.model.sessions > 1 or self.covered >= self.fewest_covered
        if self.effect == 0.0:
            return self.claims <= self.most_claims and covers
        fewest_found = int(binom.ppf(0.005, self.experiments, 0.8))
        return self.excluded_zero >= fewest_found and self.wrong_sign == 0 and covers


def plan_trials(experiments: int, sizes: Sequence[int], seed: int) -> tuple[Trial, ...]:
    """What will be tried, with nothing counted yet: each model at each size without an effect, then the effects."""
    without = [Trial(model, blocks, 0.0, seed, experiments, 0, 0, 0, 0, 0) for model in MODELS for blocks in sizes]
    (steady,) = (model for model in MODELS if model.name == _EFFECT_NOISE)
    spread = 0.03 * 2**0.5  # of the log ratio of two runs with 3 % noise each
    several = max(min(experiments, 200), experiments // 10)
    with_effect = [
        Trial(steady, blocks_for(spread, effect, LEVEL), effect, seed, several, 0, 0, 0, 0, 0) for effect in EFFECTS
    ]
    return (*without, *with_effect)


def run_trial(trial: Trial, jobs: int | None = None, *, spared: bool = False) -> Trial:
    """Do all experiments of a trial, in `jobs` processes (default: the CPUs that may be used).

    `spared`: play one experiment of fifty only. Raises AssertionError when that one comes out otherwise.
    """
    chunks = [(*chunk, spared) for chunk in _chunks(trial)]
    workers = min(jobs or usable_cpus() or 1, len(chunks))
    if workers <= 1:
        counted = [_run_chunk(*chunk) for chunk in chunks]
    else:
        with ProcessPoolExecutor(workers) as pool:
            counted = list(pool.map(_run_chunk, *zip(*chunks, strict=True)))
    excluded, covered, wrong, confirmed, proved = (sum(column) for column in zip(*counted, strict=True))
    return Trial(
        trial.model,
        trial.blocks,
        trial.effect,
        trial.seed,
        trial.experiments,
        excluded,
        covered,
        wrong,
        confirmed,
        proved,
    )


def _chunks(trial: Trial) -> Iterator[tuple[str, int, float, int, int, int]]:
    for number, first in enumerate(range(0, trial.experiments, _CHUNK)):
        many = min(_CHUNK, trial.experiments - first)
        yield trial.model.name, trial.blocks, trial.effect, trial.seed, number, many


def _run_chunk(
    name: str, blocks: int, effect: float, seed: int, number: int, many: int, spared: bool = False
) -> tuple[int, ...]:
    (model,) = (model for model in MODELS if model.name == name)
    rng = np.random.default_rng([seed, blocks, round(effect * 1000), number, MODELS.index(model)])
    counts = np.zeros(5, dtype=int)
    for index in range(many):
        again = copy.deepcopy(rng)
        if spared:
            change, grade = _known(model, blocks, effect, rng)
        if not spared or index == 0:
            played, played_grade = judge_primary(_experiment(model, blocks, effect, again if spared else rng))
            assert not spared or (_same(played, change) and played_grade is grade), (played, change)
            change, grade = played, played_grade
        assert change.low is not None
        assert change.high is not None
        claimed = not change.low <= 0.0 <= change.high
        counts += [
            claimed,
            change.low <= effect <= change.high,
            effect * change.low < 0.0 and effect * change.high < 0.0,
            claimed and grade is not Grade.OBSERVED,
            claimed and grade is Grade.PROVED,
        ]
    return tuple(int(count) for count in counts)


def _same(one: Change, other: Change) -> bool:
    """Equal ends, to nine digits: sums in another order differ in the last ones."""
    ends = zip((one.low, one.high), (other.low, other.high), strict=True)
    return all(a is not None and b is not None and math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in ends)


def _known(model: NoiseModel, blocks: int, effect: float, rng: np.random.Generator) -> tuple[Change, Grade]:
    """One experiment from the order of its plan and what its runs cost, with nothing in between."""
    design = _design(model, blocks, rng)
    runs = list(lay_out(design))
    before: list[float] = []
    after: list[float] = []
    sessions: dict[str, list[float]] = {}
    for index in range(model.sessions):
        factor = model.make(rng)
        own = [run for run in runs if run.session == index]
        cost: dict[tuple[int, str], float] = {}
        for place, run in enumerate(own):
            candidate = run.variant == _VARIANTS[1].name
            cost[run.block, run.variant] = (1.0 + effect * candidate) * factor(candidate, place / len(own))
        numbers = dict.fromkeys(run.block for run in own)
        first, second = ([cost[block, item.name] for block in numbers] for item in _VARIANTS)
        before += first
        after += second
        sessions[str(index)] = [math.log(b / a) for a, b in zip(first, second, strict=True)]
    return judge_values(before, after, sessions, design.level, design.smallest_effect)


def _design(model: NoiseModel, blocks: int, rng: np.random.Generator) -> Design:
    seed = int(rng.integers(2**31))
    return Design(_VARIANTS, blocks, seed, "energy_j", smallest_effect=0.0, warmups=0, sessions=model.sessions)


def _experiment(model: NoiseModel, blocks: int, effect: float, rng: np.random.Generator) -> Experiment:
    """Play one experiment, session after session."""
    plan = make_plan(_design(model, blocks, rng))
    runs: tuple[Run, ...] = ()
    for index in range(model.sessions):
        executor = ScriptedExecutor(_work(model, plan, index, effect, rng), _HOST)
        session = Session(f"session {index}", "node", f"boot {index}", "2026-01-01T00:00:00+00:00")
        experiment = run_experiment(plan, executor, _Nowhere(), session=session, environment={}, before=runs)
        runs = experiment.runs
    return experiment


def _work(
    model: NoiseModel, plan: Plan, index: int, effect: float, rng: np.random.Generator
) -> Callable[[Variant, PlannedRun, float], ScriptedWork]:
    factor = model.make(rng)
    runs = len(planned_session(plan, index))
    done = iter(range(runs))

    def work(variant: Variant, _planned: PlannedRun, _now_s: float) -> ScriptedWork:
        candidate = variant.name == "candidate"
        # Energy is idle + dynamic; both follow the duration, so that the truth is the factor itself.
        duration_s = (1.0 + effect * candidate) * factor(candidate, next(done) / runs)
        return ScriptedWork(duration_s=duration_s, cpu_s=duration_s, quality={"accuracy": 0.9})

    return work


class _Nowhere:
    """A RunSink for runs that nobody will ask for again."""

    def save_plan(self, plan: Plan, environment: Mapping[str, str]) -> None: ...

    def save_run(self, run: Run) -> None: ...

    def finish(self, experiment: str, complete: bool) -> None: ...
