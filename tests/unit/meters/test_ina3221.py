"""Jetson rails: the two layouts of the kernel, as they look on real modules, and a process that drives them."""

import subprocess
import sys
from pathlib import Path

import pytest

from wattleak.meters.conformance import check_meter
from wattleak.meters.ina3221 import Ina3221Meter
from wattleak.model import Part, Unavailable


def chip(root: Path, rails: dict[int, tuple[str, int, int]], device="1-0040", number=3) -> Path:
    """Mainline's layout: label, millivolts and milliamperes of each input."""
    folder = root / f"ina3221/{device}/hwmon/hwmon{number}"
    folder.mkdir(parents=True)
    (folder / "name").write_text("ina3221\n")
    for place, (label, millivolts, milliamperes) in rails.items():
        (folder / f"in{place}_label").write_text(f"{label}\n")
        (folder / f"in{place}_input").write_text(f"{millivolts}\n")
        (folder / f"curr{place}_input").write_text(f"{milliamperes}\n")
    return folder


ORIN_NANO = {1: ("VDD_IN", 5080, 1192), 2: ("VDD_CPU_GPU_CV", 5072, 208), 3: ("VDD_SOC", 5072, 384)}


def found(meter):
    answer = meter.probe()
    assert not isinstance(answer, Unavailable), answer
    return {channel.name: channel for channel in answer}


def test_orin_nano_input_holds_the_rail_of_cpu_and_gpu(tmp_path):
    chip(tmp_path, ORIN_NANO)
    meter = Ina3221Meter(str(tmp_path))
    channels = found(meter)
    assert {name: channel.part for name, channel in channels.items()} == {
        "vdd_in": Part.MACHINE,
        "vdd_cpu_gpu_cv": Part.CPU,
    }
    assert channels["vdd_in"].contains == {"vdd_cpu_gpu_cv"}
    assert meter.losses == (), "what has no part of its own is inside VDD_IN"
    meter.open(meter.spec())
    # tegrastats shows VDD_IN 6055mW for these readings: 5.080 V x 1.192 A
    assert meter.read() == pytest.approx({"vdd_in": 6.05536, "vdd_cpu_gpu_cv": 1.054976})
    meter.close()


def test_agx_orin_has_two_chips_an_empty_input_and_no_rail_for_everything(tmp_path):
    chip(tmp_path, {1: ("VDD_GPU_SOC", 4976, 633), 2: ("VDD_CPU_CV", 4968, 241), 3: ("VIN_SYS_5V0", 4968, 953)})
    folder = chip(tmp_path, {1: ("NC", 0, 0), 2: ("VDDQ_VDD2_1V8AO", 4968, 80)}, "1-0041", 4)
    (folder / "in3_enable").write_text("0\n")
    meter = Ina3221Meter(str(tmp_path))
    assert {name: channel.part for name, channel in found(meter).items()} == {
        "vdd_gpu_soc": Part.GPU,
        "vdd_cpu_cv": Part.CPU,
        "vddq_vdd2_1v8ao": Part.DRAM,
    }
    (loss,) = meter.losses
    assert "VIN_SYS_5V0" in loss.reason


def test_the_older_kernel_gives_milliwatts(tmp_path):
    """L4T 32 on a Jetson Nano: /sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0."""
    folder = tmp_path / "ina3221x/6-0040/iio:device0"
    folder.mkdir(parents=True)
    for number, (label, milliwatts) in enumerate((("POM_5V_IN", 2460), ("POM_5V_GPU", 124), ("POM_5V_CPU", 498))):
        (folder / f"rail_name_{number}").write_text(f"{label}\n")
        (folder / f"in_power{number}_input").write_text(f"{milliwatts}\n")
    meter = Ina3221Meter(str(tmp_path))
    assert found(meter)["pom_5v_in"].contains == {"pom_5v_gpu", "pom_5v_cpu"}
    meter.open(meter.spec())
    assert meter.read() == pytest.approx({"pom_5v_in": 2.46, "pom_5v_gpu": 0.124, "pom_5v_cpu": 0.498})
    meter.close()


def test_it_conforms(tmp_path):
    chip(tmp_path, ORIN_NANO)
    assert check_meter(Ina3221Meter(str(tmp_path))) == ()


def test_the_driver_says_how_often_it_measures(tmp_path):
    (chip(tmp_path, ORIN_NANO) / "update_interval").write_text("35\n")
    assert found(Ina3221Meter(str(tmp_path)))["vdd_in"].period_s == 0.035


def test_rails_that_another_process_drives_are_followed_and_one_that_fails_is_absent(tmp_path):
    folder = chip(tmp_path, ORIN_NANO)
    meter = Ina3221Meter(str(tmp_path))
    found(meter)
    meter.open(meter.spec())
    program = (
        "import sys\n"
        "for words in sys.stdin:\n"
        "    path, text = words.split()\n"
        "    open(path, 'w').write(text)\n"
        "    print(1, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as board:

        def set_current(milliamperes):
            board.stdin.write(f"{folder}/curr1_input {milliamperes}\n")
            board.stdin.flush()
            assert board.stdout.readline() == "1\n"

        for milliamperes in (2000, 4000):
            set_current(milliamperes)
            assert meter.read()["vdd_in"] == pytest.approx(5.08 * milliamperes / 1000)
        set_current("no-answer")
        assert set(meter.read()) == {"vdd_cpu_gpu_cv"}
        set_current(-8)
        assert set(meter.read()) == {"vdd_cpu_gpu_cv"}, "less than nothing is no power"
        board.stdin.close()
    meter.close()


def test_a_chip_on_another_board_is_no_jetson(tmp_path):
    chip(tmp_path, {1: ("12V_FAN", 12000, 100)})
    meter = Ina3221Meter(str(tmp_path))
    assert isinstance(meter.probe(), Unavailable)
    assert meter.absent
