"""The shipped fake: scripts on a scripted clock and from files, and what it refuses."""

import json

import pytest

from wattleak.errors import UsageError
from wattleak.meters.clock import FakeClock
from wattleak.meters.conformance import check_meter
from wattleak.meters.replay import ReplayMeter
from wattleak.model import Channel, Origin, Part, Quantity


def channel(name="cpu0", quantity=Quantity.ENERGY_J, wrap_j=None) -> Channel:
    return Channel(name, "any", Part.CPU, Origin.COUNTER, quantity, 0.001, 1.0, 1.0, wrap_j, source="scripted")


def played(script, quantity=Quantity.ENERGY_J, wrap_j=None, at=()) -> list:
    """Readings of one channel at the given times on a scripted clock."""
    clock = FakeClock(1000.0)
    meter = ReplayMeter([channel(quantity=quantity, wrap_j=wrap_j)], {"cpu0": script}, clock)
    meter.open(meter.spec())
    readings = []
    for time_s in at:
        clock.sleep(time_s - (clock.now_s() - 1000.0))
        readings.append(meter.read().get("cpu0"))
    return readings


def test_straight_lines_between_points_and_the_last_rate_after():
    script = [(0, 0.0), (10, 500.0), (20, 500.0), (21, 600.0)]
    assert played(script, at=(0, 5, 10, 15, 20.5, 23)) == [0, 250, 500, 500, 550, 800]


def test_power_stays_at_its_last_value():
    assert played([(0, 50.0), (10, 70.0)], Quantity.POWER_W, at=(0, 5, 10, 99)) == [50, 60, 70, 70]


def test_a_drop_out_hides_a_counter_that_goes_on():
    script = [(0, 0.0), (10, 100.0), (12, None), (20, 200.0)]
    assert played(script, at=(10, 11, 12, 19.9, 20)) == [100, 110, None, None, 200]


def test_a_last_null_hides_for_good():
    assert played([(0, 0.0), (1, 10.0), (2, None)], at=(1.5, 2, 50)) == [15, None, None]


def test_a_counter_wraps():
    assert played([(0, 0.0), (10, 250.0)], wrap_j=100.0, at=(3, 5, 10)) == pytest.approx([75, 25, 50])


def test_whatever_it_imitates_is_simulated():
    (seen,) = ReplayMeter([channel()], {"cpu0": [(0, 0.0)]}).probe()
    assert (seen.origin, seen.meter) == (Origin.SIMULATED, "replay")


def document(**changes) -> dict:
    row = {
        "name": "cpu0",
        "part": "cpu",
        "quantity": "energy_j",
        "period_s": 0.001,
        "wrap_j": 262143.3,
        "idle_w": 50,
        "points": [[0, 10], [100, 20], [150, None]],
    }
    return {"channels": [{key: value for key, value in (row | changes).items() if value != "gone"}]}


def write(tmp_path, content) -> str:
    path = tmp_path / "script.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_file_is_a_meter_that_conforms_in_the_recorder(tmp_path):
    meter = ReplayMeter.from_file(write(tmp_path, document()))
    assert check_meter(meter) == ()
    (seen,) = meter.probe()
    assert (seen.name, seen.part, seen.wrap_j, seen.idle_w.value) == ("cpu0", Part.CPU, 262143.3, 50.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "at least one channel"),
        (document(period_s="gone"), "channels[0]: lacks 'period_s'"),
        (document(watts=3), "unknown key 'watts'"),
        (document(part="gpus"), "channels[0].part: 'gpus' is none of cpu"),
        (document(quantity="joules"), "channels[0].quantity"),
        (document(period_s=0), "channels[0].period_s"),
        (document(points=[[0, 1], [1]]), "channels[0].points[1]"),
        (document(points=[[0, 1], ["1", 2]]), "channels[0].points[1]"),
        (document(points=[[1, 1]]), "starts with a value at time 0"),
        (document(points=[[0, 1], [0, 2]]), "point 1 is not later"),
        (document(points=[[0, 5], [1, 4]]), "energy falls"),
        ({"channels": document()["channels"] * 2}, "'cpu0' is there twice"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path, content, says):
    with pytest.raises(UsageError) as caught:
        ReplayMeter.from_file(write(tmp_path, content))
    assert says in caught.value.message
    assert "script.json" in caught.value.message
    assert caught.value.remedy


def test_a_missing_file(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        ReplayMeter.from_file(str(tmp_path / "none.json"))


def test_a_channel_without_a_script():
    with pytest.raises(UsageError):
        ReplayMeter([channel()], {"gpu0": [(0, 0.0)]})
