"""Spans from everywhere at once: threads, async tasks, child processes, forks. The oracle is each one's own clock."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import CommandLine


def spans(wattleak: CommandLine, text: str) -> dict[str, dict[str, Any]]:
    path = wattleak.folder / "job.py"
    path.write_text(textwrap.dedent(text))
    document = wattleak.document("measure", "--", sys.executable, str(path))
    assert document["complete"]
    return {span["name"]: span for span in document["spans"]}


def test_async_tasks_overlap_and_each_has_its_own_parent(wattleak: CommandLine) -> None:
    found = spans(
        wattleak,
        """
        import asyncio, wattleak
        async def task(name, before_s, inside_s):
            await asyncio.sleep(before_s)
            with wattleak.measure(name):
                await asyncio.sleep(inside_s / 2)
                with wattleak.measure(f"{name} inner"):
                    await asyncio.sleep(inside_s / 2)
        async def main():
            with wattleak.measure("all"):
                await asyncio.gather(task("a", 0.0, 0.6), task("b", 0.2, 0.6))
        asyncio.run(main())
        """,
    )

    assert {name: span["depth"] for name, span in found.items()} == {
        "all": 0,
        "a": 1,
        "b": 1,
        "a inner": 2,
        "b inner": 2,
    }
    assert found["b"]["start_s"] < found["a"]["start_s"] + found["a"]["duration_s"]  # they overlap
    assert found["a"]["duration_s"] == pytest.approx(0.6, abs=0.15)
    assert found["all"]["duration_s"] == pytest.approx(0.8, abs=0.2)


def test_threads_forks_and_child_processes(wattleak: CommandLine) -> None:
    found = spans(
        wattleak,
        """
        import os, subprocess, sys, threading, time, wattleak
        def burn(s):
            t = time.process_time()
            while time.process_time() - t < s: pass
        def thread(name):
            with wattleak.measure(name): time.sleep(0.3)
        with wattleak.measure("job"):
            threads = [threading.Thread(target=thread, args=(f"thread {n}",)) for n in range(3)]
            for t in threads: t.start()
            for t in threads: t.join()
            pid = os.fork()
            if pid == 0:
                with wattleak.measure("fork"): burn(0.3)
                os._exit(0)
            os.waitpid(pid, 0)
            program = "import time, wattleak\\nwith wattleak.measure('child'): time.sleep(0.2)"
            subprocess.run([sys.executable, "-c", program], check=True)
        """,
    )

    assert set(found) == {"job", "thread 0", "thread 1", "thread 2", "fork", "child"}
    assert found["fork"]["depth"] == 1  # it was forked inside the block
    assert found["fork"]["cpu_s"] == pytest.approx(0.3, abs=0.1)
    assert all(found[f"thread {n}"]["duration_s"] >= 0.3 for n in range(3))
    assert found["job"]["cpu_s"] >= found["fork"]["cpu_s"]
    assert all(span["complete"] for span in found.values())
