"""NVML through pynvml's real loading code, against a stand-in library that is compiled here."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.namespaces import OWN_PROCESSES, needs_own_processes

from wattleak.recorder.trace import read_recording

pytestmark = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compile the stand-in library"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs the loader of Linux (LD_LIBRARY_PATH)"),
]

PROBE = """
import dataclasses, json
from wattleak.meters.nvml import NvmlMeter
from wattleak.model import Unavailable
meter = NvmlMeter()
answer = meter.probe()
show = lambda thing: {k: sorted(v) if isinstance(v, frozenset) else v for k, v in thing._asdict().items()}
out = {"losses": [show(loss) for loss in meter.losses]}
if isinstance(answer, Unavailable):
    out["unavailable"] = show(answer)
else:
    out["channels"] = [show(channel) for channel in answer]
    meter.open(meter.spec())
    out["raw"] = meter.read()
    out["holders"] = {name: sorted(pids) for name, pids in meter.holders().items()}
    meter.close()
print(json.dumps(out))
"""
CONFORM = """
import json
from wattleak.meters.conformance import check_meter
from wattleak.meters.nvml import NvmlMeter
print(json.dumps(check_meter(NvmlMeter())))
"""
USE = """
import json, pathlib, sys
from wattleak.meters.nvml import NvmlMeter
meter = NvmlMeter()
meter.probe()
meter.open(meter.spec())
state, answers = pathlib.Path(sys.argv[1]), []
for text in sys.argv[2:]:
    state.write_text(text)
    answers.append(meter.use())
print(json.dumps(answers))
"""
PROBE_USE = """
import json
from wattleak.meters.nvml import NvmlMeter
meter = NvmlMeter()
meter.probe()
meter.open(meter.spec())
print(json.dumps([{name: sorted(pids) for name, pids in meter.holders().items()}, meter.use()]))
"""
ABSENT = """
import json, sys
from wattleak.meters.nvml import NvmlMeter
meter = NvmlMeter(sys.argv[2])
meter.probe()
print(json.dumps(meter.absent))
"""
FOLLOW = """
import json, pathlib, sys
from wattleak.meters.nvml import NvmlMeter
meter = NvmlMeter()
meter.probe()
meter.open(meter.spec())
state, readings = pathlib.Path(sys.argv[1]), []
for text in sys.argv[2:]:
    state.write_text(text)
    readings.append(meter.read())
print(json.dumps(readings))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).with_name("fake_nvml.c")
    target = folder / "libnvidia-ml.so.1"
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", target, source], check=True)
    return folder


@pytest.fixture
def ask(library, tmp_path):
    """Run a program on a machine whose driver is in the given state, and take the JSON that it prints."""

    def run(program: str, state: str, *texts: str, before: Sequence[str] = ()) -> object:
        (tmp_path / "state").write_text(state)
        env = os.environ | {"LD_LIBRARY_PATH": str(library), "FAKE_NVML": str(tmp_path / "state")}
        command = [*before, sys.executable, "-c", program, str(tmp_path / "state"), *texts]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


def test_counter_in_joules_and_power_in_watts_where_there_is_no_counter(ask):
    seen = ask(PROBE, "count 2\ngpu0.energy 123456\ngpu0.power 70000\ngpu0.pids 11,22\ngpu1.power 65500\n")
    counter, power = seen["channels"]
    assert (counter["name"], counter["origin"], counter["quantity"]) == ("gpu0", "counter", "energy_j")
    assert (power["name"], power["origin"], power["quantity"]) == ("gpu1", "sampled", "power_w")
    assert counter["device"] == "NVIDIA Stand-in 0"
    assert (counter["relative_low"], counter["relative_high"]) == (0.95, 1.05)
    assert power["relative_high"] > counter["relative_high"]
    assert counter["period_s"] == 0.1
    assert seen["raw"] == {"gpu0": 123.456, "gpu1": 65.5}
    assert seen["holders"] == {"gpu0": [11, 22], "gpu1": []}
    assert seen["losses"] == []


@pytest.mark.parametrize("use", ["", "gpu0.busy 80\ngpu0.use 11:60,22:20\n", "gpu0.busy 0\ngpu0.use none\n"])
def test_it_conforms_in_the_recorder_without_site_packages(ask, use):
    assert ask(CONFORM, f"count 1\ngpu0.energy 5\n{use}") == []


def test_who_used_the_gpu_since_the_last_call(ask):
    card = "count 1\ngpu0.energy 5\n"
    states = (
        card + "gpu0.busy 80\ngpu0.use 11:60,22:20\ngpu0.use_at 1000\n",
        card + "gpu0.busy 80\ngpu0.use 11:60,22:20\ngpu0.use_at 1000\n",  # nothing newer: not counted twice
        card + "gpu0.busy 40\ngpu0.use 11:30,11:50,22:101\ngpu0.use_at 2000\n",  # 101 %: a slip of the driver
        card + "gpu0.busy 0\ngpu0.use none\n",
        card + "gpu0.busy 90\n",
        card,
    )
    assert ask(USE, card, *states) == [
        {"gpu0": [0.8, {"11": 0.6, "22": 0.2}]},
        {"gpu0": [0.8, None]},
        {"gpu0": [0.4, {"11": 0.4}]},
        {"gpu0": [0.0, {}]},
        {"gpu0": [0.9, None]},
        {},
    ]


def test_how_busy_it_was_is_the_mean_of_all_samples_since_the_last_call(ask):
    """What was before the first call is the work of others; 65535 is what the driver writes for "not known"."""
    card = "count 1\ngpu0.energy 5\ngpu0.busy 7\n"
    states = (
        card + "gpu0.samples 1000:100,2000:100\n",
        card + "gpu0.samples 1000:100,2000:100,3000:50,4000:90\n",
        card + "gpu0.samples 4000:90,5000:20,6000:65535\n",
        card + "gpu0.samples 5000:20\n",
    )
    busy = [use["gpu0"][0] for use in ask(USE, card, *states)]
    assert busy == [0.07, pytest.approx(0.7), pytest.approx(0.2), 0.07]


HOLDER = """
import os, pathlib, time
state = pathlib.Path(os.environ["FAKE_NVML"])
fresh = state.with_suffix(".new")
fresh.write_text(f"count 1\\ngpu0.energy 5\\ngpu0.busy 90\\ngpu0.use {os.getpid()}:60,1:20\\n")
fresh.rename(state)
time.sleep(0.7)
"""


def test_a_recording_knows_how_busy_the_gpu_was_and_for_whom(library, tmp_path):
    (tmp_path / "state").write_text("count 1\ngpu0.energy 5\ngpu0.busy 10\ngpu0.use 1:10\n")
    env = os.environ | {"LD_LIBRARY_PATH": str(library), "FAKE_NVML": str(tmp_path / "state")}
    command = [sys.executable, "-m", "wattleak", "measure", "--json", "--store", str(tmp_path / "store")]
    subprocess.run(
        [*command, "--", sys.executable, "-c", HOLDER],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    (journal,) = (tmp_path / "store").rglob("journal*")
    (readings,) = read_recording(journal).trace.use.values()
    assert readings[-1].busy == pytest.approx(0.9)
    assert readings[-1].ours == pytest.approx(0.6)
    assert readings[-1].others == pytest.approx(0.2)
    assert [reading.time_s for reading in readings] == sorted(reading.time_s for reading in readings)


def test_readings_follow_the_card_and_a_lost_card_is_absent(ask):
    states = ("count 1\ngpu0.energy 2000\n", "count 1\n", "count 1\ngpu0.energy 5000\n")
    assert ask(FOLLOW, "count 1\ngpu0.energy 1000\n", *states) == [{"gpu0": 2.0}, {}, {"gpu0": 5.0}]


def test_which_card_is_which_is_said_whatever_cuda_is_allowed_to_see(ask, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    first, second = ask(PROBE, "count 2\ngpu0.energy 1\ngpu1.energy 1\n")["channels"]
    assert "NVML device 0, PCI 00000000:41:00.0, GPU-stand" in first["source"]
    assert "NVML device 1, PCI 00000000:42:00.0, GPU-stand" in second["source"]


@pytest.mark.parametrize(
    ("card", "period_s", "error", "words"),
    [
        ("gpu0.architecture 4", 0.1, 0.1, "of the moment"),  # Pascal
        ("gpu0.architecture 7\ngpu0.name A100-SXM4-40GB", 0.1, 0.2, "of the moment, the sensor looks at a quarter"),
        ("gpu0.architecture 7\ngpu0.name A10", 1.0, 0.1, "averaged over a second)"),
        ("gpu0.architecture 7\ngpu0.name A30", 0.1, 0.2, "of the moment, the sensor looks at a quarter"),
        ("gpu0.architecture 8\ngpu0.name L4", 1.0, 0.1, "averaged over a second)"),
        ("gpu0.architecture 9\ngpu0.name H100-PCIe", 1.0, 0.2, "averaged over a second, the sensor looks at a quarter"),
        ("gpu0.name RTX-Future", 1.0, 0.1, "window unknown"),
    ],
)
def test_a_power_reading_has_the_window_of_its_architecture(ask, card, period_s, error, words):
    (channel,) = ask(PROBE, f"count 1\ngpu0.power 65500\n{card}\n")["channels"]
    assert (channel["origin"], channel["quantity"], channel["period_s"]) == ("sampled", "power_w", period_s)
    assert (1 - channel["relative_low"], channel["relative_high"] - 1) == pytest.approx((error, error))
    assert words in channel["source"]


def test_mig_with_a_counter_says_that_it_covers_the_whole_gpu(ask):
    seen = ask(PROBE, "count 1\ngpu0.energy 1\ngpu0.mig 1\n")
    (loss,) = seen["losses"]
    assert [channel["name"] for channel in seen["channels"]] == ["gpu0"]
    assert "covers the whole card" in loss["reason"]
    assert "nvidia-smi -mig 0" in loss["remedy"]


def test_grace_hopper_says_that_the_counter_covers_the_module(ask):
    seen = ask(PROBE, "count 1\ngpu0.energy 1\ngpu0.name GH200-480GB\n")
    (loss,) = seen["losses"]
    assert "the whole module with the Grace CPU" in loss["reason"]


OUTSIDE = sys.platform.startswith("linux") and Path("/proc/self/ns/pid").stat().st_ino == 0xEFFFFFFC


@needs_own_processes
def test_in_a_container_numbers_of_processes_that_it_cannot_see_say_nothing(ask):
    """Process 1 is there; 4194303 is one that only the machine outside could know."""
    card = "count 1\ngpu0.energy 1\ngpu0.busy 50\n"
    seen = ask(PROBE_USE, card + "gpu0.pids 1\ngpu0.use 1:50\n", before=OWN_PROCESSES)
    assert seen == [{"gpu0": [1]}, {"gpu0": [0.5, {"1": 0.5}]}]
    seen = ask(PROBE_USE, card + "gpu0.pids 1,4194303\ngpu0.use 4194303:50\n", before=OWN_PROCESSES)
    assert seen == [{}, {"gpu0": [0.5, None]}]


@pytest.mark.skipif(not OUTSIDE, reason="this is a container")
def test_outside_of_a_container_a_process_that_has_just_ended_is_still_named(ask):
    card = "count 1\ngpu0.energy 1\ngpu0.busy 50\n"
    seen = ask(PROBE_USE, card + "gpu0.pids 4194303\ngpu0.use 4194303:50\n")
    assert seen == [{"gpu0": [4194303]}, {"gpu0": [0.5, {"4194303": 0.5}]}]


def test_a_silent_gpu_beside_a_good_one_is_a_loss_that_is_said(ask):
    seen = ask(PROBE, "count 3\ngpu0.energy 1\ngpu2.handle 4\n")
    assert [channel["name"] for channel in seen["channels"]] == ["gpu0"]
    reasons = sorted(loss["reason"] for loss in seen["losses"])
    assert "gpu1 (NVIDIA Stand-in 1) has neither" in reasons[0]
    assert "gpu2 does not answer" in reasons[1]


@pytest.mark.parametrize(
    ("state", "reason", "remedy"),
    [
        ("count 1\ngpu0.vgpu 1\n", "is a vGPU", "whole GPU"),
        ("count 1\ngpu0.mig 1\n", "is a MIG slice", "nvidia-smi -mig 0"),
        ("count 0\n", "sees no GPU", "nvidia-smi -L"),
        ("init 4\n", "may not talk to the NVIDIA driver", "/dev/nvidia"),
        ("init 9\n", "not loaded", "modprobe nvidia"),
        ("init 18\n", "different versions", "reboot"),
        ("init 999\n", "does not open", "nvidia-smi"),
    ],
)
def test_why_not(ask, state, reason, remedy):
    answer = ask(PROBE, state)["unavailable"]
    assert reason in answer["reason"]
    assert remedy in answer["remedy"]
    assert "the energy of NVIDIA GPUs is not in any figure" in answer["reason"]


def test_no_driver_library_at_all(tmp_path):
    """An empty library that is not NVML shadows a driver that this machine may have."""
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"not a library")
    env = os.environ | {"LD_LIBRARY_PATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", PROBE], env=env, capture_output=True, text=True, check=True)
    assert "no NVIDIA driver" in json.loads(done.stdout)["unavailable"]["reason"]


@pytest.mark.parametrize(
    ("vendor", "base_class", "absent"),
    [("0x10de", "0x030200", False), ("0x10de", "0x040300", True), ("0x1002", "0x030000", True)],
)
def test_a_machine_without_an_nvidia_gpu_is_not_troubled(ask, tmp_path, vendor, base_class, absent):
    """A GPU whose driver is missing is a loss; its sound device, or another maker's card, is none."""
    device = tmp_path / "host/sys/bus/pci/devices/0000:41:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{base_class}\n")
    assert ask(ABSENT, "init 9\n", str(tmp_path / "host")) is absent


def test_where_pci_devices_are_not_listed_nobody_says_that_there_is_no_gpu(ask, tmp_path):
    assert ask(ABSENT, "init 9\n", str(tmp_path)) is False
    (tmp_path / "sys/bus/pci/devices").mkdir(parents=True)
    assert ask(ABSENT, "init 9\n", str(tmp_path)) is True
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/dxg").touch()  # WSL2: the card of the Windows machine
    assert ask(ABSENT, "init 9\n", str(tmp_path)) is False
