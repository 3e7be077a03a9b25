"""Every code that exists is accepted or refused with what to type instead; figures that a user brings."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.footprint.intensity import carbon, current_tables, intensity
from wattleak.footprint.own_figures import as_region, stated_intensity, table_region
from wattleak.footprint.places import find_place, known_places, with_name
from wattleak.footprint.tables import CLOUD_GRIDS, INTENSITIES, ISO_3166, read_table
from wattleak.model import Estimate, Origin

# Code points of ISO 3166-1 alpha-2, typed from the standard's list of officially assigned codes: 249 of them.
_ISO = """
AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW
"""
_STATES = """
AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI
SC SD TN TX UT VT VA WA WV WI WY DC
"""
ISO, STATES = _ISO.split(), _STATES.split()
ONE_KWH = Estimate(3.6e6, 3.6e6, 3.6e6, Origin.COUNTER)


def test_every_country_code_is_accepted_or_refused_by_its_name():
    assert len(ISO) == 249
    refused = {}
    for code in ISO:
        try:
            found = intensity(code)
        except UsageError as error:
            refused[code] = error
        else:
            assert (found.region, found.table) == (code, "ember-2026-06-30")
            assert 0 < found.low < found.value < found.high
    assert len(ISO) - len(refused) == 213
    for code, error in refused.items():
        assert f"({code})" in error.message
        assert "no carbon intensity is published for" in error.message
        assert "--intensity" in error.remedy
    assert "CH (Switzerland)" in refused["LI"].remedy


def test_every_state_of_the_usa_is_accepted():
    assert [intensity(f"US-{state}").region for state in STATES] == [f"US-{state}" for state in STATES]


@pytest.mark.parametrize(
    ("cloud", "grid"),
    [
        ("aws:eu-north-1", "SE"),
        ("aws:us-east-1", "US-VA"),
        ("aws:ap-southeast-5", "MY"),
        ("azure:westeurope", "NL"),
        ("Azure:WestUS2", "US-WA"),
        ("azure:northeurope", "IE"),
    ],
)
def test_a_region_of_aws_or_azure_is_the_grid_that_it_stands_in(cloud, grid):
    found, there = intensity(cloud), intensity(grid)
    assert (found.value, found.low, found.high, found.table) == (there.value, there.low, there.high, there.table)
    assert found.region == cloud.lower()
    assert f"stands in {grid}" in found.note


def test_every_cloud_region_has_a_grid():
    for cloud, grid in read_table(CLOUD_GRIDS)["grids"].items():
        assert intensity(cloud).value == intensity(grid).value


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("aws:eu-nort-1", "aws:eu-north-1"),
        ("azure:westeurop", "azure:westeurope"),
        ("Germny", "DE"),
        ("Grmany", "DE"),
        ("gcp:europe-west-1", "gcp:europe-west1"),
        ("US-XX", "US-"),
    ],
)
def test_a_slip_of_the_finger_is_told_what_was_meant(typed, near):
    with pytest.raises(UsageError) as caught:
        intensity(typed)
    assert near in caught.value.remedy
    assert repr(typed) in caught.value.message


@pytest.mark.parametrize(
    "typed", ["", " ", "xx:yy", "DE ", "de", "République", "🙂", "0", "a" * 500, "table:", "online:"]
)
def test_nothing_that_is_typed_breaks_it(typed):
    try:
        assert intensity(typed).value > 0 or typed == "0"
    except UsageError as error:
        assert error.message and error.remedy  # noqa: PT017, PT018 - a figure, or what to type: either is right


def test_a_country_is_shown_by_its_name():
    """CA is not California."""
    assert with_name("CA") == "CA (Canada)"
    assert with_name("US-CA") == "US-CA"
    assert with_name("world") == "world"


def test_a_name_leads_to_the_country():
    names = read_table(ISO_3166)["names"]
    assert set(names) == set(ISO)
    assert find_place("switzerland").code == "CH"
    assert known_places()["france"] == "FR"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("350", (350, 350, 350)),
        ("350 g/kWh", (350, 350, 350)),
        ("350 [300, 420]", (350, 300, 420)),
        ("300..400 gCO2e/kWh", (350, 300, 400)),
    ],
)
def test_a_stated_intensity_is_used_as_it_is(text, expected):
    region = as_region(text)
    found = intensity(region)
    assert (found.value, found.low, found.high) == expected
    assert found.source == "stated by the user"
    assert (found.year, found.table) == (None, "")
    again = intensity(found.region)  # what a result says leads to the same figures
    assert (again.value, again.low, again.high) == expected
    assert carbon(ONE_KWH, region, pue=1.5).value_g == pytest.approx(1.5 * expected[0])


@pytest.mark.parametrize("text", ["-5", "350 lb/MWh", "0.35 kg/kWh", "9999", "much", "[1,2]", "400 [300, 350]"])
def test_a_stated_intensity_that_cannot_be_is_refused(text):
    with pytest.raises(UsageError, match="intensity"):
        stated_intensity(text)


def write(folder: Path, text: str) -> str:
    path = folder / "sites.csv"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_table_of_the_users_own(tmp_path):
    path = write(
        tmp_path,
        "region,g_per_kwh,low,high,year,source\nBerlin,310,250,390,2026,our supplier\nSite B,12.5,,,,\n",
    )
    berlin = intensity(table_region(path, "berlin"))
    assert (berlin.region, berlin.value, berlin.low, berlin.high) == ("Berlin", 310, 250, 390)
    assert (berlin.year, berlin.source) == (2026, "our supplier")
    assert berlin.table.startswith("sites.csv sha256:")
    plain = intensity(table_region(path, "Site B"))
    assert (plain.value, plain.low, plain.high, plain.year) == (12.5, 12.5, 12.5, None)
    assert "sites.csv" in plain.source


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("region,value\nBerlin,1\n", "lacks the column g_per_kwh"),
        ("region,g_per_kwh,note\nBerlin,1,x\n", "note"),
        ("region,g_per_kwh\nBerlin,much\n", "line 2"),
        ("region,g_per_kwh\nBerlin,1\nberlin,2\n", "line 3"),
        ("region,g_per_kwh,low,high\nBerlin,1,2,3\n", "not between"),
        ("region,g_per_kwh\nBerlin,-1\n", "cannot be"),
        ("region,g_per_kwh\n", "no rows"),
        ("region,hour,g_per_kwh\nBerlin,0,5\nBerlin,2,5\n", "no whole day: 1, 3"),
        ("region,hour,g_per_kwh\nBerlin,24,5\n", "no hour 24"),
        ("region,hour,g_per_kwh\nBerlin,1,5\nBerlin,1,6\n", "stands twice"),
        ("", "lacks the column"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_its_line(tmp_path, text, says):
    folder = tmp_path / str(abs(hash(text)))
    folder.mkdir()
    with pytest.raises(UsageError, match=says):
        intensity(table_region(write(folder, text), "Berlin"))


def test_a_table_by_the_hour_gives_the_mean_of_the_hours_of_the_work(tmp_path):
    """50 g/kWh by night and 100 + hour by day (6 to 21 UTC). 21:30 to 22:15: half an hour at 121, a quarter at 50."""
    rows = [f"Berlin,{hour},{100 + hour if 6 <= hour < 22 else 50}" for hour in range(24)]
    region = table_region(write(tmp_path, "\n".join(["region,hour,g_per_kwh", *rows, "gcp:own,,7"])), "Berlin")
    evening = datetime(2026, 11, 21, 21, 30, tzinfo=UTC).timestamp()
    found = intensity(region, (evening, evening + 2700))
    assert found.value == pytest.approx((1800 * 121 + 900 * 50) / 2700)
    assert (found.low, found.high) == (50, 121)
    day = (8 * 50 + sum(100 + hour for hour in range(6, 22))) / 24
    assert intensity(region).value == pytest.approx(day)
    assert intensity(region, (evening, evening + 30 * 3600)).value == pytest.approx(day)
    assert intensity(region, (evening, evening)).value == pytest.approx(121)
    assert intensity(table_region(str(tmp_path / "sites.csv"), "gcp:own")).value == 7


def test_a_table_without_the_region_names_those_it_has(tmp_path):
    path = write(tmp_path, "region,g_per_kwh\nBerlin,1\nBern,2\n")
    with pytest.raises(UsageError) as caught:
        intensity(table_region(path, "Berlim"))
    assert "Berlin" in caught.value.remedy
    with pytest.raises(UsageError, match="cannot read"):
        intensity(table_region(str(tmp_path / "none.csv"), "Berlin"))


def test_each_result_names_the_edition_of_its_table():
    assert {intensity(region).table for region in ("DE", "US-CA", "gcp:europe-west1", None)} == current_tables()
    assert carbon(ONE_KWH, "aws:eu-north-1").table == read_table(INTENSITIES[0])["version"]
    assert carbon(ONE_KWH, "350 g/kWh").table == ""
