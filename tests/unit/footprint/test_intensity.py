"""Carbon by hand from the published figures: Ember's Germany, EPA's California, Google's Belgium, the world."""

import json
from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattleak.errors import UsageError
from wattleak.footprint.intensity import carbon, intensity
from wattleak.model import Estimate, Origin

ONE_KWH = Estimate(3.6e6, 3.6e6, 3.6e6, Origin.COUNTER)
DATA = files("wattleak.footprint") / "data"
TABLES = [DATA / name for name in ("ember_countries.json", "egrid_us_states.json", "gcp_regions.json")]


@pytest.mark.parametrize(
    ("region", "spelled", "value", "year"),
    [
        ("DE", "DE", 329.65, 2025),  # Ember through Our World in Data
        ("de", "DE", 329.65, 2025),
        ("US-CA", "US-CA", 394.769 * 0.45359237, 2023),  # EPA eGRID2023: 394.769 lb/MWh
        ("gcp:europe-west1", "gcp:europe-west1", 103.37, 2024),
        ("GCP:Europe-West1", "gcp:europe-west1", 103.37, 2024),
        ("World", "world", 458.0, 2025),
        ("Germany", "DE", 329.65, 2025),
        ("UK", "GB", 217.41, 2025),
    ],
)
def test_published_values(region, spelled, value, year):
    found = intensity(region)
    assert (found.region, found.year) == (spelled, year)
    assert found.value == pytest.approx(value, abs=0.005)
    assert found.low < found.value < found.high
    assert found.source
    assert found.licence
    assert found.table


def test_no_region_is_the_world_with_the_spread_of_its_countries_and_a_note():
    found = intensity(None)
    countries = json.loads((files("wattleak.footprint") / "data" / "ember_countries.json").read_text())["regions"]
    low, high = np.percentile([value for value, _ in countries.values()], [5, 95])
    assert (found.region, found.value) == ("world", 458.0)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert "no region given" in found.note
    assert "no region given" not in intensity("world").note


def test_a_region_covers_the_hours_of_the_year_that_were_measured():
    """95 % of the hours of 2020 lay within these multiples of the yearly mean (data of Wiesner et al., 2021)."""
    found = intensity("FR")
    for low, high in ((0.436, 1.723), (0.489, 1.615), (0.397, 1.680)):
        assert found.low / found.value <= low + 0.005
        assert found.high / found.value >= high


def test_a_figure_that_is_long_out_of_date_says_so_and_promises_no_more_than_the_world():
    old, world = intensity("CF"), intensity("world")  # Central African Republic: nothing published since 2012
    assert old.year == 2012
    assert old.low <= world.low
    assert old.high >= world.high
    assert "2012" in old.note


@pytest.mark.parametrize(
    ("region", "near"), [("DX", "DE"), ("gcp:europe-west7", "gcp:europe-west"), ("US-ZA", "US-"), ("wrld", "world")]
)
def test_an_unknown_region_is_refused_with_the_nearest(region, near):
    with pytest.raises(UsageError) as caught:
        intensity(region)
    assert repr(region) in caught.value.message
    assert near in caught.value.remedy


def test_carbon_is_energy_times_pue_times_intensity():
    result = carbon(ONE_KWH, "DE", pue=1.2)
    assert result.value_g == pytest.approx(1.2 * 329.65)
    assert result.low_g == pytest.approx(1.2 * 329.65 * 0.40)
    assert result.high_g == pytest.approx(1.2 * 329.65 * 1.75)
    assert (result.pue, result.region, result.year, result.origin) == (1.2, "DE", 2025, Origin.COUNTER)
    assert "PUE" not in result.note


def test_the_range_takes_in_energy_and_intensity():
    modelled = Estimate(7200.0, 3600.0, 14400.0, Origin.MODELLED)  # 2 Wh, known within a factor of two
    result = carbon(modelled, "gcp:europe-west1")
    assert result.value_g == pytest.approx(0.002 * 103.37)
    assert result.low_g == pytest.approx(0.001 * 103.37 * 0.40)
    assert result.high_g == pytest.approx(0.004 * 103.37 * 1.75)
    assert result.origin is Origin.MODELLED
    assert result.pue == 1.0
    assert "no PUE given" in result.note


def test_no_energy_emits_nothing():
    result = carbon(Estimate(0.0, 0.0, 0.0, Origin.COUNTER), None)
    assert (result.value_g, result.low_g, result.high_g) == (0.0, 0.0, 0.0)
    assert "no region given" in result.note


@pytest.mark.parametrize("pue", [0.9, 0.0, -1.0, float("nan"), float("inf")])
def test_a_pue_below_one_is_refused(pue):
    with pytest.raises(UsageError):
        carbon(ONE_KWH, "DE", pue=pue)


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_every_table_says_where_it_is_from_and_holds_plausible_values(path):
    table = json.loads(path.read_text(encoding="utf-8"))
    assert all(table[key] for key in ("version", "source", "licence", "url", "basis", "modifications"))
    for code, (value, year) in table["regions"].items():
        assert 0 < value < 1500, code
        assert 2000 <= year <= 2026, code


amounts = st.floats(min_value=0, max_value=1e15)


def grams(joules, region="DE", pue=1.0):
    found = carbon(Estimate(joules, joules / 2, joules * 2, Origin.MODELLED), region, pue)
    return found.value_g, found.low_g, found.high_g


@given(amounts, st.floats(min_value=1e-3, max_value=1e3))
def test_emissions_are_linear_in_energy_and_in_pue(joules, factor):
    assert grams(joules * factor) == pytest.approx(tuple(factor * part for part in grams(joules)), rel=1e-9)
    assert grams(joules, pue=1 + factor) == pytest.approx(
        tuple((1 + factor) * part for part in grams(joules)), rel=1e-9
    )


@given(amounts, amounts)
def test_two_jobs_emit_what_each_emits(one, other):
    apart = [grams(part) for part in (one, other)]
    assert grams(one + other) == pytest.approx(tuple(map(sum, zip(*apart, strict=True))), rel=1e-9)


@given(amounts, st.sampled_from(["DE", "US-CA", "gcp:europe-west1", "aws:eu-north-1", "world", "350 [300, 420] g/kWh"]))
def test_the_value_lies_in_its_range_and_the_unit_is_grams_per_kwh(joules, region):
    value, low, high = grams(joules, region)
    assert low <= value <= high
    assert value == pytest.approx(joules / 3.6e6 * intensity(region).value, rel=1e-9)
