"""RAPL against an emulated powercap tree: names, wraps, mirrors, drop-outs, and why it cannot be used."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from wattleak.meters import powercap, rapl_reasons  # noqa: F401 - loaded before a test gives up the right to read the source
from wattleak.meters.conformance import check_meter
from wattleak.meters.rapl import RaplMeter
from wattleak.model import Origin, Part, Quantity, Unavailable

BARE_METAL = "vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 106\nmodel name\t: Xeon 8375C\nflags\t\t: fpu\n"
NOBODY = 65534


def zone(root: Path, name: str, label: str, energy_uj: int, range_uj: int = 262_143_328_850) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{label}\n")
    (folder / "max_energy_range_uj").write_text(f"{range_uj}\n")
    (folder / "energy_uj").write_text(f"{energy_uj}\n")
    return folder / "energy_uj"


def host(root: Path, cpuinfo: str = BARE_METAL) -> str:
    (root / "proc").mkdir(parents=True)
    (root / "proc/cpuinfo").write_text(cpuinfo)
    return str(root)


def channels(meter: RaplMeter) -> dict:
    answer = meter.probe()
    assert not isinstance(answer, Unavailable), answer
    return {channel.name: channel for channel in answer}


@pytest.fixture
def server(tmp_path):
    """Two packages with memory, their parts, a platform counter, and the first package again through MMIO."""
    root = tmp_path / "powercap"
    zone(root, "intel-rapl:0", "package-0", 111_000_000)
    zone(root, "intel-rapl:0:0", "core", 50_000_000)
    zone(root, "intel-rapl:0:1", "dram", 22_000_000, 65_712_999_613)
    zone(root, "intel-rapl:1", "package-1", 333_000_000)
    zone(root, "intel-rapl:1:0", "uncore", 1)
    zone(root, "intel-rapl:1:1", "dram", 44_000_000, 65_712_999_613)
    zone(root, "intel-rapl:2", "psys", 999_000_000)
    zone(root, "intel-rapl-mmio:0", "package-0", 111_000_150)
    return RaplMeter(str(root), host(tmp_path))


def test_packages_memory_and_platform_each_once(server):
    found = channels(server)
    assert set(found) == {"cpu0", "cpu1", "dram0", "dram1", "machine"}
    assert {name: channel.part for name, channel in found.items()} == {
        "cpu0": Part.CPU,
        "cpu1": Part.CPU,
        "dram0": Part.DRAM,
        "dram1": Part.DRAM,
        "machine": Part.MACHINE,
    }
    assert found["machine"].contains == {"cpu0", "cpu1", "dram0", "dram1"}
    assert not found["cpu0"].contains, "memory is not inside the package's counter"
    assert all(channel.origin is Origin.COUNTER for channel in found.values())
    assert all(channel.quantity is Quantity.ENERGY_J for channel in found.values())
    assert found["cpu0"].wrap_j == pytest.approx(262143.32885)
    assert found["dram0"].wrap_j == pytest.approx(65712.999613)
    assert found["cpu0"].device == "Xeon 8375C"

    server.open(server.spec())
    assert server.read() == {"cpu0": 111.0, "cpu1": 333.0, "dram0": 22.0, "dram1": 44.0, "machine": 999.0}
    server.close()


def test_amd_has_packages_only_and_its_counter_is_a_model(tmp_path):
    """An EPYC shows the zones of Intel's driver: packages and their cores, no memory, no platform."""
    cpuinfo = BARE_METAL.replace("GenuineIntel", "AuthenticAMD").replace("Xeon 8375C", "AMD EPYC 7763")
    for package, energy_uj in ((0, 7_000_000), (1, 9_000_000)):
        zone(tmp_path / "p", f"intel-rapl:{package}", f"package-{package}", energy_uj, 65_532_610_987)
        zone(tmp_path / "p", f"intel-rapl:{package}:0", "core", 1_000_000, 65_532_610_987)
    meter = RaplMeter(str(tmp_path / "p"), host(tmp_path, cpuinfo))
    found = channels(meter)
    assert set(found) == {"cpu0", "cpu1"}
    assert (found["cpu0"].relative_low, found["cpu0"].relative_high) == (0.8, 1.2), "Intel's package is +-10 %"
    assert found["cpu0"].wrap_j == pytest.approx(65532.610987)
    meter.open(meter.spec())
    assert meter.read() == {"cpu0": 7.0, "cpu1": 9.0}
    meter.close()


def test_it_conforms(server):
    assert check_meter(server) == ()


def test_the_environment_names_the_tree(tmp_path, monkeypatch):
    zone(tmp_path / "elsewhere", "intel-rapl:0", "package-0", 5_000_000)
    monkeypatch.setenv("WATTLEAK_POWERCAP", str(tmp_path / "elsewhere"))
    assert set(channels(RaplMeter())) == {"cpu0"}


def test_a_counter_that_another_process_drives_is_followed(tmp_path):
    """The kernel's part is played by another process: it writes when told, says when done, wraps, and we read."""
    counter = zone(tmp_path / "p", "intel-rapl:0", "package-0", 0, range_uj=3_000_000)
    meter = RaplMeter(str(tmp_path / "p"), host(tmp_path))
    (channel,) = channels(meter).values()
    assert channel.wrap_j == 3.0
    meter.open(meter.spec())
    writer = (
        "import os, sys\n"
        "fd = os.open(sys.argv[1], os.O_WRONLY)\n"
        "for line in sys.stdin:\n"
        "    os.pwrite(fd, b'%12d\\n' % int(line), 0)\n"
        "    print('done', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", writer, str(counter)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as kernel:
        for energy_uj, energy_j in ((1_000_000, 1.0), (2_999_999, 2.999999), (250_000, 0.25)):
            kernel.stdin.write(f"{energy_uj}\n")
            kernel.stdin.flush()
            assert kernel.stdout.readline() == "done\n"
            assert meter.read() == {"cpu0": energy_j}
        kernel.stdin.close()
    meter.close()


def test_a_reading_that_fails_is_absent_and_the_others_stay(server, tmp_path):
    server.probe()
    server.open(server.spec())
    (tmp_path / "powercap/intel-rapl:0/energy_uj").write_text("")
    raw = server.read()
    assert "cpu0" not in raw
    assert raw["cpu1"] == 333.0
    server.close()


def test_a_zone_that_has_gone_before_the_recorder_opens_it_is_absent(server, tmp_path):
    server.probe()
    (tmp_path / "powercap/intel-rapl:1/energy_uj").unlink()
    server.open(server.spec())
    assert "cpu1" not in server.read()
    server.close()


def test_dies_with_counters_of_their_own_both_count(tmp_path):
    zone(tmp_path / "p", "intel-rapl:0", "package-0-die-0", 700_000_000)
    zone(tmp_path / "p", "intel-rapl:1", "package-0-die-1", 900_000_000)
    assert set(channels(RaplMeter(str(tmp_path / "p"), host(tmp_path)))) == {"cpu0-die0", "cpu0-die1"}


def test_dies_that_show_one_counter_count_once(tmp_path):
    zone(tmp_path / "p", "intel-rapl:0", "package-0-die-0", 700_000_000)
    zone(tmp_path / "p", "intel-rapl:1", "package-0-die-1", 700_010_000)
    assert set(channels(RaplMeter(str(tmp_path / "p"), host(tmp_path)))) == {"cpu0"}


@pytest.fixture
def public_folder():
    """A folder that an ordinary user can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def probe_as_ordinary_user(meter: RaplMeter):
    if os.geteuid() != 0:
        return meter.probe()
    os.seteuid(NOBODY)
    try:
        return meter.probe()
    finally:
        os.seteuid(0)


def test_counters_for_root_only_say_how_to_open_them_and_what_that_risks(public_folder):
    zone(public_folder / "p", "intel-rapl:0", "package-0", 1_000_000).chmod(0o400 if os.geteuid() == 0 else 0)
    answer = probe_as_ordinary_user(RaplMeter(str(public_folder / "p"), host(public_folder)))
    assert isinstance(answer, Unavailable)
    assert "only root may read package intel-rapl:0" in answer.reason
    assert "sudo chmod a+r" in answer.remedy
    assert "/etc/udev/rules.d/" in answer.remedy
    assert "PLATYPUS" in answer.remedy


def test_what_is_lost_beside_a_readable_counter_is_said(public_folder):
    zone(public_folder / "p", "intel-rapl:0", "package-0", 1_000_000)
    zone(public_folder / "p", "intel-rapl:0:0", "dram", 1_000_000).chmod(0o400 if os.geteuid() == 0 else 0)
    meter = RaplMeter(str(public_folder / "p"), host(public_folder))
    assert [channel.name for channel in probe_as_ordinary_user(meter)] == ["cpu0"]
    (loss,) = meter.losses
    assert "dram intel-rapl:0:0" in loss.reason


def test_a_guest_is_told_that_its_hypervisor_keeps_the_counters(tmp_path):
    (tmp_path / "sys/class/dmi/id").mkdir(parents=True)
    (tmp_path / "sys/class/dmi/id/sys_vendor").write_text("Amazon EC2\n")
    (tmp_path / "sys/class/dmi/id/product_name").write_text("m6i.large\n")
    answer = RaplMeter(str(tmp_path / "none"), host(tmp_path, BARE_METAL.replace("fpu", "fpu hypervisor"))).probe()
    assert isinstance(answer, Unavailable)
    assert "virtual machine (Amazon EC2 m6i.large)" in answer.reason


def test_a_container_that_hides_the_tree_is_recognised(tmp_path):
    """Container runtimes mask the folder that the entries of /sys/class/powercap point into."""
    (tmp_path / "p").mkdir()
    (tmp_path / "p/intel-rapl:0").symlink_to(tmp_path / "masked/intel-rapl:0")
    answer = RaplMeter(str(tmp_path / "p"), host(tmp_path)).probe()
    assert isinstance(answer, Unavailable)
    assert "containers" in answer.reason
    assert "docker run" in answer.remedy


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the advice is about Linux")
def test_bare_metal_without_the_driver_is_told_to_load_it(tmp_path):
    answer = RaplMeter(str(tmp_path / "none"), host(tmp_path)).probe()
    assert isinstance(answer, Unavailable)
    assert "modprobe intel_rapl_msr" in answer.remedy
