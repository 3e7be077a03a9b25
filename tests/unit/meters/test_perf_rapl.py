"""RAPL through perf. The system call is really made: on a software event, which every kernel counts, dressed as RAPL.

`cpu-clock` of CPU 0 counts nanoseconds; with a scale of 1e-9 it is a counter of one joule a second, and the oracle is
the monotonic clock.
"""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wattleak.meters import perf_events, rapl_reasons
from wattleak.meters.conformance import check_meter
from wattleak.meters.perf_rapl import PerfRaplMeter, open_event
from wattleak.model import Origin, Part, Unavailable

SOFTWARE, CPU_CLOCK = 1, 0  # PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK
NOBODY = 65534
BARE_METAL = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 106\nmodel name\t: Xeon 8375C\nflags\t\t: fpu\n"

if (_fd := open_event(SOFTWARE, CPU_CLOCK, 0)) >= 0:
    os.close(_fd)
counting = pytest.mark.skipif(_fd < 0, reason=f"perf_event_open is not permitted here: {errno.errorcode.get(-_fd)}")


def pmu(root: Path, *, mask="0", kind=SOFTWARE, events=None, scale="1.0e-9", unit="Joules") -> str:
    """The layout of /sys/bus/event_source/devices/power, as arch/x86/events/rapl.c writes it."""
    folder = root / "power"
    for sub in ("events", "format"):
        (folder / sub).mkdir(parents=True)
    (folder / "type").write_text(f"{kind}\n")
    (folder / "cpumask").write_text(f"{mask}\n")
    (folder / "format/event").write_text("config:0-7\n")
    for name, code in (events or {"energy-pkg": "0x00"}).items():
        (folder / f"events/{name}").write_text(f"event={code}\n")
        (folder / f"events/{name}.scale").write_text(f"{scale}\n")
        (folder / f"events/{name}.unit").write_text(f"{unit}\n")
    return str(folder)


def host(root: Path, cpuinfo=BARE_METAL, packages=(), paranoid=2) -> str:
    (root / "proc/sys/kernel").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(cpuinfo)
    (root / "proc/sys/kernel/perf_event_paranoid").write_text(f"{paranoid}\n")
    for cpu, (package, die) in packages:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        topology.mkdir(parents=True)
        (topology / "physical_package_id").write_text(f"{package}\n")
        (topology / "die_id").write_text(f"{die}\n")
    return str(root)


@counting
def test_the_kernel_counts_and_the_scale_is_applied(tmp_path):
    meter = PerfRaplMeter(pmu(tmp_path), host(tmp_path))
    (channel,) = meter.probe()
    assert (channel.name, channel.part, channel.origin) == ("cpu0", Part.CPU, Origin.COUNTER)
    assert channel.wrap_j is None, "the kernel accumulates in 64 bits"
    assert channel.device == "Xeon 8375C"
    meter.open(meter.spec())
    before_s = time.monotonic()
    first = meter.read()["cpu0"]
    between_s = time.monotonic()
    time.sleep(0.3)
    again_s = time.monotonic()
    second = meter.read()["cpu0"]
    after_s = time.monotonic()
    meter.close()
    assert (again_s - between_s) * 0.98 <= second - first <= (after_s - before_s) * 1.02


@counting
def test_it_conforms(tmp_path):
    assert check_meter(PerfRaplMeter(pmu(tmp_path), host(tmp_path))) == ()


def test_packages_memory_and_platform_each_once(tmp_path):
    events = {"energy-cores": "0x01", "energy-pkg": "0x02", "energy-ram": "0x03", "energy-gpu": "0x04"}
    root = pmu(
        tmp_path, mask="0,18", kind=23, events={**events, "energy-psys": "0x05"}, scale="2.3283064365386962890625e-10"
    )
    found = perf_events.find_events(root, host(tmp_path, packages=[(0, (0, 0)), (18, (1, 0))]))
    assert [(event.channel, event.config, event.cpu) for event in found] == [
        ("cpu0", 2, 0),
        ("cpu1", 2, 18),
        ("dram0", 3, 0),
        ("dram1", 3, 18),
        ("machine", 5, 0),
    ]
    assert {event.scale_j for event in found} == {2.0**-32}, "the unit of perf's energy events is 2^-32 joules"
    assert {event.type for event in found} == {23}


def test_dies_of_one_package_have_channels_of_their_own(tmp_path):
    root = pmu(tmp_path, mask="0-1", kind=23)
    found = perf_events.find_events(root, host(tmp_path, packages=[(0, (0, 0)), (1, (0, 1))]))
    assert [event.channel for event in found] == ["cpu0-die0", "cpu0-die1"]


def test_the_kernels_format_says_where_the_number_goes(tmp_path):
    root = pmu(tmp_path, events={"energy-pkg": "0x02"})
    (Path(root) / "format/event").write_text("config:8-15\n")
    assert perf_events.find_events(root, host(tmp_path))[0].config == 0x200


def test_a_unit_that_is_not_joules_is_not_read(tmp_path):
    assert perf_events.find_events(pmu(tmp_path, unit="Watts"), host(tmp_path)) == []


@counting
def test_platform_holds_the_others(tmp_path):
    meter = PerfRaplMeter(pmu(tmp_path, events={"energy-pkg": "0x00", "energy-psys": "0x00"}), host(tmp_path))
    found = {channel.name: channel for channel in meter.probe()}
    assert found["machine"].contains == {"cpu0"}


@counting
def test_an_event_that_the_kernel_refuses_is_a_loss_beside_one_that_counts(tmp_path):
    root = pmu(tmp_path, events={"energy-pkg": "0x00", "energy-ram": "0xfe"})  # software event 254 does not exist
    meter = PerfRaplMeter(root, host(tmp_path))
    assert [channel.name for channel in meter.probe()] == ["cpu0"]
    assert "dram0" in meter.losses[0].reason


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user to be refused by the kernel")
@pytest.mark.skipif(_fd == -errno.EPERM, reason="something forbids the call altogether")
def test_a_user_who_may_not_is_told_what_to_type_and_what_it_risks(tmp_path):
    """The kernel itself refuses: in a process of its own, since the refusal must not outlive the test."""
    program = (
        "import os, sys\n"
        "from wattleak.meters.perf_rapl import PerfRaplMeter\n"
        "import wattleak.meters.perf_events, wattleak.meters.rapl_reasons, ctypes\n"
        f"os.setuid({NOBODY})\n"
        "answer = PerfRaplMeter(*sys.argv[1:]).probe()\n"
        "print(answer.reason, '|', answer.remedy)\n"
    )
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    level = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    if level < 1:
        pytest.skip("everybody may count here")
    words = [pmu(tmp_path), host(tmp_path, paranoid=level)]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    assert "perf may not count cpu0" in done.stdout
    assert f"perf_event_paranoid is {level}" in done.stdout
    assert "sudo sysctl kernel.perf_event_paranoid=0" in done.stdout
    assert "CAP_PERFMON" in done.stdout
    assert "PLATYPUS" in done.stdout


def test_a_container_that_forbids_the_call_is_told_apart(tmp_path):
    events = perf_events.find_events(pmu(tmp_path), host(tmp_path, paranoid=-1))
    answer = rapl_reasons.why_no_event("x", events, {"cpu0": errno.EPERM}, str(tmp_path))
    assert "containers" in answer.reason
    assert "--cap-add PERFMON" in answer.remedy


@pytest.mark.parametrize(
    ("cpuinfo", "words"),
    [
        (BARE_METAL, "modprobe rapl"),
        (BARE_METAL.replace("fpu", "fpu hypervisor"), "bare-metal"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "nothing to type"),
    ],
)
def test_without_the_pmu_nothing_of_it_is_lost_and_the_reason_is_said(tmp_path, cpuinfo, words):
    meter = PerfRaplMeter(str(tmp_path / "none"), host(tmp_path, cpuinfo))
    answer = meter.probe()
    assert isinstance(answer, Unavailable)
    assert words in answer.remedy
    assert meter.absent


@counting
def test_counters_that_powercap_gives_are_left_to_it(tmp_path):
    """Only the memory's file was opened to everybody: the package comes from perf, the memory does not twice."""
    root = pmu(tmp_path, events={"energy-pkg": "0x00", "energy-ram": "0x00"})
    (memory,) = (channel for channel in PerfRaplMeter(root, host(tmp_path)).probe() if channel.name == "dram0")
    assert [channel.name for channel in PerfRaplMeter(root, str(tmp_path), [memory]).probe()] == ["cpu0"]
