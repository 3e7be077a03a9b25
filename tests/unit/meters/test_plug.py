"""The plug against a real HTTP server on the loopback that speaks the documented answers, well and badly."""

import json

import pytest
from plug_server import TOKEN, PlugServer, home_assistant, shelly_gen1, shelly_gen2, tasmota, wait_until

from wattleak.errors import UsageError
from wattleak.meters.conformance import check_meter
from wattleak.meters.plug import TOKEN_VARIABLE, PlugMeter
from wattleak.meters.probe import probe_meters
from wattleak.model import Origin, Part, Unavailable


@pytest.fixture(autouse=True)
def no_token(monkeypatch):
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def opened(meter):
    twin = PlugMeter()
    twin.open(meter.spec())
    return twin


@pytest.mark.parametrize(
    ("answers", "path", "watts"),
    [
        (shelly_gen2(46.3), "", 46.3),
        (shelly_gen2(46.3), "/rpc/Switch.GetStatus?id=0", 46.3),
        (shelly_gen1(22.5), "/", 22.5),
        (tasmota(27), "", 27.0),
        (home_assistant(61.2), "/api/states/sensor.desk", 61.2),
        (home_assistant(0.0612, "kW"), "/api/states/sensor.desk", 61.2),
    ],
)
def test_each_kind_tells_its_watts(answers, path, watts, monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with PlugServer(answers) as server:
        meter = PlugMeter.from_argument(server.url + path)
        (channel,) = meter.probe()
        assert (channel.name, channel.part, channel.origin) == ("plug", Part.MACHINE, Origin.SAMPLED)
        assert channel.relative_low < 1 < channel.relative_high
        twin = opened(meter)
        assert twin.read() == {"plug": pytest.approx(watts)}
        twin.close()


def test_it_conforms_and_contains_every_other_channel(tmp_path):
    row = {"name": "cpu0", "part": "cpu", "quantity": "energy_j", "period_s": 1, "points": [[0, 0], [1, 5]]}
    (tmp_path / "cpu.json").write_text(json.dumps({"channels": [row]}))
    with PlugServer(shelly_gen2(40.0)) as server:
        assert check_meter(PlugMeter.from_argument(server.url)) == ()
        probed = probe_meters([f"plug:{server.url}", f"replay:{tmp_path / 'cpu.json'}"])
        contains = {channel.name: channel.contains for channel in probed.channels}
        assert "cpu0" in contains["plug"]


def test_it_is_never_asked_unasked():
    with PlugServer(shelly_gen2(40.0)) as server:
        assert not [channel for channel in probe_meters().channels if channel.meter == "plug"]
        assert server.asked == []
    answer = PlugMeter().probe()
    assert isinstance(answer, Unavailable)
    assert "none is looked for" in answer.reason


def test_only_the_address_that_was_given_is_asked():
    with PlugServer(shelly_gen2(40.0), mode="redirect") as server:
        answer = PlugMeter.from_argument(server.url).probe()
        assert isinstance(answer, Unavailable)
        assert {path for path, _ in server.asked} == {"/rpc/Switch.GetStatus?id=0", "/meter/0", "/cm?cmnd=Status%208"}


def test_the_token_is_sent_and_kept_nowhere(monkeypatch):
    with PlugServer(home_assistant(50)) as server:
        url = f"{server.url}/api/states/sensor.desk"
        without = PlugMeter.from_argument(url).probe()
        assert isinstance(without, Unavailable)
        assert "wants a token" in without.reason
        assert TOKEN_VARIABLE in without.remedy
        monkeypatch.setenv(TOKEN_VARIABLE, "wrong-one")
        wrong = PlugMeter.from_argument(url).probe()
        assert isinstance(wrong, Unavailable)
        assert "wrong-one" not in wrong.reason + wrong.remedy
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        meter = PlugMeter.from_argument(url)
        (channel,) = meter.probe()
        assert TOKEN not in repr((channel, meter.spec()))
        assert server.asked[-1][1] == f"Bearer {TOKEN}"


def test_the_token_goes_to_home_assistant_only(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with PlugServer(shelly_gen2(40.0)) as server:
        PlugMeter.from_argument(server.url).probe()
        assert [sent for _, sent in server.asked] == [None]


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("junk", "no power"),
        ("password", "wants a password"),
        ("slow", "no whole answer"),
        ("drip", "no whole answer"),
    ],
)
def test_a_plug_that_does_not_answer_well_is_unavailable(mode, said, monkeypatch):
    monkeypatch.setattr("wattleak.meters.plug._DEADLINE_S", 0.5)
    with PlugServer(shelly_gen2(40.0), mode=mode) as server:
        answer = PlugMeter.from_argument(server.url).probe()
    assert isinstance(answer, Unavailable)
    assert said in answer.reason or "timed out" in answer.reason
    assert answer.remedy


@pytest.mark.parametrize(
    "answer",
    [
        {"apower": None},
        {"apower": True},
        {"apower": "NaN"},
        {"apower": -3.0},
        {"apower": [1, 2]},
        {"apower": "unavailable"},
        [1, 2],
        None,
    ],
)
def test_an_answer_without_watts_is_absent_not_zero(answer):
    path = "/rpc/Switch.GetStatus?id=0"
    with PlugServer({path: answer}) as server:
        assert isinstance(PlugMeter.from_argument(server.url + path).probe(), Unavailable)


def test_a_meter_that_calls_itself_invalid_is_absent():
    answers = shelly_gen1(22.5)
    answers["/meter/0"]["is_valid"] = False
    with PlugServer(answers) as server:
        assert isinstance(PlugMeter.from_argument(f"{server.url}/meter/0").probe(), Unavailable)


def test_an_energy_sensor_of_home_assistant_is_refused(monkeypatch):
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with PlugServer(home_assistant(12.5, "kWh")) as server:
        answer = PlugMeter.from_argument(f"{server.url}/api/states/sensor.desk").probe()
    assert isinstance(answer, Unavailable)
    assert "kWh" in answer.reason


@pytest.mark.parametrize(
    "address",
    [
        "https://192.168.1.50",
        "192.168.1.50",
        "http://user:secret@192.168.1.50",
        "http://192.168.1.50/a b",
        "http://192.168.1.50:99999",
        "http://",
        "ftp://x",
        "http://host/\r\nX: y",
    ],
)
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(UsageError) as caught:
        PlugMeter.from_argument(address)
    assert "secret" not in str(caught.value) + caught.value.remedy


def test_nobody_at_the_address():
    with PlugServer({}) as server:
        url = server.url
    answer = PlugMeter.from_argument(url).probe()
    assert isinstance(answer, Unavailable)
    assert "cannot be read" in answer.reason


def test_it_follows_the_watts_and_falls_silent_when_the_plug_dies(monkeypatch):
    monkeypatch.setattr("wattleak.meters.plug._STALE_S", 1.2)
    monkeypatch.setattr("wattleak.meters.plug._PERIOD_S", 0.1)
    server = PlugServer(shelly_gen2(40.0))
    meter = PlugMeter.from_argument(server.url)
    meter.probe()
    twin = opened(meter)
    assert twin.read() == {"plug": 40.0}
    server.answers = shelly_gen2(55.0)
    assert wait_until(lambda: twin.read() == {"plug": 55.0})
    server.mode = "junk"
    assert wait_until(lambda: twin.read() == {}), "an answer without watts is not the last one again"
    server.mode = "well"
    assert wait_until(lambda: twin.read() == {"plug": 55.0}), "and it comes back with the plug"
    server.close()
    assert wait_until(lambda: twin.read() == {})
    twin.close()
    twin.close()


def test_a_slow_plug_never_holds_up_a_reading(monkeypatch):
    """A hundred readings while one answer hangs: each is absent, none waits for it."""
    server = PlugServer(shelly_gen2(40.0))
    meter = PlugMeter.from_argument(server.url)
    meter.probe()
    server.mode = "slow"
    monkeypatch.setattr("wattleak.meters.plug._FIRST_S", 0.05)
    twin = opened(meter)
    assert [twin.read() for _ in range(100)] == [{}] * 100
    assert not server.ended.is_set(), "the answer still hangs"
    twin.close()
    server.close()
