"""What a run comes to besides joules, whether it matters, and what finding that out cost: all by hand."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unit.reports.report_examples import counted_measurement, experiment
from wattleak.cli.settings import Settings
from wattleak.documents import measurement_document, measurement_from_document
from wattleak.documents.own_cost import own_cost
from wattleak.errors import UsageError
from wattleak.footprint.account import account, functional_unit, stated
from wattleak.footprint.context import EXPERIMENT_RUNS, HOPED_FOR, matters, of_a_year, one_run, pays_after
from wattleak.footprint.intensity import carbon
from wattleak.model import Estimate, Origin, StepCost


def joules(value, origin=Origin.COUNTER):
    return Estimate(value, value, value, origin)


def run(kwh=10.0, hours=1.0, **more):
    energy = None if kwh is None else joules(kwh * 3.6e6)
    return replace(
        counted_measurement(),
        duration_s=hours * 3600,
        attributed_energy_j=energy,
        carbon_g=None if energy is None else carbon(energy, "400 g/kWh", 1.2),
        **more,
    )


def steps(count, samples):
    return StepCost("train", count, 1, 1.0, None, None, None, samples, None, None)


ALL = {
    "price_per_kwh": "0.25 EUR",
    "wue_l_per_kwh": "1.5",
    "grid_water_l_per_kwh": "2..4",
    "embodied": "876 kg",
    "device_life_years": 2.0,
    "utilisation": 0.5,
    "per": "1000 prediction",
    "with_equivalents": True,
}


def test_every_stated_term_by_hand():
    """10 kWh in an hour, PUE 1.2, 400 g/kWh: 4800 g; 12 kWh x 0.25; 10 x 1.5 l; 12 x 3 l; 876 kg / 8760 h = 100 g."""
    terms, notes = account(run(), stated(**ALL))
    found = {term.name: (term.unit, term.amount.value) for term in terms}
    assert notes == ()
    assert found["electricity"] == ("EUR", pytest.approx(3.0))
    assert found["water on site"] == ("L", pytest.approx(15.0))
    assert found["water at the power station"] == ("L", pytest.approx(36.0))
    assert found["embodied"] == ("g", pytest.approx(100.0))
    assert found["SCI operational"] == ("g/prediction", pytest.approx(4.8))
    assert found["SCI embodied"] == ("g/prediction", pytest.approx(0.1))
    assert found["SCI"] == ("g/prediction", pytest.approx(4.9))
    assert found["smartphone"] == ("charges", pytest.approx(4800 / 12.4))


def test_what_nobody_stated_is_absent():
    assert stated().is_empty
    assert account(run(), stated()) == ((), ())


def test_without_an_energy_only_what_does_not_need_one_is_there():
    terms, notes = account(run(kwh=None), stated(**ALL))
    assert [term.name for term in terms] == ["embodied"]
    assert len(notes) == 3


@pytest.mark.parametrize(("per", "units"), [("run", 1), ("step", 50), ("sample", 3200)])
def test_the_run_says_how_much_it_did(per, units):
    asked = stated(embodied="876 kg", device_life_years=1.0, per=per)
    terms, _ = account(run(steps=(steps(50, 3200), steps(2, 9))), asked)
    score = next(term for term in terms if term.name == "SCI")
    assert score.amount.value == pytest.approx((4800 + 100) / units)
    assert score.unit == f"g/{per}"


def test_a_run_that_marked_nothing_has_no_score_per_sample():
    terms, notes = account(run(steps=()), stated(embodied="876 kg", device_life_years=1.0, per="sample"))
    assert [term.name for term in terms] == ["embodied"]
    assert notes == ("no SCI score: the run marked no samples",)


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"embodied": "1 kg"}, "life"),
        ({"device_life_years": 4.0}, "embodied"),
        ({"per": "run"}, "embodied"),
        ({"utilisation": 0.5}, "embodied"),
        ({"embodied": "1 kg", "device_life_years": 1.0, "per": "prediction"}, "SCI"),
        ({"embodied": "1 kg", "device_life_years": 1.0, "per": "0 prediction"}, "SCI"),
        ({"embodied": "1 kg", "device_life_years": 1.0, "per": "1000"}, "SCI"),
        ({"price_per_kwh": "cheap"}, "price"),
    ],
)
def test_what_says_too_little_is_refused(what, says):
    with pytest.raises(UsageError) as caught:
        stated(**what)
    assert says in caught.value.message
    assert caught.value.remedy


def test_functional_units_as_they_are_written():
    assert functional_unit("1000 prediction") == (1000.0, "prediction")
    assert functional_unit("Run") == (1.0, "run")


def test_terms_survive_the_store():
    terms, _ = account(run(), stated(**ALL))
    stored = measurement_from_document(measurement_document(replace(run(), footprint=terms)))
    assert stored.footprint == terms
    assert "footprint" not in measurement_document(run())


@pytest.mark.parametrize(
    ("energy_j", "says"),
    [
        (0.0, "no energy"),
        (41.8, "1/1,000 of a phone charge"),
        (54_000.0, "30 minutes of a laptop"),
        (324_000.0, "3.0 hours of a laptop"),
        (108e6, "1,000 hours of a laptop"),
    ],
)
def test_an_amount_beside_what_people_know(energy_j, says):
    assert says in matters(joules(energy_j))


def test_emissions_of_a_flight_are_named_once_they_are_a_thousandth_of_one():
    tonne = joules(3.6e6 * 2500)  # at 400 g/kWh: 1000 kg
    assert "60 % of a flight" in matters(tonne, carbon(tonne, "400 g/kWh"))
    small = joules(3.6e6)
    assert "flight" not in matters(small, carbon(small, "400 g/kWh"))


def test_a_million_runs_and_when_an_experiment_pays():
    said = one_run(joules(36.0))
    assert "a million such runs use 10 kWh" in said
    assert f"after {round(EXPERIMENT_RUNS / HOPED_FOR)} runs" in said


def test_a_year_of_a_fleet_beside_laptops_and_flights():
    """15 MWh a day are 5475 MWh a year; a laptop of 30 W uses 262.8 kWh; 2738 t are 1641 flights of 1668 kg."""
    said = of_a_year(5475e3 * 3.6e6, 2738e6)
    assert "what 21,000 laptops at work day and night use" in said
    assert "1,600 flights" in said
    assert "2.0 hours at work" in of_a_year(2 * 108_000.0, 24.0)


def test_an_experiment_is_given_back_after_its_cost_over_the_saving():
    assert pays_after(1000.0, 30.0) == 34
    assert pays_after(1000.0, 0.0) is None
    assert pays_after(1000.0, -1.0) is None


def test_an_experiment_costs_what_all_its_runs_cost():
    runs = experiment().runs
    cost = own_cost(experiment())
    energies = [one.measurement.attributed_energy_j for one in runs]
    assert cost.runs == len(runs)
    assert cost.cpu_s == pytest.approx(sum(one.measurement.cpu_s for one in runs))
    assert cost.energy_j[0].value == pytest.approx(sum(energy.value for energy in energies))
    assert cost.unknown == 0


def test_measured_and_modelled_energies_of_an_experiment_are_not_added():
    one, *others = experiment().runs
    changed = replace(one, measurement=replace(one.measurement, attributed_energy_j=joules(7.0)))
    nothing = replace(others[0], measurement=replace(others[0].measurement, attributed_energy_j=None))
    cost = own_cost(replace(experiment(), runs=(changed, nothing, *others[1:])))
    assert {energy.origin for energy in cost.energy_j} == {Origin.COUNTER, Origin.MODELLED}
    assert cost.unknown == 1


@given(st.floats(min_value=0, max_value=1e6), st.floats(min_value=0, max_value=1e6))
def test_two_runs_come_to_what_each_comes_to(one, other):
    asked = stated(price_per_kwh="0.2 EUR", wue_l_per_kwh="1.5")
    sums = [
        a.amount.value + b.amount.value for a, b in zip(*(account(run(k), asked)[0] for k in (one, other)), strict=True)
    ]
    assert [term.amount.value for term in account(run(one + other), asked)[0]] == pytest.approx(sums, rel=1e-9)


class Words:
    """A parsed command line with nothing on it but what is given."""

    def __init__(self, **given):
        self.__dict__ = given


def test_the_region_says_where_the_intensity_comes_from(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sites.csv").write_text("region,g_per_kwh\nBerlin,12\n")
    assert Settings.resolve(Words(stated_intensity="350")).region == "350.0 g/kWh"
    assert (
        Settings.resolve(Words(region="berlin", stated_intensity_table="sites.csv")).region == "table:sites.csv::berlin"
    )
    assert Settings.resolve(Words(region="DE", stated_intensity_table="sites.csv")).region == "DE"
    asked = Settings.resolve(Words(region="GB", stated_provider="uk-carbon-intensity"))
    assert asked.region == "online:uk-carbon-intensity::GB"


def test_the_configuration_states_what_the_command_line_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        "[tool.wattleak]\nprice = '0.3 EUR'\nwue = 1.8\nembodied = '900 kg'\ndevice-life = 4\nequivalents = true\n"
    )
    found = Settings.resolve(Words())
    assert (found.price, found.wue, found.embodied, found.device_life) == ("0.3 EUR", "1.8", "900 kg", 4.0)
    assert found.equivalents
    assert Settings.resolve(Words(stated_price="0.4 EUR")).price == "0.4 EUR"
    assert Settings.resolve(Words(price=["0.4 EUR"])).price == "0.3 EUR"  # another verb's option of that name
