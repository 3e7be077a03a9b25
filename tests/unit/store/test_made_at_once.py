"""Several command lines that make one store at the same moment, as two `measure` in a new folder do."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STORES, PROCESSES = 40, 4
PROGRAM = """
import sys, time
from pathlib import Path
from wattleak.store.sqlite import SqliteStore
print("here", flush=True)
begin_s = float(sys.stdin.readline())
for number in range(int(sys.argv[2])):
    while time.monotonic() < begin_s + 0.05 * number:
        pass
    with SqliteStore(Path(sys.argv[1]) / str(number)):
        pass
"""


def test_a_new_store_is_there_for_all_who_ask_for_it_at_once(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, tmp_path, str(STORES)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    begin_s = time.monotonic() + 0.2
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{begin_s}\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60)[1] for process in processes]

    assert said == [""] * PROCESSES
