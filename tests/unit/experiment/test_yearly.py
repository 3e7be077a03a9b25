"""What a saving comes to in a year, on a scripted machine whose true watts are known."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from wattleak.analysis.comparison import compare
from wattleak.errors import UsageError
from wattleak.executors.scripted import ScriptedExecutor, ScriptedHost, ScriptedWork
from wattleak.experiment.design import make_plan
from wattleak.experiment.runner import run_experiment
from wattleak.experiment.yearly import J_PER_KWH, Yearly, runs_per_year, yearly_saving
from wattleak.model import Design, Estimate, Experiment, Origin, PairComparison, Run, Session, Variant, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.model import Plan, PlannedRun

RUNS = 240_000.0
TRUE_KWH = RUNS * 15.0 / J_PER_KWH  # 3 W for each busy CPU, 5 CPU-seconds saved in each run


class Nowhere:
    """A RunSink that keeps nothing."""

    def save_plan(self, plan: Plan, environment: Mapping[str, str]) -> None: ...

    def save_run(self, run: Run) -> None: ...

    def finish(self, experiment: str, complete: bool) -> None: ...


def played(saved_s: float, *, blocks: int = 8, host: ScriptedHost | None = None) -> tuple[Experiment, PairComparison]:
    """Ten CPU-seconds, and so many less for the candidate, with one percent of scatter."""

    def work(variant: Variant, planned: PlannedRun, _now_s: float) -> ScriptedWork:
        true = 10.0 - (saved_s if variant.name == "fixed" else 0.0)
        cpu_s = true * random.Random(f"{variant.name} {planned.block}").gauss(1.0, 0.01)
        return ScriptedWork(duration_s=20.0, cpu_s=cpu_s)

    variants = (Variant("original", ("a",)), Variant("fixed", ("b",)))
    design = Design(variants=variants, blocks=blocks, seed=1, metric="cpu_s")
    session = Session("s1", "node", "boot", "2026-01-01T00:00:00+00:00")
    experiment = run_experiment(
        make_plan(design), ScriptedExecutor(work, host or ScriptedHost()), Nowhere(), session=session, environment={}
    )
    (pair,) = compare(experiment).pairs
    return experiment, pair


def modelled(experiment: Experiment) -> Experiment:
    """The same, as if its energy were modelled: between half and twice what is said."""

    def wider(run: Run) -> Run:
        energy = run.measurement.attributed_energy_j
        assert energy is not None
        vague = Estimate(energy.value, energy.value / 2, energy.value * 2, Origin.MODELLED)
        return replace(run, measurement=replace(run.measurement, attributed_energy_j=vague))

    return replace(experiment, runs=tuple(map(wider, experiment.runs)))


def test_it_is_the_attributed_energy_that_is_not_used_any_more() -> None:
    yearly = yearly_saving(*played(5.0), RUNS, region="DE", pue=1.5)
    assert isinstance(yearly, Yearly)
    energy, carbon = yearly.energy_j, yearly.carbon_g

    assert energy.low < energy.value < energy.high
    assert energy.low / J_PER_KWH < TRUE_KWH < energy.high / J_PER_KWH
    assert energy.value / J_PER_KWH == pytest.approx(TRUE_KWH, rel=0.05)
    assert carbon.value_g == pytest.approx(1.5 * energy.value / J_PER_KWH * carbon.intensity_g_per_kwh)
    assert carbon.low_g / carbon.high_g < energy.low / energy.high
    assert (carbon.region, carbon.pue) == ("DE", 1.5)


def test_its_range_holds_what_the_source_leaves_open() -> None:
    experiment, pair = played(5.0)
    exact = yearly_saving(experiment, pair, RUNS)
    vague = yearly_saving(modelled(experiment), pair, RUNS)
    assert isinstance(exact, Yearly)
    assert isinstance(vague, Yearly)
    change = pair.metrics["attributed_energy_j"]
    assert change.low is not None
    assert change.high is not None

    base_j = RUNS * change.reference
    assert vague.energy_j.value == exact.energy_j.value
    assert vague.energy_j.low == pytest.approx(base_j / 2 * -change.high)
    assert vague.energy_j.high == pytest.approx(base_j * 2 * -change.low)


@pytest.mark.parametrize(("saved_s", "blocks"), [(0.0, 8), (-2.0, 8), (5.0, 1), (5.0, 3)])
def test_without_the_verdict_there_is_none(saved_s: float, blocks: int) -> None:
    """Equal, costlier, one run, too few runs."""
    assert yearly_saving(*played(saved_s, blocks=blocks), RUNS) == "the verdict is not SAVING"


def test_a_trade_off_is_none() -> None:
    experiment, pair = played(5.0)

    assert yearly_saving(experiment, replace(pair, verdict=Verdict.TRADE_OFF), RUNS) == "the verdict is not SAVING"


def test_without_energy_there_is_none() -> None:
    experiment, pair = played(5.0, host=ScriptedHost(counter=False))

    assert pair.verdict is Verdict.SAVING
    assert "no energy was attributed" in str(yearly_saving(experiment, pair, RUNS))


def test_a_saving_of_something_else_is_none() -> None:
    """Of wall time, say: the energy went up."""
    experiment, pair = played(-2.0)
    told = yearly_saving(experiment, replace(pair, verdict=Verdict.SAVING), RUNS)

    assert told == "the energy attributed to the program is not shown to fall"


@pytest.mark.parametrize(
    ("text", "number"), [(None, None), ("365", 365.0), ("1,000", 1000.0), ("1e6", 1e6), ("0.5", 0.5)]
)
def test_runs_per_year(text: str | None, number: float | None) -> None:
    assert runs_per_year(text) == number


@pytest.mark.parametrize("text", ["0", "-3", "often", "nan", "inf", ""])
def test_what_is_no_number_of_runs(text: str) -> None:
    with pytest.raises(UsageError, match="--runs-per-year"):
        runs_per_year(text)
