"""Money, water, embodied emissions, SCI and equivalents by hand; units that do not fit are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattleak.errors import UsageError
from wattleak.footprint.embodied import Device, embodied_kg
from wattleak.footprint.equivalents import equivalents
from wattleak.footprint.intensity import carbon
from wattleak.footprint.price import cost, price
from wattleak.footprint.sci import sci
from wattleak.footprint.terms import figure, total
from wattleak.footprint.water import grid_water, water, wue
from wattleak.model import Estimate, Origin, Term


def exactly(value, origin=Origin.COUNTER):
    return Estimate(value, value, value, origin)


TEN_KWH = exactly(36e6)
joules = st.floats(min_value=0, max_value=1e15)
factors = st.floats(min_value=1e-6, max_value=1e6)


def parts(estimate):
    return (estimate.value, estimate.low, estimate.high)


@pytest.mark.parametrize(
    ("text", "value", "low", "high", "currency"),
    [
        ("0.30 EUR", 0.30, 0.30, 0.30, "EUR"),
        ("0.30EUR/kWh", 0.30, 0.30, 0.30, "EUR"),
        ("0.25..0.45 usd", 0.35, 0.25, 0.45, "USD"),
        ("0.30 [0.25, 0.40] CHF per kWh", 0.30, 0.25, 0.40, "CHF"),
        ("0.3 €", 0.3, 0.3, 0.3, "EUR"),
    ],
)
def test_a_price_is_read_with_its_currency_and_range(text, value, low, high, currency):
    found = price(text)
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high))
    assert (found.unit, found.per, found.origin) == (currency, "kWh", Origin.CONSTANT)


@pytest.mark.parametrize(
    "text", ["0.30", "EUR", "-0.3 EUR", "0.4..0.3 EUR", "1 [2, 3] EUR", "nan EUR", "1.2.3 EUR", ""]
)
def test_a_price_that_says_too_little_is_refused_with_an_example(text):
    with pytest.raises(UsageError) as caught:
        price(text)
    assert "EUR" in caught.value.remedy


def test_cost_by_hand():
    """10 kWh at PUE 1.2 are 12 kWh; at 0.25 to 0.45 (middle 0.35) they cost 3.00 to 5.40, 4.20 in the middle."""
    bill = cost(TEN_KWH, price("0.25..0.45 EUR"), pue=1.2)
    assert parts(bill.amount) == pytest.approx((4.20, 3.00, 5.40))
    assert (bill.unit, bill.amount.origin, bill.source) == ("EUR", Origin.COUNTER, "price stated by the user")


def test_water_by_hand_on_site_of_the_computers_alone_and_at_the_power_station_with_the_building():
    on_site, station = water(TEN_KWH, wue("1.8"), grid_water("1..4 L/kWh"), pue=1.5)
    assert parts(on_site.amount) == pytest.approx((18.0, 18.0, 18.0))
    assert parts(station.amount) == pytest.approx((37.5, 15.0, 60.0))
    assert (on_site.unit, station.unit) == ("L", "L")
    assert total("water", (on_site, station)).amount.value == pytest.approx(55.5)


def test_water_that_was_not_stated_is_absent():
    assert water(TEN_KWH, None, None) == ()
    assert [term.name for term in water(TEN_KWH, None, grid_water(3))] == ["water at the power station"]


def test_embodied_by_hand():
    """1752 kg over four years are 50 g an hour; used half the time 100 g; 90 minutes of a quarter of it 37.5 g."""
    device = Device(embodied_kg("1752 kg"), life_years=4, utilisation=0.5)
    assert device.per_hour().value == pytest.approx(100.0)
    term = device.term(5400, share=0.25)
    assert parts(term.amount) == pytest.approx((37.5, 37.5, 37.5))
    assert (term.unit, term.amount.origin) == ("g", Origin.CONSTANT)
    quoted = Device(embodied_kg("1.2 t", Origin.QUOTED), life_years=4)
    assert quoted.embodied_kg.value == pytest.approx(1200)
    assert quoted.term(3600).amount.origin is Origin.QUOTED


@pytest.mark.parametrize(
    ("kilograms", "years", "share"), [("100 kg", 0, 1), ("100 kg", -1, 1), ("100 kg", 4, 0), ("100 kg", 4, 1.1)]
)
def test_a_device_that_cannot_be_is_refused(kilograms, years, share):
    with pytest.raises(UsageError):
        Device(embodied_kg(kilograms), years, share)


def test_embodied_in_another_unit_is_refused():
    with pytest.raises(UsageError, match="not in kg"):
        embodied_kg("12 kWh")


def test_sci_by_hand():
    """(10 kWh x 329.65 g/kWh + 100 g) / 1000 predictions = 3.3965 g a prediction."""
    device = Device(embodied_kg("876 kg"), life_years=1)  # 100 g an hour
    score = sci(carbon(TEN_KWH, "DE"), device.term(3600), 1000, "prediction")
    assert score.operational.amount.value == pytest.approx(3.2965)
    assert score.embodied.amount.value == pytest.approx(0.1)
    assert score.score.amount.value == pytest.approx(3.3965)
    assert score.score.unit == "g/prediction"


@pytest.mark.parametrize("units", [0, -1, float("inf"), float("nan")])
def test_sci_of_nothing_is_refused(units):
    with pytest.raises(UsageError):
        sci(carbon(TEN_KWH, "DE"), Device(embodied_kg(1), 1).term(1), units, "job")


def test_sci_takes_no_litres_for_grams():
    with pytest.raises(ValueError, match="grams"):
        sci(carbon(TEN_KWH, "DE"), water(TEN_KWH, wue(1), None)[0], 1, "job")


def test_equivalents_follow_epa():
    """EPA's calculator gives for 1,000,000 kg: 2,546,560 miles and 1,110,815 lb of coal."""
    found = {term.name: term for term in equivalents(exactly(1e9))}
    assert found["car"].amount.value == pytest.approx(2_546_560 * 1.609344, rel=0.001)
    assert found["coal"].amount.value == pytest.approx(1_110_815 * 0.45359237, rel=0.001)
    assert found["smartphone"].amount.value == pytest.approx(1e6 / 0.0124)
    assert found["trees"].amount.value == pytest.approx(1e6 / 60)
    assert all(term.source and term.year == 2026 for term in found.values())
    assert "ten years" in found["trees"].note


def test_units_that_do_not_fit_are_refused():
    litres, money = water(TEN_KWH, wue(1), None)[0], cost(TEN_KWH, price("1 EUR"))
    with pytest.raises(ValueError, match=r"EUR, L cannot be added"):
        total("all", (litres, money))
    with pytest.raises(ValueError, match="twice"):
        total("all", (litres, litres))
    with pytest.raises(ValueError, match="cannot be added"):
        total("all", ())
    with pytest.raises(ValueError, match="per kWh"):
        wue(1).of(exactly(1), "h")


def test_a_sum_of_different_origins_says_so():
    mixed = total("x", (Term("a", "g", exactly(1), "s"), Term("b", "g", exactly(2, Origin.QUOTED), "t")))
    assert (mixed.amount.value, mixed.amount.origin, mixed.source) == (3, Origin.MODELLED, "s; t")


@given(joules, factors)
def test_money_and_water_are_linear(energy, factor):
    for make in (
        lambda e: cost(e, price("0.2..0.4 EUR"), 1.3).amount,
        lambda e: water(e, wue("0.1..2"), None, 1.3)[0].amount,
        lambda e: water(e, None, grid_water("1..4"), 1.3)[0].amount,
    ):
        whole = parts(make(exactly(energy * factor)))
        assert whole == pytest.approx(tuple(factor * part for part in parts(make(exactly(energy)))), rel=1e-9)


@given(joules, joules)
def test_two_jobs_cost_what_each_costs(one, other):
    rate = price("0.2..0.4 EUR")
    both = parts(cost(exactly(one + other), rate).amount)
    apart = [parts(cost(exactly(part), rate).amount) for part in (one, other)]
    assert both == pytest.approx(tuple(map(sum, zip(*apart, strict=True))), rel=1e-9)


@given(st.floats(min_value=0, max_value=1e8), st.floats(min_value=0, max_value=1e8))
def test_hours_of_a_device_add_up_and_its_whole_life_is_all_that_it_embodies(one, other):
    device = Device(embodied_kg("900..1600 kg"), life_years=4)
    sums = device.term(one).amount.value + device.term(other).amount.value
    assert device.term(one + other).amount.value == pytest.approx(sums, rel=1e-9, abs=1e-9)
    life = parts(device.term(4 * 8760 * 3600).amount)
    assert life == pytest.approx((1_250_000, 900_000, 1_600_000))


@given(st.floats(min_value=0, max_value=1e9), st.floats(min_value=0, max_value=1e9))
def test_a_range_is_read_as_it_was_written(one, other):
    low, high = sorted((one, other))
    found, unit = figure(f"{low!r}..{high!r} EUR", "price", "x")
    assert (found.low, found.high, unit) == (low, high, "EUR")
    assert found.low <= found.value <= found.high
