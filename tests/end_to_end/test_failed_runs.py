"""Runs that cannot count: each fails once for a real reason, is never counted, and the user reads which and why."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING

import pytest
from tests.namespaces import with_small_disk

if TYPE_CHECKING:
    from tests.conftest import CommandLine

PYTHON = sys.executable
START = """
import os, sys
with open('count', 'a') as file:
    file.write('x')
number = os.path.getsize('count')
if number == 3:
"""
"""Counts its runs without reading what others wrote; what follows happens in the third run alone."""
GOOD = "\nprint('WATTLEAK {\"accuracy\": 0.5}')"
WAYS = {
    "exit 1": ("    sys.exit(1)", "exit code 1"),
    "exit 2": ("    sys.exit(2)", "exit code 2"),
    "killed": ("    os.kill(os.getpid(), 9)", "the workload was ended by signal 9"),
    "too long": ("    import time; time.sleep(60)", "time-out"),
    "disk full": (
        (
            "    import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
            "    open('big', 'wb').write(b'x' * 100_000)"
        ),
        "exit code 1: File too large",
    ),
    "no quality": ("    sys.exit(0)", "no quality: accuracy was not reported"),
}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_named_with_its_reason_and_never_counted(wattleak: CommandLine, way: str) -> None:
    happens, why = WAYS[way]
    (wattleak.folder / "shaky.py").write_text(START + happens + GOOD)
    (wattleak.folder / "good.py").write_text(GOOD)
    words = [
        f"{PYTHON} good.py",
        f"{PYTHON} shaky.py",
        "--blocks",
        "4",
        "--warmups",
        "1",
        "--quality",
        "accuracy:max:0",
    ]
    done = wattleak("compare", *words, "--timeout", "2", "--json")
    document = json.loads(done.stdout)
    (failed,) = document["failed_runs"]

    assert failed["failure"] == why
    assert (failed["variant"], failed["block"], failed["attempt"]) == ("B", 1, 1)  # warm-up, block 0, then this one
    assert f"block 2, variant B, attempt 1: {why} (run {failed['run_id']})" in done.stderr
    assert document["metrics"]["cpu_s"]["blocks"] == 4
    counted = [run for run in document["runs"] if run["block"] == 1 and run["attempt"] == 2]
    assert sorted(run["variant"] for run in counted) == ["A", "B"]  # the whole block again
    assert document["complete"] is True

    shown = " ".join(wattleak("report", document["experiment_id"], "--format", "text").stdout.split())
    assert f"failed: block 2, variant B, attempt 1: {why}" in shown


def test_a_regular_expression_that_finds_nothing_is_no_quality(wattleak: CommandLine) -> None:
    done = wattleak("compare", "echo loss 3", "echo loss 3", "--blocks", "6", "--quality-regex", "acc: ([0-9.]+)")

    assert done.returncode == 3
    assert "nothing that it printed matches 'acc: ([0-9.]+)'" in done.stderr


def test_a_real_full_disk(wattleak: CommandLine) -> None:
    """A file system of 64 KiB, which the program fills in its third run."""
    text = START + "    open('disk/big', 'wb').write(b'x' * 1_000_000)"
    (wattleak.folder / "shaky.py").write_text(text)
    compare = [*wattleak.command, "compare", f"{PYTHON} shaky.py", "true", "--blocks", "3", "--json"]
    done = with_small_disk(shlex.join(compare), folder=wattleak.folder, env=wattleak.env)
    (failed,) = json.loads(done.stdout)["failed_runs"]

    assert failed["failure"] == "exit code 1: No space left on device"


def test_a_resumed_checkpoint_stops_the_experiment(wattleak: CommandLine) -> None:
    """The first run trains and leaves a checkpoint; the second would go on from it and cost next to nothing."""
    (wattleak.folder / "train.py").write_text(
        "import os\nif os.path.exists('model.ckpt'):\n    open('model.ckpt').read()\nelse:\n"
        "    for i in range(300_000): i * i\n    open('model.ckpt', 'w').write('weights')\n"
    )
    train = f"{PYTHON} train.py"
    done = wattleak("compare", train, train, "--blocks", "6")
    (experiment,) = wattleak.document("list")["experiments"]
    again = wattleak("compare", "--resume", experiment["id"])
    (wattleak.folder / "model.ckpt").unlink()
    declared = wattleak.document("compare", train, train, "--blocks", "2", "--shared", "*.ckpt")

    assert done.returncode == 3
    assert "read model.ckpt, left by" in done.stderr
    assert "$WATTLEAK_RUN_DIR" in done.stderr
    assert experiment["complete"] is False
    assert again.returncode == 3  # it is still there, and still no run of its own
    assert "left by an earlier try" in again.stderr
    assert declared["metrics"]["cpu_s"]["blocks"] == 2


def test_the_reference_program_runs_at_the_start_between_and_at_the_end_outside_the_blocks(
    wattleak: CommandLine,
) -> None:
    document = wattleak.document(
        "compare", "true", "sleep 0.01", "--blocks", "4", "--warmups", "0", "--control-every", "2"
    )
    control = sorted(document["control_runs"], key=lambda run: run["started_at"])
    again = wattleak.document("compare", "--resume", document["experiment_id"])

    assert [run["block"] for run in control] == [0, 2, 3]
    assert all(run["cpu_s"] > 0.1 for run in control)
    assert len(document["runs"]) == 8
    assert document["control"]["runs"] == 3
    assert document["control"]["median"] == pytest.approx(sorted(run["cpu_s"] for run in control)[1])
    assert len(again["control_runs"]) == 3  # resuming what is complete runs nothing more
