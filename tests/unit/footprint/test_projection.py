"""Projections against numbers that were worked out by hand: the arithmetic stands in the comments."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattleak.errors import UsageError
from wattleak.footprint.changes import whole_scenario
from wattleak.footprint.draws import MonteCarlo
from wattleak.footprint.inputs import Input, mean_of_runs
from wattleak.footprint.outlook import project
from wattleak.footprint.quantities import DimensionMismatch, of
from wattleak.footprint.scenario_file import read_scenarios
from wattleak.model import Origin

if TYPE_CHECKING:
    from wattleak.footprint.projected import Projection


def projected(seed: int = 0, draws: int = 20_000, **keys: object) -> Projection:
    return project(whole_scenario("test", keys), seed, draws)


def shipped(file: str, name: str) -> Projection:
    return project(whole_scenario(name, read_scenarios(file)[name]), 0)


def effect(projection: Projection, beginning: str) -> object:
    return next(item for item in projection.effects if item.name.startswith(beginning))


# -- worked scenarios ------------------------------------------------------------------------------------------------


def test_the_lhc_scenario_is_what_it_is_by_hand() -> None:
    """1,000,000 x 15 Wh = 15 MWh; x 0.5 kg/kWh = 7.5 t; 5 % of both 750 kWh and 375 kg; x 365 = 5475 MWh, 2737.5 t."""
    lhc = shipped("lhc", "lhc")
    assert lhc.day.energy_kwh.value == 15_000.0
    assert lhc.day.carbon_kg.value == 7_500.0
    assert lhc.year.energy_kwh.value == 5_475_000.0
    assert lhc.year.carbon_kg.value == 2_737_500.0
    gain = effect(lhc, "a gain of 5%")
    assert gain.day.energy_kwh.value == pytest.approx(-750.0, rel=1e-12)
    assert gain.day.carbon_kg.value == pytest.approx(-375.0, rel=1e-12)
    assert lhc.day.energy_kwh.low == lhc.day.energy_kwh.high == 15_000.0  # nothing in it has a range


def test_the_production_scenario_is_what_it_is_by_hand() -> None:
    """25.646 Wh / 7 = 3.66371 Wh of training and 1e6 x 0.084 Wh = 84 kWh of inference a day; 42.0018 kg."""
    production = shipped("production", "production")
    training, inference = (row.kwh_per_day.value for row in production.rows)
    assert training == pytest.approx(0.025646 / 7, rel=1e-12)
    assert inference == pytest.approx(84.0, rel=1e-12)
    assert production.year.energy_kwh.value == pytest.approx(365 * (0.025646 / 7 + 84.0), rel=1e-12)
    assert production.day.carbon_kg.value == pytest.approx(0.5 * (0.025646 / 7 + 84.0), rel=1e-12)
    assert production.balance is not None
    assert production.balance.break_even_inferences == pytest.approx(25.646 / 0.084, rel=1e-12)
    assert production.balance.break_even_days.value * 86_400 == pytest.approx(25.646 / 84_000 * 86_400, rel=1e-12)


def test_six_models_at_yearly_retraining() -> None:
    """137.7 kJ once a year are 38.25 Wh, at the world's 458 g/kWh 17.5185 g."""
    densenet = shipped("six-models", "densenet-201")
    assert densenet.year.energy_kwh.value == pytest.approx(0.03825, rel=1e-12)
    assert densenet.year.carbon_kg.value == pytest.approx(0.0175185, rel=1e-9)


# -- every named term by hand ----------------------------------------------------------------------------------------


def test_every_term_by_hand() -> None:
    """A day of 100 kWh: 1000 jobs of 100 Wh.

    repeats  100 x 0.2/0.8 x 0.5                    = 12.5      tried = 112.5
    scheduler 112.5 x 0.08 = 9    efficiency 112.5 x (1/0.9 - 1) = 12.5
    storage  112.5 x 0.1 x -0.2 = -2.25    throttling 112.5 x 0.04 = 4.5    computers = 136.25
    idle     136.25 x 0.25/0.75 x 0.3               = 13.625    running = 149.875
    building 149.875 x 0.4                          = 59.95     a day = 209.825
    """
    found = projected(
        job="100 Wh",
        jobs_per_day=1000,
        failure_rate="20%",
        failed_cost="50%",
        scheduler_overhead="8%",
        batch_efficiency="90%",
        storage=["ssd:10%:-20%"],
        throttling="4%",
        utilisation="75%",
        idle_share="30%",
        pue=1.4,
        intensity="500 g/kWh",
        price="0.20 EUR",
        wue=2,
        grid_water=3,
    )
    terms = {row.name: row.kwh_per_day.value for row in found.rows}
    assert terms == {
        "jobs": pytest.approx(100.0),
        "failures and retries": pytest.approx(12.5),
        "scheduler overhead": pytest.approx(9.0),
        "batch efficiency": pytest.approx(12.5),
        "storage: ssd": pytest.approx(-2.25),
        "thermal throttling": pytest.approx(4.5),
        "idle machines": pytest.approx(13.625),
        "building (PUE)": pytest.approx(59.95),
    }
    assert found.day.energy_kwh.value == pytest.approx(209.825)
    assert found.day.carbon_kg.value == pytest.approx(104.9125)
    assert found.day.money is not None
    assert found.day.water_l is not None
    assert found.day.money.value == pytest.approx(41.965)
    assert found.day.water_l.value == pytest.approx(2 * 149.875 + 3 * 209.825)


def test_places_and_hours_by_hand() -> None:
    """Mix 0.6 x 100 + 0.4 x 300 = 180 g/kWh is told by places; work in hours of half the mean emits half."""
    day = [50.0] * 12 + [150.0] * 12  # mean 100
    clean = projected(job="1 kWh", jobs_per_day=1, intensity="100 g/kWh", hours="0-12", hourly_intensity=day)
    assert clean.day.carbon_kg.value == pytest.approx(0.05)
    dirty = projected(job="1 kWh", jobs_per_day=1, intensity="100 g/kWh", hours="12-24", hourly_intensity=day)
    assert dirty.day.carbon_kg.value == pytest.approx(0.15)
    assert effect(dirty, "shifting hours to 0-12").day.carbon_kg.value == pytest.approx(-0.1)
    mixed = projected(job="1 kWh", jobs_per_day=1, region="DE:0.6,FR:0.4")
    alone = [projected(job="1 kWh", jobs_per_day=1, region=code).day.carbon_kg.value for code in ("DE", "FR")]
    assert mixed.day.carbon_kg.value == pytest.approx(0.6 * alone[0] + 0.4 * alone[1])


def test_growth_runs_on_through_the_year() -> None:
    """The mean of 2^t over a year is 1/ln 2: 365 days count 526.6 of today's size."""
    found = projected(job="1 kWh", jobs_per_day=1, intensity=100, growth="100%")
    assert found.year.energy_kwh.value == pytest.approx(365 / math.log(2))
    assert projected(job="1 kWh", jobs_per_day=1, intensity=100, growth="0%").year.energy_kwh.value == 365.0


def test_a_change_of_hardware_and_quoted_figures_say_that_they_are_quoted() -> None:
    """1000 jobs, 60 % on a CPU of 23.4 Wh and 40 % on a GPU of 5.1 Wh: 16.08 kWh; all on the GPU 5.1 kWh."""
    found = projected(
        jobs_per_day=1000, hardware=["cpu:60%:quoted", "gpu:40%:quoted"], hardware_to="gpu", intensity=100
    )
    assert found.day.energy_kwh.value == pytest.approx(16.08)
    assert found.day.energy_kwh.origin is Origin.QUOTED
    assert effect(found, "all jobs on gpu").day.energy_kwh.value == pytest.approx(5.1 - 16.08)


def test_pue_by_temperature() -> None:
    """Between 10 degrees (1.1) and 30 (1.3) a straight line: the mean over 0, 20 and 40 degrees is (1.1+1.2+1.3)/3."""
    found = projected(job="1 kWh", jobs_per_day=1, intensity=100, pue_at="10:1.1,30:1.3", temperature="0,20,40")
    assert found.day.energy_kwh.value == pytest.approx(1.2)


# -- intervals -------------------------------------------------------------------------------------------------------


def test_one_uncertain_input_gives_its_own_interval() -> None:
    """Ends of the energy are ends of the projection: 1000 x 80..130 Wh around 100."""
    found = projected(job="100 [80, 130] Wh", jobs_per_day=1000, intensity=500, draws=20_000)
    assert found.day.energy_kwh.value == pytest.approx(100.0)
    assert found.day.energy_kwh.low == pytest.approx(80.0, rel=1e-3)
    assert found.day.energy_kwh.high == pytest.approx(130.0, rel=1e-3)
    (swing,) = found.swings
    assert (swing.energy_low_kwh, swing.energy_high_kwh) == (pytest.approx(29_200), pytest.approx(47_450))


def test_independent_factors_add_as_logarithms() -> None:
    """Two factors of e^(±0.3) at 95 % make e^(±0.3 root 2)."""
    low, high = math.exp(-0.3), math.exp(0.3)
    found = projected(
        job=f"100 [{100 * low}, {100 * high}] Wh",
        jobs_per_day=1000,
        intensity=f"500 [{500 * low}, {500 * high}] g/kWh",
        draws=40_000,
    )
    assert math.log(found.day.carbon_kg.high / found.day.carbon_kg.value) == pytest.approx(0.3 * math.sqrt(2), rel=0.02)


def test_the_widest_input_is_on_top_of_the_tornado() -> None:
    found = projected(job="100 Wh ± 5%", jobs_per_day="1000", intensity="500 g/kWh ± 40%", pue="1.2..1.3")
    assert [swing.input.key for swing in found.swings] == ["carbon intensity", "energy of a job", "PUE"]


def test_what_two_scenarios_share_cancels_in_an_effect() -> None:
    """A gain of exactly 5 % is 5 % however uncertain the energy is; one of 4..6 % is not."""
    found = projected(job="100 Wh ± 50%", jobs_per_day=1000, intensity=500, saving="4..6%")
    exact = effect(found, "a gain of 5%")
    assert exact.relative.high - exact.relative.low < 1e-9
    wide = effect(found, "a saving of 4..6%")
    assert (wide.relative.low, wide.relative.high) == (pytest.approx(-0.06, abs=5e-4), pytest.approx(-0.04, abs=5e-4))


def test_no_draw_lies_where_an_input_cannot_be() -> None:
    pue = Input("PUE", 1.05, 1.0, 2.0, least=1.0)
    drawn = MonteCarlo(1, 50_000)(pue).base
    assert drawn.min() >= 1.0


@given(st.floats(0.01, 0.5), st.integers(2, 50))
@settings(max_examples=25)
def test_intervals_shrink_with_the_root_of_the_number_of_runs(spread: float, pairs: int) -> None:
    """The same two values again and again: the width falls, and at the limit as 1/sqrt(n)."""
    few = mean_of_runs("x", [1 - spread, 1 + spread] * 2, Origin.COUNTER, "runs")
    many = mean_of_runs("x", [1 - spread, 1 + spread] * (2 * pairs), Origin.COUNTER, "runs")
    assert many.value == pytest.approx(few.value)
    assert math.log(many.high / many.low) < math.log(few.high / few.low) / math.sqrt(pairs) * 1.0001
    assert 0 < many.low < many.value < many.high


def test_the_interval_of_a_mean_against_student() -> None:
    """90, 100, 110: mean 100, s 10, t(2) = 4.302653; half-width of the log 43.02653 / (100 x root 3) = 0.248414."""
    found = mean_of_runs("x", [90.0, 100.0, 110.0], Origin.COUNTER, "runs")
    assert found.high == pytest.approx(100 * math.exp(0.2484138), rel=1e-6)


# -- properties ------------------------------------------------------------------------------------------------------

_NUMBERS = st.integers(1, 10**9)


@given(_NUMBERS, st.integers(1, 1000))
@settings(max_examples=30)
def test_linear_in_jobs(jobs: int, times: int) -> None:
    one, many = (projected(job="15 Wh ± 20%", jobs_per_day=n, region="DE", draws=200) for n in (jobs, jobs * times))
    for name in ("energy_kwh", "carbon_kg"):
        a, b = getattr(one.year, name), getattr(many.year, name)
        assert (b.value, b.low, b.high) == tuple(pytest.approx(times * end) for end in (a.value, a.low, a.high))


@given(_NUMBERS, _NUMBERS)
@settings(max_examples=30)
def test_additive_over_jobs_and_over_hardware(first: int, second: int) -> None:
    a, b, both = (projected(job="15 Wh", jobs_per_day=n, pue=1.3, draws=100) for n in (first, second, first + second))
    assert a.day.energy_kwh.value + b.day.energy_kwh.value == pytest.approx(both.day.energy_kwh.value)
    share = first / (first + second)
    kinds = [f"x:{share!r}:15 Wh", f"y:{1 - share!r}:15 Wh"]
    mixed = projected(hardware=kinds, jobs_per_day=first + second, pue=1.3, draws=100)
    assert mixed.day.energy_kwh.value == pytest.approx(both.day.energy_kwh.value)


@given(st.integers(0, 2**40))
@settings(max_examples=15)
def test_a_seed_reproduces_and_another_one_agrees_about(seed: int) -> None:
    keys = {"job": "15 Wh ± 20%", "jobs_per_day": "1M", "region": "DE:0.5,FR:0.5", "pue": "1.2..1.5"}
    first, again, other = (
        projected(seed, 4000, **keys),
        projected(seed, 4000, **keys),
        projected(seed + 1, 4000, **keys),
    )
    assert first.year == again.year
    assert first.year.carbon_kg != other.year.carbon_kg
    assert first.year.carbon_kg.high == pytest.approx(other.year.carbon_kg.high, rel=0.15)


@given(st.sampled_from(["mJ", "J", "kJ", "MJ", "GJ", "mWh", "Wh", "kWh", "MWh"]), st.floats(1e-3, 1e3))
def test_units_agree_with_the_si(unit: str, number: float) -> None:
    joules = {"mJ": 1e-3, "J": 1, "kJ": 1e3, "MJ": 1e6, "GJ": 1e9, "mWh": 3.6, "Wh": 3600, "kWh": 3.6e6, "MWh": 3.6e9}
    assert of(number, unit).in_unit("J") == pytest.approx(number * joules[unit])


# -- dimensions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: of(1, "kWh") + of(1, "kg"),
        lambda: of(1, "EUR") + of(1, "USD"),
        lambda: of(1, "Wh/job") * of(1, "training/day") + of(1, "Wh/day"),
        lambda: of(1, "kWh").in_unit("kWh/day"),
        lambda: of(1, "kWh") - 1.0,
    ],
)
def test_dimensions_cannot_be_mixed(wrong: object) -> None:
    with pytest.raises(DimensionMismatch):
        wrong()


def test_an_input_of_another_dimension_is_caught_in_the_formula() -> None:
    """Were a reader of ours to let a mass pass as an energy, no number would come out."""
    scenario = whole_scenario("x", {"job": "15 Wh", "jobs_per_day": 1000})
    (stream,) = scenario.streams
    mass = replace(stream.work.energy, dimension=(("g", 1),))
    wrong = replace(scenario, streams=(replace(stream, work=replace(stream.work, energy=mass)),))
    with pytest.raises(DimensionMismatch):
        project(wrong, 0, 10)


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"job": "15 kg"}, "is a mass, not an energy"),
        ({"job": "15"}, "has no unit"),
        ({"job": "15 wh"}, "there is no unit 'wh'"),
        ({"job": "1,5 Wh"}, "is no number"),
        ({"job": "-15 Wh"}, "cannot be"),
        ({"job": "18..12 Wh"}, "no range with its value inside"),
        ({"job": "15 Wh", "jobs_per_day": "many"}, "is no number"),
        ({"job": "15 Wh", "jobs_per_dya": 3}, "unknown key 'jobs_per_dya'"),
        ({"job": "15 Wh", "pue": "0.9"}, "at least 1"),
        ({"job": "15 Wh", "saving": "31% ± 10%"}, "can be read in two ways"),
        ({"job": "15 Wh", "failure_rate": "120%"}, "between 0 and"),
        ({"job": "15 Wh", "utilisation": "60%"}, "only known together"),
        ({"job": "15 Wh", "scheduler": "slrum"}, "no figure is quoted of 'slrum'"),
        ({"job": "15 Wh", "storage": ["ssd:10%"]}, "no figure is quoted of 'ssd'"),
        ({"job": "15 Wh", "storage": ["nvme:60%"], "network": ["rdma:60%"]}, "together are 120%"),
        ({"job": "15 Wh", "region": "DE:0.6,FR:0.3"}, "add up to 0.9"),
        ({"job": "15 Wh", "region": "Germny"}, "no carbon intensity is known"),
        ({"job": "15 Wh", "region": "DE", "intensity": 300}, "both stated"),
        ({"job": "15 Wh", "hours": "25-30"}, "no stretch of a day"),
        ({"job": "15 Wh", "hourly_intensity": "1,2,3"}, "a day has 24 hours"),
        ({"job": "15 Wh", "price": "0.3"}, "no currency"),
        ({"job": "15 Wh", "hardware": ["gpu:100%:5 Wh"]}, "leave one of them out"),
        ({"hardware": ["gpu:50%:5 Wh"]}, "add up to 0.5"),
    ],
)
def test_what_cannot_be_is_said_in_one_error_with_a_way_out(keys: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        projected(**{"jobs_per_day": 1000, **keys})
    assert says in f"{caught.value.message} {caught.value.remedy}"
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("keys", "near"),
    [
        ({"jobs_per_dya": 3}, "jobs_per_day"),
        ({"scheduler": "slrum"}, "slurm"),
        ({"region": "Germny"}, "DE"),
        ({"job": "15 wh"}, "Wh"),
    ],
)
def test_errors_name_the_nearest(keys: dict[str, object], near: str) -> None:
    with pytest.raises(UsageError) as caught:
        projected(**{"job": "15 Wh", "jobs_per_day": 1000, **keys})
    assert near in caught.value.remedy


def test_an_energy_without_a_number_and_a_number_without_an_energy() -> None:
    with pytest.raises(UsageError, match="how often is not stated"):
        projected(job="15 Wh")
    with pytest.raises(UsageError, match="not the energy of one"):
        projected(job="15 Wh", jobs_per_day=1, inferences_per_day=5)
