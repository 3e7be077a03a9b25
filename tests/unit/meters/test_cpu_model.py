"""The CPU model against the published tables (numbers typed from them), on emulated hosts and on this machine."""

import os
import sys
import time
from pathlib import Path

import pytest

from wattleak.errors import UsageError
from wattleak.meters.conformance import check_meter
from wattleak.meters.cpu_model import CpuModelMeter
from wattleak.meters.cpu_watts import curve_for, read_table
from wattleak.meters.cpuinfo import Processor, identify
from wattleak.meters.instance_watts import instance_named
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


def nitro(root: Path, instance: str, vendor: str = "Amazon EC2") -> None:
    dmi = root / "sys/class/dmi/id"
    dmi.mkdir(parents=True)
    (dmi / "sys_vendor").write_text(f"{vendor}\n")
    (dmi / "product_name").write_text(f"{instance}\n")


def limit(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


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


# -- instance types --------------------------------------------------------------------------------------------------


def test_the_firmware_of_an_aws_instance_names_its_type(tmp_path):
    root = host(tmp_path, cpuinfo(model=250, name="Xeon of tomorrow"))
    nitro(tmp_path, "m6i.large")
    channel = channel_of(CpuModelMeter(host=root))
    assert "instance type m6i.large" in channel.source
    assert full_load_w(channel, 2) == pytest.approx(AWS_M6I_LARGE_WHOLE_W, rel=0.5)


def test_m6i_large_hardly_moves_whatever_is_known_of_it(tmp_path):
    """By instance type, by micro-architecture, by vendor only: never more than 1.5 apart."""
    by_type = tmp_path / "type"
    host(by_type, cpuinfo())
    nitro(by_type, "m6i.large")
    hosts = [
        str(by_type),
        host(tmp_path / "chip", cpuinfo()),
        host(tmp_path / "vendor", cpuinfo(model=250, name="unheard of")),
        host(tmp_path / "nothing", "processor\t: 0\ncpu family\t: 6\nflags\t\t: fpu\n\n"),
    ]
    watts = [full_load_w(channel_of(CpuModelMeter(host=root)), 2) for root in hosts]
    busy = [channel_of(CpuModelMeter(host=root)).watts_per_busy_cpu.value for root in hosts]
    assert max(watts) < 1.5 * min(watts)
    assert max(busy) < 1.5 * min(busy)


def test_no_instance_is_far_from_its_own_micro_architecture():
    """Every type of the table at full load against the same machine known by its chip alone."""
    table = read_table()
    with (Path(__file__).parents[3] / "src/wattleak/meters/data/instance_watts.csv").open() as file:
        rows = [line.split(",") for line in file if line[0] != "#"][1:]
    assert len(rows) > 1000
    for _, name, _, architecture, _, _, full_w in rows:
        chip_w = float(table[architecture or "generic-x86"]["full_w"])
        assert 1 / 1.5 < float(full_w) / chip_w < 1.5, name


def test_an_unknown_chip_is_near_every_known_one_but_two():
    """Full load per vCPU, the chip known or only its vendor. The two (2012, 2017) are far from their
    vendor's later ones; the range of an unknown chip holds them too.
    """
    far = set()
    for name, row in read_table().items():
        if name.startswith("generic"):
            continue
        known = curve_for(Processor(row["vendor"], name, None, client=False, guest=True))
        unknown = curve_for(Processor(row["vendor"], None, None, client=False, guest=True))
        for of_known, of_unknown in (
            (known.full_w, unknown.full_w),
            (known.full_w - known.idle_w, unknown.full_w - unknown.idle_w),
        ):
            if not 1 / 1.5 < of_known / of_unknown < 1.5:
                far.add(name)
            assert of_unknown * unknown.relative_low < of_known < of_unknown * unknown.relative_high
    assert far == {"Sandy Bridge", "EPYC 1st Gen"}


@pytest.mark.parametrize(
    ("cloud", "stated", "known_as"),
    [
        ("gcp", "n2-standard-8", "n2-standard-8"),
        ("azure", "Standard_D2s_v4", "D2s v4"),
        ("azure", "d2s v4", "D2s v4"),
        ("aws", "M6I.LARGE", "m6i.large"),
    ],
)
def test_the_user_states_what_the_firmware_does_not_say(cloud, stated, known_as):
    instance = instance_named(stated)
    assert (instance.cloud, instance.name) == (cloud, known_as)


def test_a_type_that_does_not_fit_the_machine(tmp_path):
    root = host(tmp_path, cpuinfo(), cpus=64)
    with pytest.raises(UsageError, match="has 2 vCPUs, and this machine has 64 CPUs"):
        CpuModelMeter(host=root, instance_type="m6i.large").probe()
    with pytest.raises(UsageError, match="no table knows"):
        CpuModelMeter(host=root, instance_type="m99.huge").probe()
    nitro(tmp_path, "m6i.large")  # what the firmware says is not an order: the chip is asked then
    assert "Ice Lake" in channel_of(CpuModelMeter(host=root)).source
    assert "instance type" not in channel_of(CpuModelMeter(host=root)).source


def test_other_clouds_do_not_name_the_type(tmp_path):
    root = host(tmp_path, cpuinfo())
    nitro(tmp_path, "Google Compute Engine", vendor="Google")
    assert "instance type" not in channel_of(CpuModelMeter(host=root)).source


def test_hyperthreading_off_is_the_same_full_load(tmp_path):
    on, off = host(tmp_path / "on", cpuinfo(), cpus=8), host(tmp_path / "off", cpuinfo(), cpus=4)
    watts = [
        full_load_w(channel_of(CpuModelMeter(host=root, instance_type="m6i.2xlarge")), cpus)
        for root, cpus in ((on, 8), (off, 4))
    ]
    assert watts[0] == pytest.approx(watts[1])


# -- containers ------------------------------------------------------------------------------------------------------

CONTAINERS = {
    "quota, cgroup v2": ({"cpu.max": "200000 100000\n", "cpu.stat": "usage_usec {us}\nuser_usec 1\n"}, 2.0),
    "half a CPU": ({"cpu.max": "50000 100000\n", "cpu.stat": "usage_usec {us}\n"}, 0.5),
    "set of CPUs": (
        {"cpu.max": "max 100000\n", "cpuset.cpus.effective": "0-1,8\n", "cpu.stat": "usage_usec {us}\n"},
        3.0,
    ),
    "quota, cgroup v1": (
        {"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n", "cpuacct/cpuacct.usage": "{us}000\n"},
        2.0,
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_small_container_is_not_billed_its_host(tmp_path, name):
    files, allowed = CONTAINERS[name]
    root = host(tmp_path, cpuinfo(), cpus=64)
    whole = channel_of(CpuModelMeter(host=root))
    limit(tmp_path, {path: text.format(us=0) for path, text in files.items()})
    meter = CpuModelMeter(host=root)
    channel = channel_of(meter)
    assert channel.idle_w.value == pytest.approx(whole.idle_w.value * allowed / 64)
    assert channel.watts_per_busy_cpu == whole.watts_per_busy_cpu, "what a tree is billed is the same"
    assert f"{allowed:g} of 64 CPUs" in channel.source
    meter.open(meter.spec())
    before, t0 = meter.read()["cpu"], time.monotonic()
    write_stat(tmp_path, 64, "99999999 0 0 0 0 0 0 0 0 0")  # neighbours on the host
    limit(tmp_path, {path: text.format(us=3_000_000) for path, text in files.items()})
    after, t1 = meter.read()["cpu"], time.monotonic()
    meter.close()
    expected_j = 3 * channel.watts_per_busy_cpu.value + channel.idle_w.value * (t1 - t0)
    assert after - before == pytest.approx(expected_j, abs=0.5)


@pytest.mark.parametrize(
    "files",
    [
        {"cpu.max": "max 100000\n", "cpu.stat": "usage_usec 5\n"},
        {"cpu.max": "6400000 100000\n", "cpu.stat": "usage_usec 5\n"},
        {"cpu.max": "junk\n", "cpuset.cpus.effective": "all of them\n"},
        {"cpu.max": "200000 100000\n"},  # nothing counts what the container uses
        {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
    ],
)
def test_no_limit_is_the_whole_machine(tmp_path, files):
    root = host(tmp_path, cpuinfo(), cpus=64)
    whole = channel_of(CpuModelMeter(host=root))
    limit(tmp_path, files)
    assert channel_of(CpuModelMeter(host=root)) == whole


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
