"""Joules from power logs, whose numbers were made so that the answer is known without a computer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from wattleak.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = Path(__file__).resolve().parents[2] / "golden" / "import"
SMI = (FILES / "nvidia_smi.csv").read_text()


@pytest.fixture
def energies(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, dict[str, Any]]]:
    def run(*words: str) -> dict[str, dict[str, Any]]:
        assert main(["import", "--json", *words]) == 0
        document = json.loads(capsys.readouterr().out)
        return {item["device"]: item for item in document["energies"]}

    return run


def test_watts_become_joules_for_each_gpu(energies: Callable[..., dict[str, dict[str, Any]]]) -> None:
    found = energies(str(FILES / "nvidia_smi.csv"))
    assert found["gpu0"]["energy_j"] == pytest.approx(100 * 10 + (100 + 200) / 2 * 10)
    assert found["gpu1"]["energy_j"] == pytest.approx(50 * 20)
    assert found["gpu1"]["missing"] == 1  # [N/A] is no zero
    assert found["gpu0"]["low_j"] == pytest.approx(2500 * 0.9)
    assert found["gpu0"]["origin"] == "quoted"
    assert "average over one second" in found["gpu0"]["notes"][0]


def test_a_window_is_cut_out_by_moment_or_by_seconds(energies: Callable[..., dict[str, dict[str, Any]]]) -> None:
    log = str(FILES / "nvidia_smi.csv")
    by_moment = energies(log, "--from", "2026/11/21 09:00:05.500", "--to", "2026/11/21 09:00:15")
    by_seconds = energies(log, "--from", "5.5", "--to", "15")
    assert by_moment["gpu0"]["energy_j"] == pytest.approx(100 * 4.5 + (100 + 150) / 2 * 5)
    assert by_seconds == by_moment


def test_a_gap_is_said_and_widens_the_range(energies: Callable[..., dict[str, dict[str, Any]]], tmp_path: Path) -> None:
    kept = [line for line in SMI.splitlines() if not any(f"09:00:{s:02d}" in line for s in range(11, 16))]
    (tmp_path / "gap.csv").write_text("\n".join(kept) + "\n")
    found = energies(str(tmp_path / "gap.csv"))["gpu0"]
    assert found["gaps"] == [{"start_s": 10.0, "end_s": 16.0}]
    assert found["energy_j"] == pytest.approx(2500)  # the ramp is straight
    # Six seconds at 130 W on the line may have been at the lowest (100 W) or the highest (200 W) of the log.
    assert found["low_j"] == pytest.approx((2500 - 6 * 30) * 0.9)
    assert found["high_j"] == pytest.approx((2500 + 6 * 70) * 1.1)


def test_a_counter_is_differenced_and_needs_no_clock(energies: Callable[..., dict[str, dict[str, Any]]]) -> None:
    found = energies(str(FILES / "dcgmi_dmon.txt"))
    assert (found["gpu0"]["energy_j"], found["gpu1"]["energy_j"]) == pytest.approx((12 * 60, 12 * 30))
    assert found["gpu0"]["duration_s"] is None  # dcgmi prints no time: nobody knows how long that was
    timed = energies(str(FILES / "dcgmi_dmon.txt"), "--period", "0.5")
    assert timed["gpu0"]["duration_s"] == pytest.approx(6.0)
    scraped = energies(str(FILES / "dcgm_exporter.prom"))
    assert scraped["gpu0@node1"]["energy_j"] == pytest.approx(3 * 1057.5)
    assert scraped["gpu0@node1"]["duration_s"] == pytest.approx(45.0)


def test_power_without_times_is_no_energy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    lines = ["#Entity   POWER", "ID        W", *(["GPU 0     60.0"] * 5)]
    (tmp_path / "d.txt").write_text("\n".join(lines) + "\n")
    assert main(["import", str(tmp_path / "d.txt")]) == 2
    assert "--period" in capsys.readouterr().err
    assert main(["import", "--json", str(tmp_path / "d.txt"), "--period", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["energies"][0]["energy_j"] == pytest.approx(60 * 8)


def test_azure_adds_up_the_energy_of_each_minute(energies: Callable[..., dict[str, dict[str, Any]]]) -> None:
    found = energies(str(FILES / "azure_monitor.json"))["gpu0"]
    # One minute of five is missing: bridged by the median of the others, and said.
    assert found["energy_j"] == pytest.approx(4200 + 4260 + 4230 + 4215 + (4215 + 4230) / 2)
    assert found["gaps"] == [{"start_s": 120.0, "end_s": 180.0}]
    assert found["low_j"] < (4200 + 4260 + 4230 + 4215 + 4200) * 0.9 + 1e-6
    table = energies(str(FILES / "azure_metrics.csv"))
    assert sum(item["energy_j"] for item in table.values()) == pytest.approx(4200 + 4260 + 4245)


def test_an_h100_is_given_the_wider_range(energies: Callable[..., dict[str, dict[str, Any]]], tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(SMI.replace("Tesla T4", "NVIDIA H100 80GB HBM3"))
    found = energies(str(tmp_path / "h.csv"))["gpu0"]
    assert found["high_j"] == pytest.approx(2500 * 1.2)
    assert "quarter of the time" in found["notes"][0]


def test_a_log_for_each_run_is_compared(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = []
    for number in range(8):
        variant, factor = ("good", 1.0) if number % 2 == 0 else ("bad", 1.5)
        watts = factor * (100 + number)
        rows = [f"2026/11/21 09:{number:02d}:{s:02d}.000, 0, {watts:.2f} W" for s in range(11)]
        path = tmp_path / f"run{number}.csv"
        path.write_text("timestamp, index, power.draw [W]\n" + "\n".join(rows) + "\n")
        words.append(f"{variant}={path}")
    assert main(["import", "--json", *words]) == 0
    (pair,) = json.loads(capsys.readouterr().out)["comparisons"]
    assert pair["primary_metric"] == "gpu_energy_j"
    assert pair["metrics"]["gpu_energy_j"]["change"] == pytest.approx(0.5, abs=0.05)
    assert (pair["verdict"], pair["grade"]) == ("costs_more", "observed")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SMI.replace(" index,", "").replace(", 0, Tesla", ", Tesla").replace(", 1, Tesla", ", Tesla"), "several GPUs"),
        (SMI.splitlines()[0] + "\n" + "\n".join(reversed(SMI.splitlines()[1:])), "goes back"),
        (SMI.splitlines()[0] + "\n", "no readings"),
        (SMI.replace("100.00 W", "lots"), "no number"),
    ],
)
def test_a_log_that_cannot_be_right_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "bad.csv").write_text(text)
    assert main(["import", str(tmp_path / "bad.csv")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("wattleak: error:") == 1


def test_a_window_outside_the_log_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", str(FILES / "nvidia_smi.csv"), "--from", "5", "--to", "500"]) == 2
    assert "from 0 to 20 s" in capsys.readouterr().err
    assert main(["import", str(FILES / "nvidia_smi.csv"), "--metric", "a=b"]) == 2
    assert "--metric does nothing here" in capsys.readouterr().err
