"""AMD SMI through the real Python package, against a stand-in for the library under it that is compiled here."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.namespaces import OWN_PROCESSES, needs_own_processes

pytestmark = [
    pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compile the stand-in library"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the library is there on Linux only"),
    pytest.mark.skipif(importlib.util.find_spec("amdsmi") is None, reason="needs the package amdsmi (extra dev)"),
]

PROBE = """
import dataclasses, json, sys
from wattleak.meters.amd_smi import AmdSmiMeter
from wattleak.model import Unavailable
meter = AmdSmiMeter(sys.argv[1])
answer = meter.probe()
show = lambda thing: {k: sorted(v) if isinstance(v, frozenset) else v for k, v in thing._asdict().items()}
out = {"losses": [show(loss) for loss in meter.losses], "absent": meter.absent}
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
import json, sys
from wattleak.meters.amd_smi import AmdSmiMeter
from wattleak.meters.conformance import check_meter
print(json.dumps(check_meter(AmdSmiMeter(sys.argv[1]))))
"""
FOLLOW = """
import json, pathlib, sys
from wattleak.meters.amd_smi import AmdSmiMeter
meter = AmdSmiMeter(sys.argv[1])
meter.probe()
meter.open(meter.spec())
state, seen = pathlib.Path(sys.argv[2]), []
for text in sys.argv[3:]:
    state.write_text(text)
    seen.append([meter.read(), meter.use()])
print(json.dumps(seen))
"""
COUNTS = "count 1\ngpu0.energy 0\ngpu0.watts 200\n"


@pytest.fixture(scope="module")
def rocm(tmp_path_factory) -> Path:
    """A folder like ROCm's, with lib/libamd_smi.so: what we use, and a stub for all else that the package binds."""
    folder = tmp_path_factory.mktemp("rocm")
    (folder / "lib").mkdir()
    source = Path(__file__).with_name("fake_amd_smi.c")
    spec = importlib.util.find_spec("amdsmi")
    wrapper = (Path(spec.origin).parent / "amdsmi_wrapper.py").read_text(encoding="utf-8")
    bound = set(re.findall(r"_libraries\['libamd_smi\.so'\]\.(\w+)", wrapper))
    made = set(re.findall(r"^int (amdsmi_\w+)\(", source.read_text(encoding="utf-8"), re.MULTILINE))
    (folder / "stubs.c").write_text("".join(f"int {name}(void) {{ return 2; }}\n" for name in sorted(bound - made)))
    target = folder / "lib/libamd_smi.so"
    command = ["gcc", "-Wall", "-Werror", "-Wno-builtin-declaration-mismatch", "-shared", "-fPIC", "-o", target]
    subprocess.run([*command, source, folder / "stubs.c"], check=True)
    return folder


@pytest.fixture
def host(tmp_path) -> Path:
    """A machine that has an AMD accelerator on its PCI bus."""
    return pci_device(tmp_path / "host", "0x1002", "0x120000")


def pci_device(host: Path, vendor: str, base_class: str) -> Path:
    device = host / "sys/bus/pci/devices/0000:41:00.0"
    device.mkdir(parents=True)
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{base_class}\n")
    return host


@pytest.fixture
def ask(rocm, host, tmp_path):
    """Run a program on a machine whose AMD driver is in the given state, and take the JSON that it prints."""

    def run(program: str, state: str, *texts: str, before: Sequence[str] = (), **changed: str) -> object:
        (tmp_path / "state").write_text(state)
        env = os.environ | {"ROCM_HOME": str(rocm), "FAKE_AMDSMI": str(tmp_path / "state")} | changed
        command = [*before, sys.executable, "-c", program, str(host), str(tmp_path / "state"), *texts]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    return run


def test_an_accumulator_in_joules(ask):
    seen = ask(PROBE, COUNTS + "gpu0.users 11:5,22:0\n")
    (channel,) = seen["channels"]
    assert (channel["name"], channel["origin"], channel["quantity"]) == ("amdgpu0", "counter", "energy_j")
    assert channel["device"] == "AMD Instinct Stand-in 0"
    assert "PCI 0000:41:00" in channel["source"]
    assert channel["period_s"] < 0.5
    assert seen["raw"]["amdgpu0"] > 0
    assert seen["holders"] == {"amdgpu0": [11, 22]}
    assert seen["losses"] == []


def test_a_step_of_the_accumulator_is_15_point_3_microjoules(ask):
    """1e9 steps of 15.3 uJ are 15300 J; the library says 15.3 in single precision."""
    ((raw, _use),) = ask(FOLLOW, COUNTS, "count 1\ngpu0.energy 1000000000\n")
    assert raw["amdgpu0"] == pytest.approx(15300, rel=1e-7)


def test_an_accumulator_that_stands_still_is_not_believed(ask):
    seen = ask(PROBE, "count 2\ngpu0.energy 8152136\ngpu0.average 41\ngpu1.energy 0\ngpu1.watts 90\n")
    still, sound = seen["channels"]
    assert (still["name"], still["origin"], still["quantity"]) == ("amdgpu0", "sampled", "power_w")
    assert "average_socket_power" in still["source"]
    assert sound["origin"] == "counter"
    assert seen["raw"]["amdgpu0"] == 41
    assert "amdgpu0 (AMD Instinct Stand-in 0) does not move" in seen["losses"][0]["reason"]


def test_power_where_there_is_no_accumulator(ask):
    seen = ask(PROBE, "count 1\ngpu0.power 95\n")
    assert seen["raw"] == {"amdgpu0": 95}
    assert "current_socket_power" in seen["channels"][0]["source"]
    assert seen["losses"] == []


def test_an_accumulator_that_falls_is_absent_until_it_is_back(ask):
    states = [f"count 1\ngpu0.energy {steps}\n" for steps in (2_000_000, 1_000_000, 3_000_000)]
    raws = [raw for raw, _use in ask(FOLLOW, COUNTS, *states)]
    assert raws == [{"amdgpu0": pytest.approx(30.6)}, {}, {"amdgpu0": pytest.approx(45.9)}]


def test_the_second_die_of_a_card_is_no_second_card(ask):
    seen = ask(PROBE, COUNTS.replace("count 1", "count 2") + "gpu1.energy 0\n")
    assert [channel["name"] for channel in seen["channels"]] == ["amdgpu0"]
    assert "the first one reports for both" in seen["losses"][0]["reason"]


def test_partitions_of_one_gpu_are_one_channel(ask):
    """Two functions of one PCI device share its figures: two channels would count them twice."""
    state = COUNTS.replace("count 1", "count 2") + "gpu1.bus 65\ngpu1.function 1\ngpu1.energy 0\ngpu1.watts 200\n"
    seen = ask(PROBE, state + "gpu0.users 11:0\ngpu1.users 22:0\n")
    (channel,) = seen["channels"]
    assert "all 2 partitions together" in channel["source"]
    assert seen["holders"] == {"amdgpu0": [11, 22]}


def test_who_used_the_gpu_since_the_last_call(ask):
    """At most the whole time, whatever the driver books; what nobody is booked for is nobody's to know."""
    states = (
        COUNTS + "gpu0.busy 80\ngpu0.users 11:1000,22:5\n",
        COUNTS + "gpu0.busy 80\ngpu0.users 11:900000000000,22:5\n",
        COUNTS + "gpu0.busy 80\ngpu0.users 11:900000000000,22:5\n",
        COUNTS + "gpu0.busy 0\ngpu0.users 11:900000000000\n",
        COUNTS,
    )
    uses = [use for _raw, use in ask(FOLLOW, COUNTS, *states)]
    assert uses == [
        {"amdgpu0": [0.8, None]},
        {"amdgpu0": [0.8, {"11": 1.0, "22": 0.0}]},
        {"amdgpu0": [0.8, None]},
        {"amdgpu0": [0.0, {"11": 0.0}]},
        {},
    ]


@needs_own_processes
def test_in_a_container_numbers_of_processes_that_it_cannot_see_say_nothing(ask):
    """Process 1 is there; 4194303 is one that only the machine outside could know."""
    assert ask(PROBE, COUNTS + "gpu0.users 1:5\n", before=OWN_PROCESSES)["holders"] == {"amdgpu0": [1]}
    assert ask(PROBE, COUNTS + "gpu0.users 1:5,4194303:5\n", before=OWN_PROCESSES)["holders"] == {}


@pytest.mark.parametrize("state", [COUNTS, COUNTS + "gpu0.busy 50\ngpu0.users 11:5\n", "count 1\ngpu0.power 95\n"])
def test_it_conforms_in_the_recorder_without_site_packages(ask, state):
    assert ask(CONFORM, state) == []


@pytest.mark.parametrize(
    ("state", "reason", "remedy"),
    [
        ("count 0\n", "sees no GPU", "render,video"),
        ("count 1\n", "has neither", "on the machine itself"),
        ("count 1\ngpu0.energy 77\n", "does not move and no power reading", "reboot"),
        ("init 34\n", "AMDSMI_STATUS_DRIVER_NOT_LOADED", "modprobe amdgpu"),
        ("init 10\n", "AMDSMI_STATUS_NO_PERM", "render,video"),
    ],
)
def test_why_not(ask, state, reason, remedy):
    seen = ask(PROBE, state)
    assert reason in seen["unavailable"]["reason"]
    assert remedy in seen["unavailable"]["remedy"]
    assert seen["absent"] is False


def test_without_the_library_it_says_so_and_prints_nothing(ask, tmp_path):
    """The package prints on standard output when its library is missing; `ask` would not parse that."""
    seen = ask(PROBE, "count 1\n", ROCM_HOME=str(tmp_path / "nowhere"), ROCM_PATH=str(tmp_path / "nowhere"))
    assert "libamd_smi.so does not load" in seen["unavailable"]["reason"]
    assert "amd-smi-lib" in seen["unavailable"]["remedy"]


@pytest.mark.parametrize(("vendor", "base_class"), [("0x10de", "0x030000"), ("0x1002", "0x040300")])
def test_a_machine_without_an_amd_gpu_is_not_troubled(ask, host, vendor, base_class):
    """Another maker's card, and the sound device of a Radeon."""
    shutil.rmtree(host)
    pci_device(host, vendor, base_class)
    seen = ask(PROBE, "count 1\n")
    assert seen["absent"] is True
    assert "no AMD GPU in this machine" in seen["unavailable"]["reason"]
