"""CPU time by the clock of a control group: real groups of this kernel, versions 1 and 2, where root may make them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import CommandLine

PYTHON = sys.executable
WHERE = {
    "version 1": ("/sys/fs/cgroup/cpuacct", "/sys/fs/cgroup/cpu,cpuacct"),
    "version 2": ("/sys/fs/cgroup/unified", "/sys/fs/cgroup"),
}
# The child leaves its parent at once and its own child outlives both: no look at the tree ever sees who works.
ORPHAN = """
    import os, subprocess, sys, time, wattleak
    work = "import time\\nt = time.process_time()\\nwhile time.process_time() - t < 1.0: pass\\n"
    work += "open('done', 'w').write(str(time.process_time()))"
    with wattleak.measure("with an orphan", store="store") as m:
        subprocess.run(["sh", "-c", f'{sys.executable} -c "$0" &', work], check=True)
        while not (os.path.exists("done") and open("done").read()): time.sleep(0.05)
        time.sleep(0.1)
    own = time.process_time()
    print(m.cpu_s, own, open("done").read())
    print(*m.measurement.notes, sep="\\n")
"""


@pytest.fixture(params=sorted(WHERE))
def group(request: pytest.FixtureRequest) -> Iterator[Path]:
    """An empty group of its own."""
    for place in WHERE[request.param]:
        clock = "cpuacct.usage" if request.param == "version 1" else "cpu.stat"
        folder = Path(place) / f"wattleak-test-{token_hex(4)}"
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / clock).exists() and (folder / "cgroup.procs").exists():
            yield folder
            for _ in range(100):
                try:
                    folder.rmdir()
                except OSError:
                    time.sleep(0.05)  # somebody is still dying in it
                else:
                    return
            raise AssertionError(f"{folder} is not empty")
        folder.rmdir()
    pytest.skip(f"no control groups of {request.param} can be made here")


def run_in(group: Path, wattleak: CommandLine, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the only inhabitant of a group."""
    enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    return subprocess.run(
        ["sh", "-c", enter, "sh", *command],
        cwd=wattleak.folder,
        env=wattleak.env,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


def test_an_orphan_that_nobody_saw_is_counted(group: Path, wattleak: CommandLine) -> None:
    """The oracle is the process clock of the program and of the orphan itself."""
    (wattleak.folder / "orphan.py").write_text(textwrap.dedent(ORPHAN))
    first, *notes = run_in(group, wattleak, PYTHON, "orphan.py").stdout.splitlines()
    measured_s, _, orphan_s = (float(word) for word in first.split())

    assert measured_s == pytest.approx(orphan_s, rel=0.1)  # the program itself and the start of `sh` are in it
    assert measured_s > orphan_s
    assert any(f"clock of the control group {group}" in note for note in notes)


def test_a_command_in_a_group_of_its_own(group: Path, wattleak: CommandLine) -> None:
    work = "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.7: pass"
    done = run_in(group, wattleak, PYTHON, "-m", "wattleak", "measure", "--json", "--", PYTHON, "-c", work)
    document = json.loads(done.stdout)
    exact_s = document["user_s"] + document["system_s"]  # by wait4

    assert any(f"clock of the control group {group}" in note for note in document["notes"])
    assert document["cpu_s"] == pytest.approx(exact_s, abs=0.05)


def test_a_group_with_a_stranger_in_it_is_not_believed(group: Path, wattleak: CommandLine) -> None:
    stranger = subprocess.Popen(["sh", "-c", f"echo $$ > {group}/cgroup.procs; while :; do :; done"])
    try:
        while str(stranger.pid) not in (group / "cgroup.procs").read_text().split():
            time.sleep(0.01)
        done = run_in(group, wattleak, PYTHON, "-m", "wattleak", "measure", "--json", "--", "sleep", "1")
    finally:
        stranger.kill()
        stranger.wait()
    document = json.loads(done.stdout)

    assert document["cpu_s"] < 0.1
    assert not any("control group" in note for note in document["notes"])


def test_a_stranger_that_comes_in_later_ends_the_belief(group: Path, wattleak: CommandLine) -> None:
    enter = f'echo $$ > {group}/cgroup.procs && exec "$@"'
    command = [PYTHON, "-m", "wattleak", "measure", "--json", "--", "sleep", "3"]
    measuring = subprocess.Popen(
        ["sh", "-c", enter, "sh", *command], cwd=wattleak.folder, env=wattleak.env, stdout=subprocess.PIPE, text=True
    )
    time.sleep(1.0)
    # Started by who waits for the measuring, as a batch script starts its next step.
    stranger = subprocess.Popen(["sh", "-c", f"echo $$ > {group}/cgroup.procs; while :; do :; done"])
    try:
        document = json.loads(measuring.communicate(timeout=60)[0])
    finally:
        stranger.kill()
        stranger.wait()

    assert os.getpid() != stranger.pid
    assert document["cpu_s"] < 0.2
