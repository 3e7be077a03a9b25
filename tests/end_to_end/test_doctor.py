"""`wattleak doctor` as a user meets it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wattleak.meters import BUILTIN

if TYPE_CHECKING:
    from tests.conftest import CommandLine

FAKE_NVML = Path(__file__).resolve().parents[1] / "unit/meters/fake_nvml.c"
# The stand-in library with a driver that takes a fifth of a second to open, and the state that the checks ask for.
SLOW_NVML = """
#define nvmlInitWithFlags fast_init
#include "{fake}"
#undef nvmlInitWithFlags
int nvmlInitWithFlags(unsigned flags)
{{
    struct timespec wait = {{ 0, 200000000 }};
    nanosleep(&wait, NULL);
    return fast_init(flags);
}}
int nvmlInit_v2(void) {{ return nvmlInitWithFlags(0); }}
int nvmlDeviceGetPersistenceMode(Device *device, unsigned *mode)
{{
    unsigned long long value = 0;
    if (!of_device(device, "persistence", &value))
        return NOT_SUPPORTED;
    *mode = (unsigned)value;
    return SUCCESS;
}}
int nvmlDeviceGetCurrentClocksThrottleReasons(Device *device, unsigned long long *reasons)
{{
    return of_device(device, "reasons", reasons) ? SUCCESS : NOT_SUPPORTED;
}}
"""


def powercap(folder: Path) -> Path:
    zone = folder / "powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    (zone / "energy_uj").write_text("5000000\n")
    (zone / "max_energy_range_uj").write_text("262143328850\n")
    return folder / "powercap"


def checks(document: dict[str, object]) -> dict[str, dict[str, str]]:
    rows: list[dict[str, str]] = document["checks"]  # type: ignore[assignment]
    return {row["name"]: row for row in rows}


class TestMeters:
    def test_every_built_in_meter_is_there_with_its_channels_or_its_reason(self, wattleak: CommandLine) -> None:
        document = wattleak.document("doctor", "--quick")
        meters = {row["meter"]: row for row in document["meters"]}

        assert {name for name, _ in BUILTIN} <= set(meters)
        for row in meters.values():
            assert row["probe_s"] >= 0
            if row["usable"]:
                for channel in row["channels"]:
                    assert channel["origin"]
                    assert channel["period_s"] > 0
                    assert 0 < channel["relative_low"] <= 1 <= channel["relative_high"]
                    assert channel["source"]
            else:
                assert row["unavailable"]["reason"]
                assert row["unavailable"]["remedy"]

    def test_a_counter_is_used_and_what_stands_back_for_it_is_told(self, wattleak: CommandLine) -> None:
        env = {"WATTLEAK_POWERCAP": str(powercap(wattleak.folder))}
        document = wattleak.document("doctor", "--quick", env=env)
        meters = {row["meter"]: row for row in document["meters"]}

        assert (meters["rapl"]["usable"], meters["rapl"]["used"]) == (True, True)
        assert meters["rapl"]["open_s"] > 0
        assert not meters["cpu-model"]["used"]
        assert document["primary_metric"] == "energy_j"
        assert "counter" in wattleak("doctor", "--quick", env=env).stdout

    def test_a_counter_for_root_only_comes_with_the_command_that_opens_it(self, wattleak: CommandLine) -> None:
        """Root may read everything, so a folder stands where the kernel refuses: the reading fails all the same."""
        tree = powercap(wattleak.folder)
        (tree / "intel-rapl:0/energy_uj").unlink()
        (tree / "intel-rapl:0/energy_uj").mkdir()
        text = wattleak("doctor", "--quick", env={"WATTLEAK_POWERCAP": str(tree)}).stdout

        assert "no RAPL counter can be read" in text
        assert f"cat{tree}/intel-rapl:0/energy_uj" in "".join(text.split())  # wherever the line is broken

    def test_a_scripted_meter_that_is_asked_for_is_shown_as_simulated(self, wattleak: CommandLine) -> None:
        row = {"name": "cpu0", "part": "cpu", "quantity": "energy_j", "period_s": 1, "points": [[0, 0], [1, 5]]}
        (wattleak.folder / "script.json").write_text(json.dumps({"channels": [row]}))
        document = wattleak.document("doctor", "--quick", "--meters", "replay:script.json")
        meters = {row["meter"]: row for row in document["meters"]}

        assert meters["replay"]["used"]
        assert meters["replay"]["channels"][0]["origin"] == "simulated"

    @pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc to compile the stand-in library")
    def test_the_time_that_nvml_takes_to_open_is_measured_apart(self, wattleak: CommandLine) -> None:
        source = wattleak.folder / "slow.c"
        source.write_text(SLOW_NVML.format(fake=FAKE_NVML))
        library = wattleak.folder / "libnvidia-ml.so.1"
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        state = wattleak.folder / "state"
        state.write_text("count 1\ngpu0.energy 1000\ngpu0.power 70000\ngpu0.persistence 0\ngpu0.reasons 64\n")
        env = {"LD_LIBRARY_PATH": str(wattleak.folder), "FAKE_NVML": str(state)}
        document = wattleak.document("doctor", "--quick", env=env)
        nvml = next(row for row in document["meters"] if row["meter"] == "nvml")

        assert nvml["used"]
        assert nvml["open_s"] >= 0.2
        assert nvml["probe_s"] >= 0.2
        found = checks(document)
        assert found["nvidia-persistence"]["state"] == "warning"
        assert "nvidia-smi -pm 1" in found["nvidia-persistence"]["remedy"]
        assert "heat" in found["gpu-clock"]["finding"]


class TestNoise:
    def test_fresh_runs_of_one_program_give_the_spread_and_the_smallest_effects(self, wattleak: CommandLine) -> None:
        noise = wattleak.document("doctor", "--noise-seconds", "1", "--store", "kept")["noise"]

        assert noise["pairs"] >= 6
        for name in ("cpu_s", "duration_s"):
            metric = noise["metrics"][name]
            assert metric["origin"] == "counter"
            assert len(metric["values"]) == noise["pairs"]
            assert metric["low"] < metric["spread"] < metric["high"]
            assert [item["blocks"] for item in metric["detectable"]] == [6, 12, 24, 48]
            sizes = [item["change"] for item in metric["detectable"]]
            assert sizes == sorted(sizes, reverse=True)
        for pair, walls in zip(
            noise["metrics"]["cpu_s"]["values"], noise["metrics"]["duration_s"]["values"], strict=True
        ):
            assert all(cpu <= wall + 0.05 for cpu, wall in zip(pair, walls, strict=True))  # one thread
        assert not (wattleak.folder / "kept/runs").exists()  # nothing is left behind

    def test_the_table_names_its_formulas_and_sources(self, wattleak: CommandLine) -> None:
        text = " ".join(wattleak("doctor", "--noise-seconds", "1").stdout.split())
        for words in ("6 blocks", "48 blocks", "CPU time", "wall time", "80 % power", "Hahn and Meeker", "Cohen"):
            assert words in text

    def test_quick_leaves_it_out_and_says_so(self, wattleak: CommandLine) -> None:
        assert wattleak.document("doctor", "--quick")["noise"] is None
        assert "Not measured (--quick)." in wattleak("doctor", "--quick").stdout


class TestCalibration:
    def test_the_line_of_a_wall_meter_is_shown_with_its_ranges(self, wattleak: CommandLine) -> None:
        env = {"XDG_STATE_HOME": str(wattleak.folder / "state"), "WATTLEAK_POWERCAP": str(powercap(wattleak.folder))}
        assert wattleak.document("doctor", "--quick", env=env)["calibration"] is None
        assert wattleak("doctor", "--calibrate", "10:30,20:45,40:75", env=env).returncode == 0  # wall = 1.5 P + 15 W
        found = wattleak.document("doctor", "--quick", env=env)["calibration"]
        text = wattleak("doctor", "--quick", env=env).stdout

        assert found["slope"]["value"] == pytest.approx(1.5)
        assert found["offset_w"]["power_w"] == pytest.approx(15.0)
        assert found["offset_w"]["low_w"] < 15.0 < found["offset_w"]["high_w"]
        assert "1.500 x P + 15.00 W" in text

    def test_one_that_cannot_be_used_is_told(self, wattleak: CommandLine) -> None:
        env = {"XDG_STATE_HOME": str(wattleak.folder / "state"), "WATTLEAK_POWERCAP": str(powercap(wattleak.folder))}
        wattleak("doctor", "--calibrate", "10:30,20:45", env=env)
        (kept,) = (wattleak.folder / "state").rglob("*.json")
        kept.write_text("{")

        assert str(kept) in " ".join(wattleak("doctor", "--quick", env=env).stdout.split())
        assert str(kept) in wattleak.document("doctor", "--quick", env=env)["calibration_problem"]


class TestExitCode:
    def test_warnings_fail_only_when_that_is_asked(self, wattleak: CommandLine) -> None:
        env = {"OMP_NUM_THREADS": "9999"}
        assert wattleak("doctor", "--quick", "-q", env=env).returncode == 0
        done = wattleak("doctor", "--quick", "-q", "--strict", env=env)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")

    def test_a_store_that_cannot_be_written_is_three(self, wattleak: CommandLine) -> None:
        (wattleak.folder / "file").write_text("")
        done = wattleak("doctor", "--quick", "--store", "file/store")

        assert done.returncode == 3
        assert "store-writable" in done.stdout
        assert "--store DIR" in done.stdout

    def test_a_time_that_is_none_is_a_usage_error(self, wattleak: CommandLine) -> None:
        assert wattleak("doctor", "--noise-seconds", "0").returncode == 2


class TestText:
    def test_every_check_is_a_row_and_ascii_and_colours_are_as_asked(self, wattleak: CommandLine) -> None:
        names = checks(wattleak.document("doctor", "--quick"))
        text = wattleak("doctor", "--quick", env={"PYTHONIOENCODING": "ascii"}).stdout

        assert all(f"  {name} " in text for name in names)
        assert text.isascii()
        assert "\x1b[" not in text
        assert "\x1b[" in wattleak("doctor", "--quick", "--color", "always").stdout

    def test_what_a_variable_says_cannot_act_on_the_terminal(self, wattleak: CommandLine) -> None:
        text = wattleak("doctor", "--quick", env={"container": "x\x1b]0;owned\x07"}).stdout
        assert "\x1b" not in text

    def test_the_page_of_a_check_is_explained_and_near_misses_are_told(self, wattleak: CommandLine) -> None:
        assert "Steal is time" in wattleak("explain", "steal-time").stdout
        assert wattleak.document("explain", "steal-time")["checks"][0]["name"] == "steal-time"
        done = wattleak("explain", "cpu-govenor")
        assert (done.returncode, "cpu-governor" in done.stderr) == (2, True)


@pytest.mark.skipif(not (Path("/sys/fs/cgroup/cpu").is_dir() and os.geteuid() == 0), reason="needs cgroup v1 and root")
def test_a_quota_that_the_kernel_really_enforces(wattleak: CommandLine) -> None:
    group = Path("/sys/fs/cgroup/cpu/wattleak-test-quota")
    try:
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("50000")
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        enter = f"echo $$ > {group}/cgroup.procs && exec {sys.executable} -m wattleak doctor --quick --json"
        done = subprocess.run(
            ["sh", "-c", enter], check=False, env=wattleak.env, cwd=wattleak.folder, capture_output=True, text=True
        )
        found = checks(json.loads(done.stdout))
        assert found["cpu-quota"]["finding"].startswith("0.5 CPUs")
        assert found["thread-settings"]["state"] == "warning"
    finally:
        group.rmdir()
