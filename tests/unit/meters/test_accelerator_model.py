"""Accelerators without a counter: emulated PCI buses and device folders, figures typed from what was published."""

import subprocess
import sys
import time

import pytest

from wattleak.errors import UsageError
from wattleak.meters.accelerator_model import AcceleratorModelMeter
from wattleak.meters.accelerator_watts import read_table
from wattleak.meters.conformance import check_meter
from wattleak.meters.probe import probe_meters
from wattleak.model import Channel, Origin, Part, Quantity, Unavailable

TPU_V4_W = (90, 170, 192)  # cloud.google.com/tpu/docs/v4: measured min/mean/max power
TPU_V3_W = (123, 220, 262)  # cloud.google.com/tpu/docs/v3
GAUDI3_TDP_W = 900
GOOGLE, HABANA, INTEL = 0x1AE0, 0x1DA3, 0x8086


@pytest.fixture(autouse=True)
def no_cloud(monkeypatch):
    monkeypatch.delenv("TPU_ACCELERATOR_TYPE", raising=False)


def host(root, *chips, nodes=()):
    for number, (vendor, device) in enumerate(chips):
        folder = root / f"sys/bus/pci/devices/0000:00:{number:02x}.0"
        folder.mkdir(parents=True)
        (folder / "vendor").write_text(f"{vendor:#06x}\n")
        (folder / "device").write_text(f"{device:#06x}\n")
    for node in nodes:
        path = root / "dev" / node
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return str(root)


def watts(meter):
    meter.open(meter.spec())
    before, t0 = meter.read(), time.monotonic()
    time.sleep(0.02)
    after, t1 = meter.read(), time.monotonic()
    return {name: (after[name] - before[name]) / (t1 - t0) for name in after}


def test_tpu_v4_has_the_published_mean_and_range(tmp_path):
    meter = AcceleratorModelMeter(host=host(tmp_path, *[(GOOGLE, 0x5E)] * 4))
    channels = meter.probe()
    assert [channel.name for channel in channels] == ["tpu0", "tpu1", "tpu2", "tpu3"]
    low_w, mean_w, high_w = TPU_V4_W
    for channel in channels:
        assert (channel.part, channel.origin) == (Part.GPU, Origin.MODELLED)
        assert mean_w * channel.relative_low == pytest.approx(low_w)
        assert mean_w * channel.relative_high == pytest.approx(high_w)
        assert "2023" in channel.source
    assert watts(meter) == {f"tpu{n}": pytest.approx(mean_w, rel=0.05) for n in range(4)}


def test_only_a_design_power_is_published_for_gaudi(tmp_path):
    meter = AcceleratorModelMeter(host=host(tmp_path, (HABANA, 0x1060)))
    (channel,) = meter.probe()
    assert channel.name == "gaudi0"
    power_w = meter.spec()["watts"]["gaudi0"]
    assert power_w == pytest.approx(0.49 * GAUDI3_TDP_W)
    assert power_w * channel.relative_high == pytest.approx(GAUDI3_TDP_W)
    assert power_w * channel.relative_low == pytest.approx(0.1 * GAUDI3_TDP_W)
    assert "assumption" in channel.source


def test_old_tpus_share_an_identity_and_the_cloud_tells_which(tmp_path, monkeypatch):
    folder = host(tmp_path, *[(GOOGLE, 0x27)] * 4)
    unsure = AcceleratorModelMeter(host=folder).probe()
    assert isinstance(unsure, Unavailable)
    assert "TPU v2 or v3" in unsure.reason
    monkeypatch.setenv("TPU_ACCELERATOR_TYPE", "v3-8")
    meter = AcceleratorModelMeter(host=folder)
    assert len(meter.probe()) == 4
    assert set(meter.spec()["watts"].values()) == {float(TPU_V3_W[1])}


@pytest.mark.parametrize(("chip", "called"), [((GOOGLE, 0x63), "TPU v5e"), ((GOOGLE, 0x6F), "TPU v6e")])
def test_a_chip_of_which_nothing_is_published_has_no_figure(tmp_path, chip, called):
    answer = AcceleratorModelMeter(host=host(tmp_path, chip)).probe()
    assert isinstance(answer, Unavailable)
    assert called in answer.reason
    assert "missing" in answer.reason


def test_trainium_is_seen_and_has_no_figure(tmp_path):
    answer = AcceleratorModelMeter(host=host(tmp_path, nodes=["neuron0", "neuron1"])).probe()
    assert isinstance(answer, Unavailable)
    assert "2 x AWS Trainium or Inferentia" in answer.reason


def test_what_is_known_is_read_beside_what_is_not(tmp_path):
    meter = AcceleratorModelMeter(host=host(tmp_path, (INTEL, 0x0BD5), (GOOGLE, 0x63)))
    (channel,) = meter.probe()
    assert channel.device == "max-1550"
    assert ["TPU v5e" in loss.reason for loss in meter.losses] == [True]


def test_an_intel_gpu_that_is_measured_is_not_modelled_as_well(tmp_path):
    counter = Channel(
        "intel-gpu0", "hwmon", Part.GPU, Origin.COUNTER, Quantity.ENERGY_J, 0.001, 0.9, 1.1, source="xe driver"
    )
    meter = AcceleratorModelMeter(host=host(tmp_path, (INTEL, 0x0BD5), (HABANA, 0x1020)), read_already=(counter,))
    assert [channel.name for channel in meter.probe()] == ["gaudi0"]


def test_an_ordinary_machine_lacks_nothing(tmp_path):
    meter = AcceleratorModelMeter(host=host(tmp_path, (INTEL, 0x1237), (0x10DE, 0x2330)))
    assert isinstance(meter.probe(), Unavailable)
    assert meter.absent


def test_stated_by_the_user():
    meter = AcceleratorModelMeter.from_argument("tpu-v4x4")
    assert len(meter.probe()) == 4
    assert check_meter(AcceleratorModelMeter.from_argument("max-1550x2")) == ()
    assert [c.name for c in probe_meters(["accelerator-model:tpu-v3"]).channels] == ["tpu0"]


@pytest.mark.parametrize("stated", ["tpu-v5ex4", "tpu-v4x0", "tpu-v4x", "x4", "tpu-v4x-1", "tpu-v4x9999"])
def test_what_nobody_published_cannot_be_stated(stated):
    with pytest.raises(UsageError) as caught:
        AcceleratorModelMeter.from_argument(stated)
    assert "tpu-v4" in caught.value.remedy


def test_a_child_that_opens_the_device_holds_it(tmp_path):
    """A real process below this one opens the second of two device files."""
    folder = host(tmp_path, *[(GOOGLE, 0x5E)] * 2, nodes=["accel0", "accel1"])
    meter = AcceleratorModelMeter(host=folder)
    meter.probe()
    twin = AcceleratorModelMeter()
    twin.open(meter.spec())
    assert twin.holders() == {"tpu0": frozenset(), "tpu1": frozenset()}
    code = "import sys; f = open(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, f"{tmp_path}/dev/accel1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        child.stdout.readline()
        assert twin.holders() == {"tpu0": frozenset(), "tpu1": frozenset({child.pid})}
        child.stdin.close()
    assert twin.holders() == {"tpu0": frozenset(), "tpu1": frozenset()}


def test_device_files_of_another_number_are_nobodys(tmp_path):
    folder = host(tmp_path, (GOOGLE, 0x5E), nodes=["accel0", "accel1"])
    meter = AcceleratorModelMeter(host=folder)
    meter.probe()
    assert meter.holders() == {}


def test_every_row_says_who_published_it_and_when():
    rows = read_table().values()
    assert rows
    for row in rows:
        assert row.source
        assert 2015 <= row.year <= 2026
        if row.measured:
            assert row.low_w < row.mean_w < row.high_w
