"""hwmon sensors: trees as the drivers lay them out, what mirrors another meter, and a process that drives them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wattleak.meters.conformance import check_meter
from wattleak.meters.hwmon import HwmonMeter
from wattleak.model import Channel, Origin, Part, Quantity, Unavailable

RAPL = Channel("cpu0", "rapl", Part.CPU, Origin.COUNTER, Quantity.ENERGY_J, 0.001, 0.9, 1.1, source="test")
AMD_SMI = RAPL._replace(name="gpu0", meter="amd-smi", part=Part.GPU)
NOBODY = 65534


def device(root: Path, number: int, name: str, *, old: bool = False, **files: object) -> Path:
    """One device; with `old`, its files lie in the parent device, as those of the ACPI power meter do."""
    folder = root / f"hwmon{number}" / "device" if old else root / f"hwmon{number}"
    folder.mkdir(parents=True)
    for file, text in {"name": name, **files}.items():
        (folder / file).write_text(f"{text}\n")
    return folder


def acpi(root: Path, number: int, microwatts: int, **files: object) -> Path:
    known = {"power1_accuracy": "90.0%", "power1_average_interval": 1000, "power1_is_battery": 0}
    return device(root, number, "power_meter", old=True, power1_average=microwatts, **{**known, **files})


def found(meter: HwmonMeter) -> dict[str, Channel]:
    answer = meter.probe()
    assert not isinstance(answer, Unavailable), answer
    return {channel.name: channel for channel in answer}


def reading(meter: HwmonMeter) -> dict[str, float]:
    found(meter)
    meter.open(meter.spec())
    try:
        return meter.read()
    finally:
        meter.close()


def test_a_servers_acpi_meter_is_the_machine_and_its_firmware_states_the_range(tmp_path):
    acpi(tmp_path, 0, 213_000_000, power1_model_number="PowerEdge")
    channel = found(HwmonMeter(str(tmp_path)))["machine-acpi"]
    assert (channel.part, channel.origin, channel.quantity) == (Part.MACHINE, Origin.SAMPLED, Quantity.POWER_W)
    assert (channel.relative_low, channel.relative_high) == pytest.approx((0.9, 1.1))
    assert channel.period_s == 1.0
    assert "90.0% accuracy" in channel.source
    assert "PowerEdge" in channel.device
    assert reading(HwmonMeter(str(tmp_path))) == {"machine-acpi": 213.0}


@pytest.mark.parametrize(
    ("said", "error"),
    [("100.0%", 0.05), ("80.0%", 0.2), ("92.50%", 0.0795), ("92.500%", 0.075), ("", 0.1)],
)
def test_an_accuracy_too_good_is_not_believed_and_the_kernels_print_is_understood(tmp_path, said, error):
    """The kernel prints thousandths of a percent without leading zeros: 92.050 % as 92.50%."""
    acpi(tmp_path, 0, 1, power1_accuracy=said)
    channel = found(HwmonMeter(str(tmp_path)))["machine-acpi"]
    assert channel.relative_high - 1 == pytest.approx(error)


def test_of_several_acpi_meters_the_one_that_measures_the_whole_system_is_read(tmp_path):
    acpi(tmp_path, 0, 90_000_000)
    whole = acpi(tmp_path, 1, 400_000_000)
    (whole / "measures").mkdir()
    (whole / "measures/LNXSYBUS:00").symlink_to(tmp_path)
    assert reading(HwmonMeter(str(tmp_path))) == {"machine-acpi": 400.0}


def test_several_acpi_meters_that_do_not_say_what_they_measure_are_not_guessed_at(tmp_path):
    acpi(tmp_path, 0, 90_000_000)
    acpi(tmp_path, 1, 400_000_000)
    answer = HwmonMeter(str(tmp_path)).probe()
    assert isinstance(answer, Unavailable)
    assert "2 ACPI power meters" in answer.reason


def grace(root: Path) -> None:
    for number, (place, watts) in enumerate((("Module", 197), ("Grace", 37), ("CPU", 35), ("SysIO", 1))):
        acpi(root, number, watts * 1_000_000, power1_oem_info=f"{place} Power Socket 0", power1_accuracy="100.0%")


def test_grace_hopper_gives_the_cpu_socket_and_not_the_module_that_holds_the_gpu(tmp_path):
    grace(tmp_path)
    channel = found(HwmonMeter(str(tmp_path)))["cpu0"]
    assert channel.part is Part.CPU
    assert reading(HwmonMeter(str(tmp_path))) == {"cpu0": 37.0}


def test_grace_is_left_out_beside_a_counter_that_covers_its_whole_module(tmp_path):
    grace(tmp_path)
    gpu = AMD_SMI._replace(meter="nvml", device="NVIDIA GH200 480GB [PCI 9:1:0]")
    assert isinstance(HwmonMeter(str(tmp_path), read_already=[gpu]).probe(), Unavailable)
    assert found(HwmonMeter(str(tmp_path), read_already=[gpu._replace(device="NVIDIA H100")]))


def test_power_supplies_are_one_machine_and_one_that_fails_takes_the_sum_with_it(tmp_path):
    labels = {"power1_label": "pin", "power2_label": "pout1"}
    device(tmp_path, 0, "ibm-cffps", power1_input=300_000_000, power2_input=280_000_000, **labels)
    second = device(tmp_path, 1, "ibm-cffps", power1_input=320_000_000, power2_input=295_000_000, **labels)
    meter = HwmonMeter(str(tmp_path))
    assert set(found(meter)) == {"machine-psu"}
    meter.open(meter.spec())
    assert meter.read() == {"machine-psu": 620.0}
    (second / "power1_input").write_text("")
    assert meter.read() == {}, "half a machine is not the machine"
    meter.close()


def test_power_supplies_and_an_acpi_meter_see_one_machine(tmp_path):
    device(tmp_path, 0, "crps185", power1_input=300_000_000, power1_label="pin")
    acpi(tmp_path, 1, 280_000_000)
    channels = found(HwmonMeter(str(tmp_path)))
    assert channels["machine-psu"].contains == {"machine-acpi"}
    assert channels["machine-acpi"].contains == frozenset()


def test_an_apple_machine_under_linux_gives_the_whole_and_not_its_parts(tmp_path):
    labels = {
        "power1_label": "AC Input Power",
        "power2_label": "Total System Power",
        "power3_label": "3.8 V Rail Power",
    }
    device(
        tmp_path, 0, "macsmc_hwmon", power1_input=30_000_000, power2_input=11_500_000, power3_input=4_000_000, **labels
    )
    assert reading(HwmonMeter(str(tmp_path))) == {"machine-smc": 11.5}


AMD_ENERGY = {"energy1_label": "Ecore000", "energy1_input": 5, "energy2_label": "Esocket0", "energy2_input": 77_000_000}


def test_amd_energy_counts_the_package_where_nothing_else_does_and_is_silent_beside_rapl(tmp_path):
    device(tmp_path, 0, "amd_energy", **AMD_ENERGY)
    channel = found(HwmonMeter(str(tmp_path)))["cpu0"]
    assert (channel.origin, channel.quantity) == (Origin.COUNTER, Quantity.ENERGY_J)
    assert reading(HwmonMeter(str(tmp_path))) == {"cpu0": 77.0}
    assert isinstance(HwmonMeter(str(tmp_path), read_already=[RAPL]).probe(), Unavailable)


def test_an_amd_gpu_is_read_unless_amd_smi_does(tmp_path):
    device(tmp_path, 0, "amdgpu", in0_label="vddgfx", power1_average=150_000_000, power1_label="PPT")
    device(tmp_path, 1, "amdgpu", in0_label="vddgfx", power1_input=90_000_000, power1_label="PPT")
    assert reading(HwmonMeter(str(tmp_path), read_already=[RAPL])) == {"amd-gpu0": 150.0, "amd-gpu1": 90.0}
    assert isinstance(HwmonMeter(str(tmp_path), read_already=[AMD_SMI]).probe(), Unavailable)


def test_an_apu_shows_cpu_and_gpu_together_and_is_silent_beside_rapl(tmp_path):
    device(tmp_path, 0, "amdgpu", in0_label="vddgfx", in1_label="vddnb", power1_input=18_000_000, power1_label="PPT")
    assert found(HwmonMeter(str(tmp_path)))["cpu0"].part is Part.CPU
    assert isinstance(HwmonMeter(str(tmp_path), read_already=[RAPL]).probe(), Unavailable)


def test_an_intel_gpu_counts_the_card_once(tmp_path):
    labels = {"energy1_label": "card", "energy2_label": "pkg"}
    device(tmp_path, 0, "xe", energy1_input=9_000_000, energy2_input=7_000_000, **labels)
    device(tmp_path, 1, "i915", energy1_input=4_000_000)
    device(tmp_path, 2, "i915_gt0", energy1_input=3_000_000)
    assert reading(HwmonMeter(str(tmp_path))) == {"intel-gpu0": 9.0, "intel-gpu1": 4.0}


def test_two_drivers_that_see_one_package_are_not_added(tmp_path):
    device(tmp_path, 0, "amd_energy", **AMD_ENERGY)
    device(tmp_path, 1, "amdgpu", in1_label="vddnb", power1_input=18_000_000)
    assert reading(HwmonMeter(str(tmp_path))) == {"cpu0": 77.0}


def test_a_sensor_that_would_hold_up_the_others_is_left_to_the_bmc(tmp_path):
    """A pipe stands for firmware that answers late, twice: another process opens its other end and waits."""
    sensor = acpi(tmp_path, 0, 0) / "power1_average"
    sensor.unlink()
    os.mkfifo(sensor)
    late = (
        "import sys, time\n"
        "for _ in range(2):\n"
        "    with open(sys.argv[1], 'w') as pipe:\n"
        "        time.sleep(0.2)\n"
        "        pipe.write('213000000')\n"
        "    time.sleep(0.3)\n"
    )
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", late, str(sensor)]):
        answer = HwmonMeter(str(tmp_path)).probe()
    assert isinstance(answer, Unavailable)
    assert "hold up all other meters" in answer.reason
    assert "--meters ipmi" in answer.remedy


def test_what_nobody_knows_is_not_read_and_is_named(tmp_path):
    device(tmp_path, 0, "BAT0", power1_input=12_000_000)
    meter = HwmonMeter(str(tmp_path))
    answer = meter.probe()
    assert isinstance(answer, Unavailable)
    assert "BAT0 power1_input" in answer.reason
    assert meter.absent


def test_a_machine_without_sensors_lacks_nothing(tmp_path):
    device(tmp_path, 0, "coretemp", temp1_input=40_000)
    meter = HwmonMeter(str(tmp_path))
    assert "no power sensor" in meter.probe().reason
    assert meter.absent


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes an ordinary user")
def test_a_sensor_for_root_only_is_a_loss_with_its_remedy(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    (device(tmp_path, 0, "amd_energy", **AMD_ENERGY) / "energy2_input").chmod(0o400)
    acpi(tmp_path, 1, 100_000_000)
    meter = HwmonMeter(str(tmp_path))
    meter.probe()  # as root, so that all modules are loaded before the right to read them is given up
    os.seteuid(NOBODY)
    try:
        channels = meter.probe()
    finally:
        os.seteuid(0)
    assert [channel.name for channel in channels] == ["machine-acpi"]
    (loss,) = meter.losses
    assert "cpu0" in loss.reason
    assert "sudo chmod a+r" in loss.remedy
    assert "energy2_input" in loss.remedy


def test_it_conforms_with_all_kinds_of_sensors_at_once(tmp_path):
    acpi(tmp_path, 0, 213_000_000)
    device(tmp_path, 1, "amd_energy", **AMD_ENERGY)
    device(tmp_path, 2, "xe", energy1_input=9_000_000, energy1_label="card")
    meter = HwmonMeter(str(tmp_path))
    assert check_meter(meter) == ()
    assert set(meter.spec()["paths"]) == {"machine-acpi", "cpu0", "intel-gpu0"}


def test_a_meter_that_another_process_drives_is_followed_and_an_error_of_the_firmware_is_no_zero(tmp_path):
    sensor = acpi(tmp_path, 0, 100_000_000) / "power1_average"
    meter = HwmonMeter(str(tmp_path))
    found(meter)
    meter.open(meter.spec())
    firmware = (
        "import os, sys\n"
        "fd = os.open(sys.argv[1], os.O_WRONLY)\n"
        "for line in sys.stdin:\n"
        "    os.pwrite(fd, b'%12d\\n' % int(line), 0)\n"
        "    print('done', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", firmware, str(sensor)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as machine:
        for microwatts, watts in (
            (250_000_000, {"machine-acpi": 250.0}),
            (-1, {}),
            (99_500_000, {"machine-acpi": 99.5}),
        ):
            machine.stdin.write(f"{microwatts}\n")
            machine.stdin.flush()
            assert machine.stdout.readline() == "done\n"
            assert meter.read() == watts
        machine.stdin.close()
    meter.close()
