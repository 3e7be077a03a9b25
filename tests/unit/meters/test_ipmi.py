"""The BMC through ipmitool: a stand-in for the tool on PATH that prints what the real one prints (1.8.19, its own
format strings; the error without a device was recorded from it), fails as it fails, is slow, or hangs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wattleak.meters import ipmi_probe
from wattleak.meters.conformance import check_meter
from wattleak.meters.ipmi import IpmiMeter
from wattleak.meters.ipmi_reader import ask, watts_of
from wattleak.meters.probe import probe_meters
from wattleak.model import Origin, Part, Quantity, Unavailable

ANSWER = """
    Instantaneous power reading:                   214 Watts
    Minimum during sampling period:                  6 Watts
    Maximum during sampling period:                431 Watts
    Average power reading over sample period:      198 Watts
    IPMI timestamp:                           Sat Nov 21 06:54:09 2026
    Sampling period:                          00000001 Seconds.
    Power reading state is:                   activated

"""
NO_DEVICE = (
    "Could not open device at /dev/ipmi0 or /dev/ipmi/0 or /dev/ipmidev/0: No such file or directory"  # as recorded
)
NO_DCMI = "    DCMI request failed because: Invalid command (c1)"


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Put an `ipmitool` first on PATH that runs some shell, and refuses other words than the meter should say."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    def make(script: str) -> Path:
        path = folder / "ipmitool"
        path.write_text(f'#!/bin/sh\n[ "$*" = "dcmi power reading" ] || exit 9\n{script}\n')
        path.chmod(0o755)
        return path

    return make


def printing(tmp_path: Path, text: str) -> str:
    (tmp_path / "answer").write_text(text)
    return f"cat {tmp_path}/answer"


def wait_until(condition, limit_s=20.0):
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.02)


def readers_of(tool: Path) -> list[int]:
    """Living processes whose command line names the reader and this tool."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"ipmi_reader.py" in words and str(tool).encode() in words:
            found.append(int(entry.name))
    return found


def test_the_machine_by_its_bmc(tool, tmp_path):
    tool(printing(tmp_path, ANSWER))
    meter = IpmiMeter()
    (channel,) = meter.probe()
    assert (channel.name, channel.part, channel.origin) == ("machine-ipmi", Part.MACHINE, Origin.SAMPLED)
    assert channel.quantity is Quantity.POWER_W
    assert channel.period_s == 2.0
    meter.open(meter.spec())
    assert meter.read() == {"machine-ipmi": 214.0}, "open waits for a first answer"
    (tmp_path / "answer").write_text(ANSWER.replace("214", "305"))
    wait_until(lambda: meter.read() == {"machine-ipmi": 305.0})
    meter.close()


def test_it_conforms(tool, tmp_path):
    tool(printing(tmp_path, ANSWER))
    assert check_meter(IpmiMeter()) == ()


def test_a_bmc_that_is_slow_holds_up_nobody(tool, tmp_path):
    """The tool waits for a file before each further answer; until then, reads return at once with what is known."""
    gate = tmp_path / "gate"
    gate.touch()
    tool(f"while [ ! -e {gate} ]; do sleep 0.02; done\n{printing(tmp_path, ANSWER)}")
    meter = IpmiMeter()
    meter.probe()
    meter.open(meter.spec())
    assert meter.read() == {"machine-ipmi": 214.0}
    gate.unlink()
    (tmp_path / "answer").write_text(ANSWER.replace("214", "100"))
    for _ in range(50):
        assert set(meter.read()) == {"machine-ipmi"}, "a read that waited would never come back"
    gate.touch()
    wait_until(lambda: meter.read() == {"machine-ipmi": 100.0})
    meter.close()


def test_an_answer_that_has_grown_old_is_absent(tool, tmp_path, monkeypatch):
    tool(printing(tmp_path, ANSWER))
    meter = IpmiMeter()
    meter.probe()
    meter.open(meter.spec())
    assert meter.read()
    monkeypatch.setattr("wattleak.meters.ipmi._STALE_S", -1.0)
    assert meter.read() == {}
    meter.close()


def test_a_tool_that_hangs_is_killed_and_gives_nothing(tool, tmp_path):
    hanging = tool(f"echo $$ > {tmp_path}/pid\nexec sleep 1000")
    assert ask(str(hanging), 0.3) is None
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_the_reader_is_nobodys_child_and_ends_with_the_meter(tool, tmp_path):
    path = tool(printing(tmp_path, ANSWER))
    meter = IpmiMeter()
    meter.probe()
    meter.open(meter.spec())
    (reader,) = readers_of(path)
    parent = int(Path(f"/proc/{reader}/stat").read_text().rpartition(")")[2].split()[1])
    assert parent != os.getpid(), "the recorder's children are the workload"
    meter.close()
    wait_until(lambda: not readers_of(path))


def test_the_reader_and_a_hanging_tool_end_when_the_recorder_is_killed(tool, tmp_path):
    path = tool(f"if [ -e {tmp_path}/hang ]; then exec sleep 1000; fi\n{printing(tmp_path, ANSWER)}")
    program = (
        "import sys, time\n"
        "from wattleak.meters.ipmi import IpmiMeter\n"
        "meter = IpmiMeter()\n"
        "meter.open({'tool': sys.argv[1]})\n"
        "print(meter.read(), flush=True)\n"
        "time.sleep(1000)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True, env=os.environ
    ) as recorder:
        assert recorder.stdout.readline() == "{'machine-ipmi': 214.0}\n"
        (tmp_path / "hang").touch()
        assert readers_of(path)
        recorder.send_signal(signal.SIGKILL)
    wait_until(lambda: not readers_of(path))


@pytest.mark.parametrize(
    ("text", "watts"),
    [
        (ANSWER, 214.0),
        (ANSWER.replace("214", "  0"), None),
        (ANSWER.replace("activated", "deactivated"), None),
        ("", None),
        ("Instantaneous power reading: many Watts", None),
    ],
)
def test_only_a_reading_is_a_reading(text, watts):
    assert watts_of(text.encode()) == watts


def failing(text: str) -> str:
    return f'echo "{text}" >&2\nexit 1'


def test_no_device_means_no_driver(tool, tmp_path):
    tool(failing(f"IANA PEN registry open failed: No such file or directory\n{NO_DEVICE}"))
    answer = IpmiMeter(host=str(tmp_path)).probe()
    assert isinstance(answer, Unavailable)
    assert "no /dev/ipmi0" in answer.reason
    assert "modprobe -a ipmi_si ipmi_devintf" in answer.remedy


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user, for whom the device is closed")
def test_a_device_for_root_only_is_told_apart_from_a_missing_one(tmp_path):
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/ipmi0").touch(mode=0o600)
    program = (
        "import os, sys\n"
        "from wattleak.meters import ipmi_probe\n"
        "os.setuid(65534)\n"
        "answer = ipmi_probe._explain(b'', sys.argv[2].encode(), sys.argv[1])\n"
        "print(answer.reason, '|', answer.remedy)\n"
    )
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    words = [str(tmp_path), NO_DEVICE]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert "only root may open" in done.stdout
    assert "60-ipmi.rules" in done.stdout


def test_a_bmc_without_dcmi_one_that_says_zero_and_one_that_rests(tool, tmp_path):
    tool(failing(NO_DCMI))
    assert "no DCMI power reading" in IpmiMeter().probe().reason
    assert "Invalid command (c1)" in IpmiMeter().probe().reason
    tool(printing(tmp_path, ANSWER.replace("214", "  0")))
    assert "gives 0 W" in IpmiMeter().probe().reason
    tool(printing(tmp_path, ANSWER.replace("activated", "deactivated")))
    assert "does not measure power now" in IpmiMeter().probe().reason


def test_a_probe_that_hangs_ends_with_a_reason(tool, monkeypatch):
    tool("exec sleep 1000")
    monkeypatch.setattr(ipmi_probe, "_LIMIT_S", 0.3)
    assert "did not answer" in IpmiMeter().probe().reason


def test_without_the_tool_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    answer = IpmiMeter().probe()
    assert isinstance(answer, Unavailable)
    assert "install ipmitool" in answer.remedy


def test_it_is_asked_only_when_it_is_named_and_then_holds_everything(tool, tmp_path, monkeypatch):
    tool(f"touch {tmp_path}/asked\n{printing(tmp_path, ANSWER)}")
    monkeypatch.setenv("WATTLEAK_POWERCAP", str(tmp_path / "none"))
    probe_meters()
    assert not (tmp_path / "asked").exists()
    probed = probe_meters(["cpu-model", "ipmi"])
    machine = next(channel for channel in probed.channels if channel.name == "machine-ipmi")
    assert machine.contains == {"cpu"}
