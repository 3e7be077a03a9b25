"""More processes and blocks than files that the recorder may open: none is left out, and no program waits for it."""

from __future__ import annotations

import resource
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import CommandLine

FEW = 64
CHILDREN = 60


def limited(soft: int, hard: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def program(wattleak: CommandLine, text: str) -> str:
    (wattleak.folder / "job.py").write_text(textwrap.dedent(text))
    return "job.py"


@pytest.mark.parametrize("hard", [4096, FEW])
def test_every_process_is_counted_and_the_workload_keeps_its_limit(wattleak: CommandLine, hard: int) -> None:
    job = program(
        wattleak,
        f"""
        import os, resource, time
        for _ in range({CHILDREN}):
            if not os.fork():
                end = time.process_time() + 0.02
                while time.process_time() < end: pass
                time.sleep(3)
                os._exit(0)
        print(resource.getrlimit(resource.RLIMIT_NOFILE))
        for _ in range({CHILDREN}): os.wait()
        """,
    )
    done = wattleak("measure", "--no-probes", "-q", "--", sys.executable, job, preexec_fn=limited(FEW, hard))
    (run,) = wattleak.document("list")["runs"]
    document = wattleak.document("report", run["id"])

    assert done.stdout == f"({FEW}, {hard})\n"
    assert document["processes"] == 1 + CHILDREN
    assert document["cpu_s"] >= 0.02 * CHILDREN


def test_a_block_that_finds_no_room_runs_unmeasured_and_nothing_waits(wattleak: CommandLine) -> None:
    job = program(
        wattleak,
        """
        import contextlib, os, time, wattleak
        for child in range(4):
            if not os.fork():
                with contextlib.ExitStack() as stack:
                    for number in range(20):
                        stack.enter_context(wattleak.measure(f"{child} {number}"))
                    time.sleep(2)
                os._exit(0)
        for _ in range(4): os.wait()
        with wattleak.measure("when there is room again"): print("ended")
        """,
    )
    done = wattleak("measure", "--no-probes", "-q", "--", sys.executable, job, preexec_fn=limited(FEW, FEW))
    (run,) = wattleak.document("list")["runs"]
    spans = wattleak.document("report", run["id"])["spans"]

    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
    assert "runs unmeasured" in done.stderr
    assert 20 < len(spans) < 81
    assert spans[-1]["name"] == "when there is room again"
    assert all(span["complete"] for span in spans)
