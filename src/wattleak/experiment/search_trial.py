"""How often does a search find the cheapest setting? Scripted curves through the real pipeline.

    curve of true costs x noise model -> scripted program on a fake clock and a scripted meter -> plan, runner, race,
    attribution, readings -> the setting that is chosen, against the cheapest of the curve

Only processes and disk are left out, as in `wattleak selftest`. A fixed seed gives the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wattleak.analysis.tuning import judge
from wattleak.executors.scripted import ScriptedExecutor, ScriptedHost, ScriptedWork
from wattleak.experiment.design import make_plan
from wattleak.experiment.runner import run_experiment
from wattleak.experiment.search import CONFIRMATIONS, stopping
from wattleak.model import Design, Search, Session, Variant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wattleak.analysis.tuning import Tuning
    from wattleak.experiment.noise_models import NoiseModel
    from wattleak.model import Experiment, Plan, PlannedRun, Run

_HOST = ScriptedHost(cpus=64, idle_w=10.0, watts_per_busy_cpu=10.0)
_SESSION = Session("scripted", "node", "boot", "2026-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One search and the truth."""

    tuning: Tuning
    experiment: Experiment
    cheapest: str

    @property
    def is_right(self) -> bool:
        return self.tuning.chosen == self.cheapest

    @property
    def kept_the_best(self) -> bool:
        """Whether the best setting is among those that are said to hold it."""
        return self.cheapest in self.tuning.best

    @property
    def saved_runs(self) -> float:
        """Fraction of the runs of the full grid that was not made; the fresh blocks count as made."""
        return 1.0 - self.tuning.runs / self.tuning.full_grid


def search(
    curve: Mapping[str, float],
    model: NoiseModel,
    seed: Sequence[int],
    *,
    blocks: int = 12,
    confirmations: int = CONFIRMATIONS,
    quality: Mapping[str, float] | None = None,
    smallest_effect: float = 0.02,
) -> Outcome:
    """Search one curve of true costs, the first setting being the reference; `quality` is each one's accuracy."""
    rng = np.random.default_rng(list(seed))
    design = Design(
        tuple(Variant(name, (name,), levels={"setting": name}) for name in curve),
        blocks + confirmations,
        int(rng.integers(2**31)),
        "energy_j",
        smallest_effect=smallest_effect,
        stopping=stopping(blocks),
        search=Search(confirmations),
    )
    plan = make_plan(design, "5ea5c400")
    executor = ScriptedExecutor(_work(curve, quality or {}, model, plan, rng), _HOST)
    experiment = run_experiment(plan, executor, _Nowhere(), session=_SESSION, environment={})
    good = [name for name in curve if (quality or {}).get(name, 0.9) >= 0.9]
    return Outcome(judge(experiment), experiment, min(good, key=lambda name: curve[name]))


def _work(
    curve: Mapping[str, float], quality: Mapping[str, float], model: NoiseModel, plan: Plan, rng: np.random.Generator
) -> Callable[[Variant, PlannedRun, float], ScriptedWork]:
    factor = model.make(rng)
    first = plan.design.variants[0].name

    def work(variant: Variant, planned: PlannedRun, _now_s: float) -> ScriptedWork:
        # Energy is idle + dynamic; both follow the duration, so that the truth is the curve itself.
        part = max(0, planned.block) / plan.design.blocks
        duration_s = curve[variant.name] * factor(variant.name != first, part)
        accuracy = quality.get(variant.name, 0.9) + 0.001 * rng.standard_normal()
        return ScriptedWork(duration_s=duration_s, cpu_s=duration_s, quality={"accuracy": accuracy} if quality else {})

    return work


class _Nowhere:
    """A RunSink for runs that nobody will ask for again."""

    def save_plan(self, plan: Plan, environment: Mapping[str, str]) -> None: ...

    def save_run(self, run: Run) -> None: ...

    def finish(self, experiment: str, complete: bool) -> None: ...
