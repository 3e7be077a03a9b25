"""Which meters a machine gets: selection, the stand-in, stated idle power, meters of other packages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import wattleak
from wattleak.errors import UsageError
from wattleak.meters import BUILTIN, meter_class
from wattleak.meters.conformance import FORBIDDEN, check_meter
from wattleak.meters.probe import probe_meters
from wattleak.model import Origin


@pytest.fixture
def no_counters(tmp_path, monkeypatch):
    monkeypatch.setenv("WATTLEAK_POWERCAP", str(tmp_path / "none"))


@pytest.fixture
def counters(tmp_path, monkeypatch):
    zone = tmp_path / "powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text("5000000\n")
    (zone / "max_energy_range_uj").write_text("262143328850\n")
    monkeypatch.setenv("WATTLEAK_POWERCAP", str(tmp_path / "powercap"))


def replay(tmp_path, name="cpu0", part="cpu") -> str:
    path = tmp_path / f"{name}.json"
    row = {"name": name, "part": part, "quantity": "energy_j", "period_s": 1, "points": [[0, 0], [1, 5]]}
    path.write_text(json.dumps({"channels": [row]}))
    return f"replay:{path}"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the CPU model reads /proc/stat")
def test_the_model_stands_in_where_the_cpu_has_no_counter(no_counters):
    probed = probe_meters(["rapl", "cpu-model"])
    assert [channel.name for channel in probed.channels] == ["cpu"]
    assert [missing.meter for missing in probed.unavailable] == ["rapl"]


def test_the_model_steps_back_for_a_counter_and_is_no_loss(counters):
    for selection in (["rapl", "cpu-model"], ["cpu-model", "rapl"]):
        probed = probe_meters(selection)
        assert [channel.name for channel in probed.channels] == ["cpu0"]
        assert [reference for reference, _ in probed.meters] == ["wattleak.meters.rapl:RaplMeter"]
        assert probed.unavailable == ()


def test_unasked_all_real_meters_are_tried_and_the_fake_is_not(no_counters):
    probed = probe_meters()
    missing = {missing.meter for missing in (*probed.unavailable, *probed.absent)}
    tried = {channel.meter for channel in probed.channels} | missing
    assert {"rapl", "nvml"} <= tried
    assert "replay" not in tried


def test_no_meters_is_a_selection_too():
    assert probe_meters([]).channels == ()


def test_what_is_found_can_be_made_again_from_reference_and_spec(tmp_path):
    probed = probe_meters([replay(tmp_path)])
    ((reference, meter),) = probed.meters
    module, _, name = reference.partition(":")
    twin = getattr(sys.modules[module], name)()
    twin.open(meter.spec())
    assert set(twin.read()) == {"cpu0"}


def test_stated_idle_power_is_quoted_and_has_a_range(tmp_path):
    (channel,) = probe_meters([replay(tmp_path)], idle_power_w={"cpu0": 50.0}).channels
    assert channel.idle_w.origin is Origin.QUOTED
    assert (channel.idle_w.low, channel.idle_w.value, channel.idle_w.high) == (45.0, 50.0, 55.0)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the CPU model reads /proc/stat")
def test_the_model_runs_on_the_idle_power_that_was_stated():
    probed = probe_meters(["cpu-model"], idle_power_w={"cpu": 12.0})
    assert probed.meters[0][1].spec()["idle_w"] == 12.0


@pytest.mark.parametrize("idle", [{"cpu9": 50.0}, {"cpu0": -1.0}, {"cpu0": float("nan")}])
def test_idle_power_that_cannot_be_is_refused(tmp_path, idle):
    with pytest.raises(UsageError):
        probe_meters([replay(tmp_path)], idle_power_w=idle)


def test_one_name_is_one_channel(tmp_path):
    second = tmp_path / "second"
    second.mkdir()
    probed = probe_meters([replay(tmp_path), replay(second)])
    assert len(probed.channels) == 1
    assert "'cpu0'" in probed.unavailable[0].reason


@pytest.mark.parametrize("name", ["rapel", "replay", "nonsense"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(UsageError) as caught:
        probe_meters([name])
    assert "replay" in caught.value.remedy
    if name == "rapel":
        assert "did you mean rapl" in caught.value.remedy


OUTSIDER = """
import os
TYPE_CHECKING = False


class PlugMeter:
    name = "strip"

    def probe(self):
        from wattleak.model import Channel, Origin, Part, Quantity
        return (
            Channel("machine", "strip", Part.MACHINE, Origin.SAMPLED, Quantity.POWER_W, 1.0, 0.98, 1.02, source="s"),
        )

    def spec(self):
        return {"watts": 80.0}

    def open(self, spec):
        self.watts = spec["watts"]

    def read(self):
        return {"machine": self.watts}

    def holders(self):
        return {}

    def close(self):
        pass
"""


@pytest.fixture
def outsider(tmp_path, monkeypatch):
    """A package of somebody else's, installed as pip leaves it: a module and its metadata."""
    site = tmp_path / "site"
    info = site / "wattleak_plug-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "wattleak_plug.py").write_text(OUTSIDER)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wattleak-plug\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[wattleak.meters]\nstrip = wattleak_plug:PlugMeter\n")
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("wattleak_plug", None)


def test_a_meter_of_another_package_is_found_by_its_entry_point(outsider, tmp_path):
    probed = probe_meters(["strip", replay(tmp_path)])
    assert probed.meters[0][0] == "wattleak_plug:PlugMeter"
    assert probed.search_path == (str(outsider),), "the recorder runs without site-packages"
    machine = next(channel for channel in probed.channels if channel.name == "machine")
    assert machine.contains == {"cpu0"}, "a power strip sees everything else"


def test_the_conformance_check_passes_a_good_outsider_and_names_what_is_wrong_with_a_bad_one(outsider):
    (_, good), *_ = probe_meters(["strip"]).meters
    assert check_meter(type(good)()) == ()
    bad = OUTSIDER.replace("import os", "import json").replace("0.98, 1.02", "1.2, 1.02")
    bad = bad.replace('{"machine": self.watts}', '{"machine": self.watts, "gpu9": -1.0}')
    (outsider / "wattleak_bad.py").write_text(bad)
    import wattleak_bad

    problems = " | ".join(check_meter(wattleak_bad.PlugMeter()))
    assert "imports json" in problems
    assert "range around its reading" in problems
    assert "'gpu9', which probe() did not" in problems
    assert "gives -1.0" in problems


def test_the_conformance_check_finds_a_meter_that_has_children_of_its_own(outsider):
    """The recorder takes every child for the workload: a tool that a meter leaves running would be billed to it."""
    spawning = OUTSIDER.replace(
        'self.watts = spec["watts"]',
        'self.watts = spec["watts"]; os.posix_spawn("/bin/sleep", ["sleep", "1"], os.environ)',
    )
    (outsider / "wattleak_spawning.py").write_text(spawning)
    import wattleak_spawning

    (problem,) = check_meter(wattleak_spawning.PlugMeter())
    assert "child process" in problem


@pytest.mark.parametrize("name", [name for name, _ in BUILTIN])
def test_importing_a_meter_brings_in_nothing_heavy(name):
    """As the recorder does: isolated, without site-packages."""
    module = meter_class(name).__module__
    root = Path(wattleak.__file__).parent.parent
    program = f"import sys; sys.path.insert(0, {str(root)!r}); import {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert not {*FORBIDDEN, "ctypes", "subprocess"} & set(done.stdout.split())


def test_on_this_machine_every_real_meter_is_read_or_says_why_not():
    probed = probe_meters(["rapl", "nvml"])
    usable = {meter.name for _, meter in probed.meters}
    assert {channel.meter for channel in probed.channels} == usable
    assert {missing.meter for missing in probed.unavailable} | usable == {"rapl", "nvml"}
    assert all(missing.reason and missing.remedy for missing in probed.unavailable)
