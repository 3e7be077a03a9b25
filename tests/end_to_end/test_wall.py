"""At the wall, as a user has it: a plug that is read along and dies, and a calibration that is made, kept and used."""

import json
import os
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/meters"))
from plug_server import PlugServer, shelly_gen2

BURN = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"


def by_name(items):
    return {item["channel"]: item for item in items}


def names(document):
    return [item["channel"] for item in document["energy"]]


class Ramp:
    """A powercap tree and a plug that rise together: P = 20 + 10 t watts, P_wall = 2 P + 10."""

    def __init__(self, folder):
        zone = folder / "powercap/intel-rapl:0"
        zone.mkdir(parents=True)
        (zone / "name").write_text("package-0\n")
        (zone / "max_energy_range_uj").write_text("262143328850\n")
        self.path = str(folder / "powercap")
        self._counter = os.open(zone / "energy_uj", os.O_WRONLY | os.O_CREAT)
        self._end = threading.Event()
        self._began_s = time.monotonic()
        self.server = PlugServer({})
        self._turn()
        self._thread = threading.Thread(target=self._go_on)
        self._thread.start()

    def _turn(self):
        t = time.monotonic() - self._began_s
        os.pwrite(self._counter, b"%016d\n" % int((20 * t + 5 * t * t) * 1e6), 0)  # in place, as the kernel does
        self.server.answers = shelly_gen2(2 * (20 + 10 * t) + 10)

    def _go_on(self):
        while not self._end.wait(0.01):
            self._turn()

    def close(self):
        self._end.set()
        self._thread.join()
        self.server.close()
        os.close(self._counter)


def test_a_plug_is_the_whole_machine_and_contains_the_rest(wattleak):
    with PlugServer(shelly_gen2(40.0)) as server:
        document = wattleak.document("measure", "--meters", f"plug:{server.url},cpu-model", "--", "sleep", "1.5")
    found = by_name(document["energy"])
    assert found["plug"]["energy_j"] == pytest.approx(40.0 * document["duration_s"], rel=0.05)
    assert found["plug"]["origin"] == "sampled"
    assert found["plug"]["low_j"] < found["plug"]["energy_j"] < found["plug"]["high_j"]


def test_a_plug_that_dies_is_absent_and_the_others_go_on(wattleak):
    server = PlugServer(shelly_gen2(40.0))
    process = wattleak.start("measure", "--meters", f"plug:{server.url},cpu-model", "--json", "--", "sleep", "7.5")
    while len(server.asked) < 3:  # once for the probe, then in the recorder
        time.sleep(0.05)
    server.close()
    out, _ = process.communicate(timeout=60)
    document = json.loads(out)
    assert document["exit_code"] == 0
    assert "cpu" in by_name(document["energy"])
    gaps = [gap for gap in document["gaps"] if gap["channel"] == "plug"]
    assert gaps, "the silence of the plug is a gap of the plug alone"
    assert gaps[0]["end_s"] - gaps[0]["start_s"] > 3


def test_pairs_make_a_line_that_later_runs_use_and_say(wattleak):
    """The model says what it says; the wall is 3 times that and 20 W more, so a run's joules can be recalculated."""
    plain = wattleak.document("measure", "--", sys.executable, "-c", BURN)
    assert "wall" not in names(plain)
    made = wattleak.document("doctor", "--calibrate", "1:23,2:26,5:35")
    assert made["slope"]["value"] == pytest.approx(3)
    assert made["offset_w"]["power_w"] == pytest.approx(20)
    run = wattleak.document("measure", "--", sys.executable, "-c", BURN)
    assert names(run)[0] == "wall"
    machine, tree = by_name(run["energy"]), by_name(run["attributed"])
    parts = made["channels"]
    window_s = (machine["wall"]["energy_j"] - 3 * sum(machine[name]["energy_j"] for name in parts)) / 20
    assert window_s == pytest.approx(run["duration_s"], rel=0.1)
    assert machine["wall"]["origin"] == "modelled"
    assert tree["wall"]["energy_j"] == pytest.approx(3 * sum(tree[name]["energy_j"] for name in parts if name in tree))
    assert run["attributed_energy_j"]["energy_j"] == pytest.approx(tree["wall"]["energy_j"])
    text = wattleak("measure", "--", "true")
    assert "calibrated with a wall meter" in text.stderr
    shown = wattleak("doctor", "--quick")
    assert "alibrated: P_wall = 3.000 x P + 20.00 W" in " ".join(shown.stdout.split())


def test_a_calibration_that_cannot_be_read_is_said_and_nothing_is_scaled(wattleak):
    made = wattleak.document("doctor", "--calibrate", "1:23,2:26,5:35")
    Path(made["path"]).write_text("junk")
    run = wattleak.document("measure", "--", "true")
    assert "wall" not in names(run)
    assert any(made["path"] in note and "doctor --calibrate" in note for note in run["notes"])


def test_the_plug_is_read_along(wattleak, tmp_path):
    ramp = Ramp(tmp_path)
    try:
        env = {"WATTLEAK_POWERCAP": ramp.path}
        words = ["--calibrate", "plug", "--calibrate-seconds", "2"]
        made = wattleak.document("doctor", "--meters", f"rapl,plug:{ramp.server.url}", *words, env=env)
    finally:
        ramp.close()
    assert made["channels"] == ["cpu0"]
    assert len(made["readings_w"]) == 3
    for power_w, wall_w in made["readings_w"]:
        assert wall_w == pytest.approx(2 * power_w + 10, rel=0.3), "the plug's display is up to a second old"
    assert 1.4 < made["slope"]["value"] < 2.6


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        ("idle=12.5", "two readings at least"),
        ("idle=12.5,load=lots", "is no reading"),
        ("full=12.5,load=3", "is no reading"),
        ("1:2,load=3", "not both at once"),
        ("5:23,1:26", "falls when the load rises"),
    ],
)
def test_readings_that_do_not_fit_are_refused(wattleak, readings, said):
    done = wattleak("doctor", "--calibrate", readings)
    assert done.returncode == 2
    assert said in done.stderr
    assert "try:" in done.stderr
    assert not (wattleak.folder / "state").exists()


def test_named_readings_take_the_powers_themselves(wattleak):
    """Rest and load for a second each. Whether other programs were quiet meanwhile is not in our hands: the line is
    made, or refused with the reason.
    """
    done = wattleak("doctor", "--calibrate", "idle=12.5,load=14.5", "--calibrate-seconds", "1")
    assert done.returncode in (0, 2)
    assert "idle: 1 s" in done.stderr
    assert "load: 1 s" in done.stderr
    if done.returncode == 0:
        assert "calibrated: P_wall" in done.stdout
    else:
        assert "at rest" in done.stderr or "differ by less" in done.stderr or "falls" in done.stderr
