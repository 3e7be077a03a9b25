"""The CPU model against the published tables (numbers typed from them), on emulated hosts and on this machine."""

import os
import sys
import time
from pathlib import Path

import pytest

from wattleak.meters.conformance import check_meter
from wattleak.meters.cpu_model import CpuModelMeter
from wattleak.meters.cpuinfo import identify
from wattleak.model import Channel, Origin, Unavailable

# Rows of the source tables.
GCP_M3_MEGAMEM_128 = (128, 98.15, 467.4)  # Ice Lake: vCPU, least and most watts (Cloud Carbon Footprint)
AWS_M6I_LARGE = (2, 1.09, 9.55)  # Xeon 8375C: vCPU, package watts at rest and at 100 % (Teads)
AWS_M6I_LARGE_WHOLE_W = 16.2  # the same instance with its memory and its part of the platform, at 100 %


def cpuinfo(vendor="GenuineIntel", family=6, model=106, stepping=6, name="Intel(R) Xeon(R) Platinum 8375C") -> str:
    return (
        f"processor\t: 0\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n"
        f"model name\t: {name}\nstepping\t: {stepping}\nflags\t\t: fpu hypervisor\n\n"
    )


def host(root: Path, info: str, cpus: int = 2, busy_ticks: int = 0) -> str:
    (root / "proc").mkdir(parents=True, exist_ok=True)
    (root / "proc/cpuinfo").write_text(info)
    write_stat(root, cpus, f"{busy_ticks} 0 0 0 0 0 0 0 0 0")
    return str(root)


def write_stat(root: Path, cpus: int, times: str) -> None:
    lines = [f"cpu  {times}", *(f"cpu{n} {times}" for n in range(cpus)), "intr 1 2 3", "ctxt 5"]
    (root / "proc/stat").write_text("\n".join(lines) + "\n")


def channel_of(meter: CpuModelMeter) -> Channel:
    (channel,) = meter.probe()
    return channel


def full_load_w(channel: Channel, cpus: int) -> float:
    return channel.idle_w.value + cpus * channel.watts_per_busy_cpu.value


def test_ice_lake_is_the_mean_of_the_two_published_methods(tmp_path):
    channel = channel_of(CpuModelMeter(host=host(tmp_path, cpuinfo())))
    vcpus, least, most = GCP_M3_MEGAMEM_128
    rest, full = AWS_M6I_LARGE[1] / AWS_M6I_LARGE[0], AWS_M6I_LARGE[2] / AWS_M6I_LARGE[0]
    idle_w = (least / vcpus + rest) / 2
    full_w = (most / vcpus + full) / 2
    assert channel.idle_w.value == pytest.approx(2 * idle_w, rel=0.005)
    assert channel.watts_per_busy_cpu.value == pytest.approx(full_w - idle_w, rel=0.005)
    assert channel.origin is Origin.MODELLED
    assert "Ice Lake" in channel.source


def test_two_vcpus_are_not_billed_a_whole_socket(tmp_path):
    """The instance was published with 16.2 W in all, 9.55 W of it the processor's."""
    channel = channel_of(CpuModelMeter(host=host(tmp_path, cpuinfo())))
    watts = full_load_w(channel, 2)
    assert watts == pytest.approx(AWS_M6I_LARGE_WHOLE_W, rel=0.5)
    assert watts == pytest.approx(AWS_M6I_LARGE[2], rel=0.5)
    assert watts * channel.relative_low < AWS_M6I_LARGE_WHOLE_W < watts * channel.relative_high


def test_an_unknown_processor_changes_the_answer_little_and_says_so(tmp_path):
    known = channel_of(CpuModelMeter(host=host(tmp_path / "a", cpuinfo())))
    unknown = channel_of(CpuModelMeter(host=host(tmp_path / "b", cpuinfo(model=250, name="Xeon of tomorrow"))))
    for ratio in (
        full_load_w(unknown, 2) / full_load_w(known, 2),
        unknown.watts_per_busy_cpu.value / known.watts_per_busy_cpu.value,
    ):
        assert 1 / 1.5 < ratio < 1.5
    assert "CPU model unknown (Xeon of tomorrow): generic Intel server curve" in unknown.source
    assert unknown.relative_low < known.relative_low
    assert unknown.relative_high > known.relative_high


def test_an_unknown_laptop_chip_has_a_wider_range_than_an_unknown_server(tmp_path):
    server = channel_of(CpuModelMeter(host=host(tmp_path / "a", cpuinfo(model=250, name="Xeon"))))
    laptop = channel_of(CpuModelMeter(host=host(tmp_path / "b", cpuinfo(model=250, name="Intel(R) Core(TM) Ultra 7"))))
    assert laptop.relative_low < server.relative_low


@pytest.mark.parametrize(
    ("info", "architecture"),
    [
        (cpuinfo(model=85, stepping=4), "Skylake"),
        (cpuinfo(model=85, stepping=7), "Cascade Lake"),
        (cpuinfo(model=85, stepping=11), None),  # Cooper Lake: in no table
        (cpuinfo(model=143, stepping=8), "Sapphire Rapids"),
        (cpuinfo("AuthenticAMD", 23, 49), "EPYC 2nd Gen"),
        (cpuinfo("AuthenticAMD", 25, 1), "EPYC 3rd Gen"),
        (cpuinfo("AuthenticAMD", 25, 17), "EPYC 4th Gen"),
        (cpuinfo("AuthenticAMD", 25, 33, name="AMD Ryzen 9 5950X"), None),  # shares the family, not the chip
        ("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n\n", "Graviton2"),
        ("", None),
    ],
)
def test_micro_architectures(info, architecture):
    assert identify(info).architecture == architecture


def test_one_busy_thread_shows_on_64_cpus(tmp_path):
    """Energy over an emulated second: nothing runs, one thread runs, all run."""
    meter = CpuModelMeter(host=host(tmp_path, cpuinfo(), cpus=64))
    channel = channel_of(meter)
    meter.open(meter.spec())
    hertz = os.sysconf("SC_CLK_TCK")
    gained = []
    for busy in (0, 1, 64):
        before, t0 = meter.read()["cpu"], time.monotonic()
        write_stat(tmp_path, 64, f"{busy * hertz} 0 0 9 9 0 0 9 9 9")
        after, t1 = meter.read()["cpu"], time.monotonic()
        gained.append(after - before)
        assert after - before == pytest.approx(
            busy * channel.watts_per_busy_cpu.value + channel.idle_w.value * (t1 - t0), abs=0.5
        )
        write_stat(tmp_path, 64, "0 0 0 0 0 0 0 0 0 0")
    assert gained[1] > channel.idle_w.value * 0.01, "one of 64 threads is more than 1 % of a second at rest"
    meter.close()


def test_busy_is_work_not_waiting_and_not_stolen(tmp_path):
    meter = CpuModelMeter(host=host(tmp_path, cpuinfo()))
    watts = channel_of(meter).watts_per_busy_cpu.value
    meter.open(meter.spec())
    at_rest = meter.read()["cpu"]
    hertz = os.sysconf("SC_CLK_TCK")
    second = [hertz * 1000] * 10
    fields = (
        "user",
        "nice",
        "system",
        "idle",
        "iowait",
        "irq",
        "softirq",
        "steal",
        "guest",
        "guest_nice",
    )  # proc_stat(5)
    for field, name in enumerate(fields):
        times = [0] * 10
        times[field] = second[field]
        write_stat(tmp_path, 2, " ".join(map(str, times)))
        counted = meter.read()["cpu"] - at_rest > 500 * watts
        assert counted == (name in {"user", "nice", "system", "irq", "softirq"}), name
    meter.close()


def test_idle_power_stated_by_the_user_replaces_the_table(tmp_path):
    meter = CpuModelMeter(idle_w=7.0, host=host(tmp_path, cpuinfo()))
    assert channel_of(meter).idle_w.value == 7.0


def test_without_a_table_or_proc_it_is_unavailable(tmp_path):
    nothing = CpuModelMeter(host=str(tmp_path / "none")).probe()
    assert isinstance(nothing, Unavailable)
    riscv = CpuModelMeter(host=host(tmp_path, "processor\t: 0\nisa\t: rv64imafdc\n")).probe()
    assert isinstance(riscv, Unavailable)
    assert "no published watts" in riscv.reason


def test_a_stat_file_that_cannot_be_read_now_is_absent(tmp_path):
    meter = CpuModelMeter(host=host(tmp_path, cpuinfo()))
    meter.probe()
    meter.open(meter.spec())
    (tmp_path / "proc/stat").write_text("")
    assert meter.read() == {}
    meter.close()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/stat is Linux")
def test_on_this_machine_it_conforms_and_sees_our_own_work():
    assert check_meter(CpuModelMeter()) == ()
    meter = CpuModelMeter()
    answer = meter.probe()
    if isinstance(answer, Unavailable):
        pytest.skip(answer.reason)
    (channel,) = answer
    meter.open(meter.spec())
    before, t0, c0 = meter.read()["cpu"], time.monotonic(), time.process_time()
    while time.process_time() < c0 + 0.3:
        sum(range(1000))
    gained_j, elapsed_s = meter.read()["cpu"] - before, time.monotonic() - t0
    meter.close()
    work_j = gained_j - channel.idle_w.value * elapsed_s
    assert work_j > 0.2 * channel.watts_per_busy_cpu.value, "0.3 CPU-seconds of ours, less the rounding of ticks"
