"""Meters of the whole system through the real recorder: what they are fed is known, so the joules are known."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wattleak.meters.perf_rapl import open_event

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import CommandLine

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="meters of Linux")

KERNEL = """
import os, sys, time
root = sys.argv[1]
watts = {"intel-rapl:0": 100.0, "intel-rapl:0:0": 10.0, "intel-rapl:1": 150.0}
files = {name: os.open(f"{root}/{name}/energy_uj", os.O_WRONLY) for name in watts}
print("ready", flush=True)
while os.getppid() == int(sys.argv[2]):
    now_s = time.monotonic()
    for name, fd in files.items():
        os.pwrite(fd, b"%12d\\n" % (int(watts[name] * now_s * 1e6) % 160_000_000), 0)
    time.sleep(0.002)
"""


@pytest.fixture
def powercap(tmp_path):
    """A powercap tree that another process drives: 100 W, 10 W and 150 W, counters that wrap every 160 J."""
    for name, label in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "dram"), ("intel-rapl:1", "psys")):
        zone = tmp_path / "powercap" / name
        zone.mkdir(parents=True)
        (zone / "name").write_text(f"{label}\n")
        (zone / "max_energy_range_uj").write_text("160000000\n")
        (zone / "energy_uj").write_text("000000000000\n")
    words = [sys.executable, "-I", "-S", "-c", KERNEL, str(tmp_path / "powercap"), str(os.getpid())]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as kernel:
        assert kernel.stdout.readline() == "ready\n"
        yield tmp_path / "powercap"
        kernel.kill()


def by_channel(document):
    return {row["channel"]: row for row in document["energy"]}


def test_counters_that_wrap_while_another_process_writes_them(wattleak: CommandLine, powercap: Path) -> None:
    """200 J and 300 J pass through counters of 160 J, which are read once a second: no wrap is lost."""
    document = wattleak.document(
        "measure", "--meters", "rapl,cpu-model", "--", "sleep", "2", env={"WATTLEAK_POWERCAP": str(powercap)}
    )
    energy = by_channel(document)
    assert set(energy) == {"cpu0", "dram0", "machine"}, "the model steps back for the counter"
    for name, watts in (("cpu0", 100.0), ("dram0", 10.0), ("machine", 150.0)):
        true_j = watts * document["duration_s"]
        assert energy[name]["low_j"] <= true_j <= energy[name]["high_j"]
        assert energy[name]["energy_j"] == pytest.approx(true_j, rel=0.1)
        assert energy[name]["origin"] == "counter"
    assert document["unavailable"] == []


@pytest.mark.skipif(open_event(1, 0, 0) < 0, reason="perf_event_open is not permitted here")
def test_perf_makes_good_for_a_closed_powercap_and_nothing_is_missing(wattleak: CommandLine, tmp_path: Path) -> None:
    """The software event cpu-clock, dressed as an energy event of a joule a second (see test_perf_rapl)."""
    for file, text in {
        "type": "1",
        "cpumask": "0",
        "format/event": "config:0-7",
        "events/energy-pkg": "event=0x00",
        "events/energy-pkg.scale": "1e-9",
        "events/energy-pkg.unit": "Joules",
    }.items():
        path = tmp_path / "power" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    env = {"WATTLEAK_POWERCAP": str(tmp_path / "none"), "WATTLEAK_PERF_POWER": str(tmp_path / "power")}
    document = wattleak.document("measure", "--meters", "rapl,perf-rapl,cpu-model", "--", "sleep", "1", env=env)
    energy = by_channel(document)
    assert set(energy) == {"cpu0"}
    assert energy["cpu0"]["energy_j"] == pytest.approx(document["duration_s"], rel=0.1)
    assert document["unavailable"] == []


def test_a_bmc_that_is_slow_is_read_beside_the_work_and_not_billed_to_it(wattleak: CommandLine, tmp_path: Path) -> None:
    tool = tmp_path / "bin/ipmitool"
    tool.parent.mkdir()
    tool.write_text(
        "#!/bin/sh\n"
        "sleep 0.3\n"
        "echo '    Instantaneous power reading:                   200 Watts'\n"
        "echo '    Power reading state is:                   activated'\n"
    )
    tool.chmod(0o755)
    env = {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}"}
    document = wattleak.document("measure", "--meters", "ipmi,cpu-model", "--", "sleep", "2", env=env)
    assert by_channel(document)["machine-ipmi"]["energy_j"] == pytest.approx(200 * document["duration_s"], rel=0.01)
    assert document["processes"] == 1, "neither the reader nor its tool is part of the workload"
