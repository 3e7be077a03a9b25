"""Whose joules, with real processes on a host whose RAPL counters another process plays from the real CPU load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import CommandLine

PYTHON = sys.executable
IDLE_W, WATTS_PER_CPU = 50.0, 3.0
RANK = """
    import json, os, sys, time, wattleak
    idle = {"cpu0": 50.0}
    with wattleak.measure("train", store=sys.argv[1], idle_power=idle) as m:
        began = time.process_time()
        while time.process_time() - began < float(sys.argv[2]): pass
        used = time.process_time() - began
    found = m.measurement
    machine = next(item for item in found.energy if item.channel.name == "cpu0")
    print(json.dumps({
        "run": found.id, "cpu_s": found.cpu_s, "used_s": used, "attributed_j": m.attributed_energy_j.value,
        "machine_j": machine.energy_j.value, "by": found.machine_counted_by,
        "counted_j": None if machine.counted_j is None else machine.counted_j.value,
    }))
"""


@pytest.fixture
def host(wattleak: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    """The command line on the emulated host, meeting only recorders of this test."""
    root = tmp_path / "powercap"
    program = Path(__file__).with_name("emulated_host.py")
    playing = subprocess.Popen([PYTHON, str(program), str(root), str(IDLE_W), str(WATTS_PER_CPU)])
    counter = root / "intel-rapl:0" / "energy_uj"
    while not (counter.exists() and counter.read_text().strip()):
        time.sleep(0.01)
    (tmp_path / "runtime").mkdir()
    wattleak.env |= {"WATTLEAK_POWERCAP": str(root), "XDG_RUNTIME_DIR": str(tmp_path / "runtime")}
    yield wattleak
    playing.kill()
    playing.wait()


def package(document: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = next(entry for entry in document["energy"] if entry["channel"] == "cpu0")
    return entry


def machine_total(documents: list[dict[str, Any]]) -> float:
    """The machine's energy over all runs, each channel counted by the run that counts it."""
    return sum(entry.get("counted_j", entry)["energy_j"] for entry in map(package, documents))


def test_four_ranks_sum_to_what_they_used_and_count_the_machine_once(host: CommandLine) -> None:
    """Four processes as torchrun starts them, each with a recorder of its own."""
    program = host.folder / "rank.py"
    program.write_text(textwrap.dedent(RANK))
    ranks = [
        subprocess.Popen(
            [PYTHON, str(program), str(host.folder / "store"), "1.0"],
            env=host.env | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "4"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(4)
    ]
    found = [json.loads(rank.communicate(timeout=120)[0]) for rank in ranks]

    truth_j = WATTS_PER_CPU * sum(rank["used_s"] for rank in found)
    assert sum(rank["attributed_j"] for rank in found) == pytest.approx(truth_j, rel=0.05)
    leaders = [rank["run"] for rank in found if rank["counted_j"] is None]
    assert len(leaders) == 1
    assert {by for rank in found for by in rank["by"]} >= set(leaders)
    machine_j = sum(rank["machine_j"] if rank["counted_j"] is None else rank["counted_j"] for rank in found)
    assert machine_j < 1.5 * max(rank["machine_j"] for rank in found)  # they start apart, so the union is longer


def test_four_commands_at_once_count_the_machine_once(host: CommandLine) -> None:
    burn = "import time\nt = time.process_time()\nwhile time.process_time() - t < 1.0: pass"
    began_s = time.monotonic()
    idle = ("--idle-power", "cpu0=50")
    commands = [host.start("measure", "--json", *idle, "--", PYTHON, "-c", burn) for _ in range(4)]
    documents = [json.loads(command.communicate(timeout=120)[0]) for command in commands]
    most_s = time.monotonic() - began_s

    used_s = sum(document["cpu_s"] for document in documents)
    attributed_j = sum(document["attributed_energy_j"]["energy_j"] for document in documents)
    assert used_s == pytest.approx(4.0, rel=0.15)  # the start of four Pythons is in it
    assert attributed_j == pytest.approx(WATTS_PER_CPU * used_s, rel=0.05)
    followers = [document for document in documents if "counted_j" in package(document)]
    assert len(followers) == 3
    for document in followers:
        assert any("counts the machine's energy" in note for note in document["notes"])
    assert machine_total(documents) < (IDLE_W + WATTS_PER_CPU * (os.cpu_count() or 1)) * most_s
    longest_s = max(document["duration_s"] for document in documents)
    assert machine_total(documents) > IDLE_W * longest_s * 0.98


def test_a_leader_that_is_killed_is_followed_up_without_a_joule_twice(host: CommandLine) -> None:
    """The first run is killed whole, recorder and all; the second takes over from its last reading."""
    first = host.start("measure", "-q", "--interval", "0.2", "--", "sleep", "60")
    time.sleep(1.5)
    second = host.start("measure", "--json", "--interval", "0.2", "--", "sleep", "4")
    time.sleep(1.5)
    os.killpg(first.pid, 9)
    document = json.loads(second.communicate(timeout=60)[0])

    (killed,) = [run for run in host.document("list")["runs"] if run["id"] != document["run_id"]]
    assert document["machine_counted_by"] == [killed["id"]]
    whole = package(document)
    counted_j, all_j = whole["counted_j"]["energy_j"], whole["energy_j"]
    assert 0.3 * all_j < counted_j < 0.9 * all_j
    # Killed run and follow-up meet without a gap: 50 W over the union of both, which the kernel's clock gives.
    recorded = host.document("report", killed["id"], "--format", "text")
    assert package(recorded)["energy_j"] > IDLE_W * 2.0


def test_one_busy_thread_is_visible_beside_a_busy_neighbour(host: CommandLine) -> None:
    work = "import time\nt = time.process_time()\nwhile time.process_time() - t < 2.5: pass"
    neighbour = subprocess.Popen([PYTHON, "-c", "while True: pass"])
    try:
        busy = host.document("measure", "--idle-power", "cpu0=50", "--", PYTHON, "-c", work)
        rest = host.document("measure", "--idle-power", "cpu0=50", "--", "sleep", "1")
    finally:
        neighbour.kill()
        neighbour.wait()

    assert busy["attributed_energy_j"]["energy_j"] == pytest.approx(WATTS_PER_CPU * busy["cpu_s"], rel=0.05)
    assert rest["attributed_energy_j"]["energy_j"] < 0.2


def test_thousands_of_short_children_and_their_orphans_are_counted(wattleak: CommandLine) -> None:
    """Nobody sees a child that lives a millisecond. The oracle is what the kernel tells the processes themselves."""
    (wattleak.folder / "many.py").write_text(
        textwrap.dedent("""
        import os, resource
        def used():
            own, waited = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
            return own.ru_utime + own.ru_stime + waited.ru_utime + waited.ru_stime
        def some(count):
            for _ in range(count):
                os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        def leave(name):
            with open(name, "w") as file:
                file.write(repr(used()))
            os._exit(0)
        if os.fork() == 0:      # a child that leaves at once; its own children work on as orphans
            for number in range(2):
                if os.fork() == 0:
                    os.setsid()
                    some(700)
                    leave(f"used{number}")
            leave("used_between")
        os.wait()
        some(1400)
        leave("used_first")
        """)
    )
    document = wattleak.document("measure", "--", PYTHON, "many.py")
    truth_s = sum(float(path.read_text()) for path in wattleak.folder.glob("used[0-9]"))
    truth_s += float((wattleak.folder / "used_first").read_text())  # has waited for the one between

    assert truth_s > 0.5
    assert document["cpu_s"] == pytest.approx(truth_s, rel=0.02)


def test_one_measured_block_after_another_counts_for_itself(host: CommandLine) -> None:
    """The recorder of the first block has let go of the meters when the second one starts."""
    program = """
        import wattleak
        for _ in range(5):
            with wattleak.measure("again", store="store") as m: pass
            assert m.measurement.machine_counted_by == (), m.measurement.machine_counted_by
    """
    subprocess.run([PYTHON, "-c", textwrap.dedent(program)], cwd=host.folder, env=host.env, check=True, timeout=60)
