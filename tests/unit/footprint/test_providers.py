"""Providers against recorded answers from a real server on loopback: what they say is used, what fails is told.

The bodies follow the documentation of each provider (api.carbonintensity.org.uk, portal.electricitymaps.com/docs/api,
docs.watttime.org). Nothing here asks the internet.
"""

import json
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata

import pytest

from wattleak.errors import UsageError
from wattleak.footprint import providers
from wattleak.footprint.cloud_metadata import region_here
from wattleak.footprint.intensity import carbon, intensity
from wattleak.footprint.providers import Stretch, online_region
from wattleak.footprint.providers.cache import cache_folder
from wattleak.model import Estimate, Origin

SECRET = "s3cr3t-t0ken"
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC).timestamp()
UK = {
    "data": [
        {"from": "2026-11-01T11:30Z", "to": "2026-11-01T12:00Z", "intensity": {"forecast": 90, "actual": 91}},
        {"from": "2026-11-01T12:00Z", "to": "2026-11-01T12:30Z", "intensity": {"forecast": 110, "actual": 100}},
        {"from": "2026-11-01T12:30Z", "to": "2026-11-01T13:00Z", "intensity": {"forecast": 200, "actual": None}},
    ]
}
MAPS = {
    "zone": "DE",
    "data": [
        {"zone": "DE", "carbonIntensity": 300, "datetime": "2026-11-01T12:00:00.000Z", "isEstimated": False},
        {"zone": "DE", "carbonIntensity": 400, "datetime": "2026-11-01T13:00:00.000Z", "isEstimated": True},
    ],
}
WATTTIME = {
    "data": [{"point_time": f"2026-11-01T12:{minute:02d}:00+00:00", "value": 1000.0} for minute in range(0, 60, 5)],
    "meta": {"data_point_period_seconds": 300, "region": "CAISO_NORTH", "units": "lbs_co2_per_mwh", "warnings": []},
}


class Recorded(ThreadingHTTPServer):
    """Answers by path; notes what was asked and with which headers."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.answers, self.asked = {}, []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        answer = self.server.answers.get(self.path.partition("?")[0], (404, {"error": "no"}))
        status, body = answer(self) if callable(answer) else answer
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in getattr(self, "more", {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_PUT = do_GET  # noqa: N815 - the name of the library

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("ELECTRICITY_MAPS_TOKEN", "WATTTIME_USER", "WATTTIME_PASSWORD"):
        monkeypatch.setenv(name, SECRET)
    made = Recorded()
    for name in ("UK_CARBON_INTENSITY", "ELECTRICITY_MAPS", "WATTTIME"):
        monkeypatch.setenv(f"WATTLEAK_{name}_URL", made.url)
    monkeypatch.setenv("WATTLEAK_METADATA_URL", made.url)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def during(minutes_from, minutes_to):
    return NOON + 60 * minutes_from, NOON + 60 * minutes_to


def uk(server, first="2026-11-01T12:00Z", last="2026-11-01T13:00Z", body=UK):
    server.answers[f"/intensity/{first}/{last}"] = (200, body)
    return online_region("uk-carbon-intensity", "GB")


def test_the_mean_over_the_work_by_hand(server):
    """12:10 to 12:40: twenty minutes at 100 (outcome), ten at 200 (forecast): 4000 / 30."""
    found = intensity(uk(server), during(10, 40))
    assert found.value == pytest.approx(4000 / 30)
    assert (found.low, found.high) == pytest.approx((100 * 0.9, 200 * 1.1))  # 110 was forecast, 200 lies beyond
    assert (found.region, found.year) == ("GB", datetime.now(UTC).year)
    assert found.source == "NESO Carbon Intensity API (CC BY 4.0)"
    assert "2 stretches" in found.note
    assert found.table.startswith("uk-carbon-intensity, asked 20")
    energy = Estimate(3.6e6, 3.6e6, 3.6e6, Origin.COUNTER)
    assert carbon(energy, uk(server, last="2026-11-01T12:30Z"), None, during(0, 30)).value_g == pytest.approx(100.0)


def test_electricity_maps_by_hand(server):
    """12:30 to 14:00: half an hour at 300, an hour at 400."""
    server.answers["/v3/carbon-intensity/past-range"] = (200, MAPS)
    found = intensity(online_region("electricity-maps", "DE"), during(30, 120))
    assert found.value == pytest.approx((0.5 * 300 + 1.0 * 400) / 1.5)
    _, path, headers = server.asked[0]
    assert "zone=DE" in path
    assert "start=2026-11-01T12%3A00%3A00Z" in path
    assert headers["Auth-Token"] == SECRET


def test_electricity_maps_gives_the_last_hours_as_history(server):
    hour_s = time.time() // 3600 * 3600 - 3600
    at = datetime.fromtimestamp(hour_s, UTC).isoformat()
    server.answers["/v3/carbon-intensity/history"] = (200, {"history": [{"carbonIntensity": 250, "datetime": at}]})
    found = intensity(online_region("electricity-maps:FR", None), (hour_s + 60, hour_s + 600))
    assert (found.value, found.region) == (250, "FR")


def test_watttime_by_hand_after_a_login(server):
    """1000 lb/MWh are 453.59237 g/kWh."""
    server.answers["/login"] = (200, {"token": "session"})
    server.answers["/v3/historical"] = (200, WATTTIME)
    found = intensity(online_region("watttime:CAISO_NORTH", "US-CA"), during(0, 30))
    assert found.value == pytest.approx(453.59237)
    (_, _, login), (_, path, headers) = server.asked
    assert login["Authorization"] == "Basic czNjcjN0LXQwa2VuOnMzY3IzdC10MGtlbg=="
    assert headers["Authorization"] == "Bearer session"
    assert "signal_type=co2_aoer" in path
    intensity(online_region("watttime:CAISO_NORTH/co2_moer", None), during(0, 30))
    assert "signal_type=co2_moer" in server.asked[-1][1]


def test_a_second_question_is_answered_from_the_cache_until_it_expires(server, monkeypatch):
    region = uk(server)
    first = intensity(region, during(10, 40))
    assert intensity(region, during(12, 50)).table == first.table  # of the same half hours
    assert len(server.asked) == 1
    later = time.time() + 31 * 86_400
    monkeypatch.setattr("wattleak.footprint.providers.cache.time.time", lambda: later)
    intensity(region, during(10, 40))
    assert len(server.asked) == 2


def test_no_secret_is_kept_or_told(server):
    server.answers["/v3/carbon-intensity/past-range"] = (200, MAPS)
    server.answers["/login"] = (401, {"error": SECRET})
    found = intensity(online_region("electricity-maps", "DE"), during(0, 60))
    refused = intensity(online_region("watttime:CAISO_NORTH", "US-CA"), during(0, 60))
    kept = [path.read_text() for path in cache_folder().iterdir()]
    assert len(kept) == 1
    assert SECRET not in "".join(kept) + repr(found) + repr(refused)
    assert "401" in refused.note


def redirected(handler):
    handler.more = {"Location": "http://127.0.0.1:1/elsewhere"}
    return 302, b""


def slow(handler):
    time.sleep(0.6)
    return 200, UK


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((500, {"error": "down"}), "answered 500"),
        ((200, b"<html>"), "JSON"),
        ((200, {"data": "nothing"}), "not what it documents"),
        ((200, []), "not what it documents"),
        ((200, {"data": []}), "published nothing"),
        ((200, {"data": [{"from": "x", "to": "y", "intensity": {"forecast": 1}}]}), "not what it documents"),
        (
            (200, {"data": [{"from": "2026-11-01T12:00Z", "to": "2026-11-01T12:30Z", "intensity": {"actual": -5}}]}),
            "cannot be",
        ),
        pytest.param(redirected, "answered 302", id="redirected"),
        pytest.param(slow, "did not answer within 0.3 s", id="slow"),
    ],
    ids=str,
)
def test_what_fails_is_told_and_the_result_says_that_the_table_was_used(server, monkeypatch, answer, says):
    monkeypatch.setattr("wattleak.footprint.providers.http.TIMEOUT_S", 0.3)
    region = uk(server)
    server.answers["/intensity/2026-11-01T12:00Z/2026-11-01T13:00Z"] = answer
    if answer is slow:
        from wattleak.footprint.providers import uk as module

        get = module.get_json
        monkeypatch.setattr(module, "get_json", lambda url: get(url, timeout_s=0.3))
    found, table = intensity(region, during(10, 40)), intensity("GB")
    assert (found.value, found.low, found.high, found.source) == (table.value, table.low, table.high, table.source)
    assert says in found.note
    assert "the yearly table was used instead" in found.note


def test_what_failed_is_not_asked_again_at_once(server):
    region = uk(server)
    server.answers.clear()
    first, second = intensity(region, during(10, 40)), intensity(region, during(20, 50))
    assert len(server.asked) == 1
    assert "answered 404" in first.note
    assert first == second


def test_a_server_that_is_gone_is_told(server, monkeypatch):
    monkeypatch.setenv("WATTLEAK_UK_CARBON_INTENSITY_URL", "http://127.0.0.1:9")
    found = intensity(online_region("uk-carbon-intensity", "GB"), during(0, 10))
    assert "cannot be reached" in found.note
    monkeypatch.setenv("WATTLEAK_UK_CARBON_INTENSITY_URL", "http://example.org")  # a token would travel in the clear
    assert "no https address" in intensity(online_region("uk-carbon-intensity", "GB"), during(0, 10)).note


def test_what_is_published_for_a_part_of_the_work_says_so(server):
    found = intensity(uk(server, "2026-11-01T12:30Z", "2026-11-01T14:00Z"), during(30, 120))  # known until 13:00
    assert found.value == 200
    assert "for 33 % of the work" in found.note


def test_the_time_of_the_work_is_needed_and_nothing_is_asked_before(server):
    found = intensity(uk(server))
    assert server.asked == []
    assert found.value == intensity("GB").value
    assert "when the work has ended" in found.note


@pytest.mark.parametrize(
    ("provider", "region", "says"),
    [
        ("uk-carbon", "GB", "no provider"),
        ("uk-carbon-intensity", "DE", "Great Britain only"),
        ("electricity-maps", "gcp:europe-west1", "needs a zone"),
        ("electricity-maps", None, "needs a zone"),
        ("watttime", "US-CA", "regions of its own"),
        ("uk-carbon-intensity", "ZZ", "Great Britain only"),
        ("electricity-maps:DE", "ZZ", "no carbon intensity is known"),
    ],
)
def test_a_provider_or_zone_that_is_none_is_refused(server, provider, region, says):
    with pytest.raises(UsageError, match=says):
        intensity(online_region(provider, region))
    assert server.asked == []


def test_an_account_that_is_missing_is_said_before_anything_runs(server, monkeypatch):
    monkeypatch.delenv("ELECTRICITY_MAPS_TOKEN")
    with pytest.raises(UsageError, match="ELECTRICITY_MAPS_TOKEN is not set"):
        intensity(online_region("electricity-maps", "DE"))


class Neighbour:
    name, source, basis, needs = "neighbour", "the neighbour", "what the neighbour says", ()

    def zone_of(self, region):
        return "next door"

    def stretches(self, zone, start_s, end_s):
        return [Stretch(start_s, end_s, 42.0, 40.0, 50.0)]


def test_another_package_can_bring_a_provider(server, monkeypatch):
    point = metadata.EntryPoint("neighbour", f"{__name__}:Neighbour", providers.ENTRY_POINTS)
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == providers.ENTRY_POINTS else [])
    found = intensity(online_region("neighbour", "DE"), during(0, 10))
    assert (found.value, found.region, found.source) == (42.0, "next door", "the neighbour")
    assert (found.low, found.high) == pytest.approx((36.0, 55.0))


def test_auto_asks_the_cloud_that_is_there(server):
    server.answers["/latest/api/token"] = lambda handler: (200, b"t") if handler.command == "PUT" else (405, b"")
    server.answers["/latest/meta-data/placement/region"] = (200, b"eu-north-1")
    assert region_here() == "aws:eu-north-1"
    assert intensity("auto").value == intensity("SE").value
    asked = {path: headers for _, path, headers in server.asked}
    assert asked["/latest/meta-data/placement/region"]["X-aws-ec2-metadata-token"] == "t"


def test_auto_on_google_cloud(server):
    server.answers["/computeMetadata/v1/instance/zone"] = (200, b"projects/123/zones/europe-west1-b")
    assert region_here() == "gcp:europe-west1"
    assert intensity("auto").region == "gcp:europe-west1"


def test_auto_on_azure(server):
    server.answers["/metadata/instance/compute"] = (200, {"location": "swedencentral", "vmSize": "x"})
    assert region_here() == "azure:swedencentral"


def test_auto_without_a_cloud_says_what_to_type(server):
    with pytest.raises(UsageError, match="no cloud's metadata service answers") as caught:
        intensity("auto")
    assert "--region DE" in caught.value.remedy
