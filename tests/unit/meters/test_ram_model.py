"""Memory as a constant, on emulated hosts: the sizes are typed in, the watts per GiB are the published ones."""

import time

import pytest

from wattleak.meters.conformance import check_meter
from wattleak.meters.probe import probe_meters
from wattleak.meters.ram_model import RamModelMeter
from wattleak.model import Origin, Part, Quantity, Unavailable

CLOUD_CARBON_FOOTPRINT_W_PER_GB = 0.392
TEADS_M6I_LARGE = (8, 1.60, 4.80)  # GiB, RAM watts at rest and under load (Teads EC2 data set)


def host(root, gib, limit=None, name="memory.max"):
    (root / "proc").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal:       {gib * 1024 * 1024} kB\nMemFree:        12 kB\n")
    if limit is not None:
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True)
        path.write_text(f"{limit}\n")
    return str(root)


def power_w(meter):
    (channel,) = meter.probe()
    meter.open(meter.spec())
    before, t0 = meter.read()["ram"], time.monotonic()
    time.sleep(0.05)
    after, t1 = meter.read()["ram"], time.monotonic()
    return (after - before) / (t1 - t0), channel


def test_watts_per_gib_as_published_with_the_range_of_what_was_measured(tmp_path):
    gib, rest_w, full_w = TEADS_M6I_LARGE
    watts, channel = power_w(RamModelMeter(host=host(tmp_path, gib)))
    assert watts == pytest.approx(gib * CLOUD_CARBON_FOOTPRINT_W_PER_GB, rel=0.05)
    assert watts * channel.relative_low <= rest_w
    assert watts * channel.relative_high >= full_w


def test_it_is_a_constant_without_idle_power(tmp_path):
    """So nothing of it can be called idle, attributed, or saved."""
    (channel,) = RamModelMeter(host=host(tmp_path, 8)).probe()
    assert (channel.part, channel.origin, channel.quantity) == (Part.DRAM, Origin.CONSTANT, Quantity.ENERGY_J)
    assert channel.idle_w is None
    assert "8.0 GiB" in channel.source


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_small_container_is_not_billed_the_memory_of_its_host(tmp_path, name):
    meter = RamModelMeter(host=host(tmp_path, 512, limit=4 << 30, name=name))
    (channel,) = meter.probe()
    assert meter.spec()["power_w"] == pytest.approx(4 * CLOUD_CARBON_FOOTPRINT_W_PER_GB)
    assert "container" in channel.source


@pytest.mark.parametrize("limit", ["max", str(9223372036854771712)])
def test_no_limit_is_the_whole_machine(tmp_path, limit):
    meter = RamModelMeter(host=host(tmp_path, 16, limit=limit))
    meter.probe()
    assert meter.spec()["power_w"] == pytest.approx(16 * CLOUD_CARBON_FOOTPRINT_W_PER_GB)


def test_without_proc_it_is_unavailable(tmp_path):
    answer = RamModelMeter(host=str(tmp_path)).probe()
    assert isinstance(answer, Unavailable)


def test_here_it_conforms():
    assert check_meter(RamModelMeter()) == ()


def test_it_steps_back_for_a_counter_of_memory(tmp_path, monkeypatch):
    zone = tmp_path / "powercap/intel-rapl:0"
    dram = zone / "intel-rapl:0:0"
    dram.mkdir(parents=True)
    for folder, name in ((zone, "package-0"), (dram, "dram")):
        (folder / "name").write_text(f"{name}\n")
        (folder / "energy_uj").write_text("5000000\n")
        (folder / "max_energy_range_uj").write_text("262143328850\n")
    monkeypatch.setenv("WATTLEAK_POWERCAP", str(tmp_path / "powercap"))
    meters = {channel.meter for channel in probe_meters(["rapl", "ram-model"]).channels}
    assert meters == {"rapl"}
