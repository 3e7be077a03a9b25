"""NVML through pynvml's real loading code, against a stand-in library that is compiled here."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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
show = lambda thing: {k: sorted(v) if isinstance(v, frozenset) else v for k, v in dataclasses.asdict(thing).items()}
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

    def run(program: str, state: str, *texts: str) -> object:
        (tmp_path / "state").write_text(state)
        env = os.environ | {"LD_LIBRARY_PATH": str(library), "FAKE_NVML": str(tmp_path / "state")}
        command = [sys.executable, "-c", program, str(tmp_path / "state"), *texts]
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


def test_mig_with_a_counter_says_that_it_covers_the_whole_gpu(ask):
    (channel,) = ask(PROBE, "count 1\ngpu0.energy 1\ngpu0.mig 1\n")["channels"]
    assert "whole GPU, all instances" in channel["source"]


def test_a_silent_gpu_beside_a_good_one_is_a_loss_that_is_said(ask):
    seen = ask(PROBE, "count 3\ngpu0.energy 1\ngpu2.handle 4\n")
    assert [channel["name"] for channel in seen["channels"]] == ["gpu0"]
    reasons = [loss["reason"] for loss in seen["losses"]]
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
