"""The lock that says "this recorder still runs": kept by a real process, seen by another."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wattleak.recorder.journal import JournalWriter
from wattleak.recorder.locks import is_locked, try_lock

if TYPE_CHECKING:
    from pathlib import Path

HOLD = """
import os, sys
from wattleak.recorder.locks import try_lock
fd = os.open(sys.argv[1], os.O_RDWR)
print(try_lock(fd), flush=True)
sys.stdin.read()
"""


def test_a_lock_is_seen_while_its_process_lives_and_gone_when_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("words\n")
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == b"True"
        with path.open("rb") as file:
            assert is_locked(file.fileno())
            assert not try_lock(file.fileno())
            assert file.read() == b"words\n"  # a lock never keeps anybody from reading
        other.kill()
        other.wait()
    with path.open("rb") as file:
        assert not is_locked(file.fileno())
        assert file.read() == b"words\n"


def test_two_recorders_never_write_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    writer = JournalWriter(str(path))
    with pytest.raises(BlockingIOError):
        JournalWriter(str(path))
    writer.close()
    JournalWriter(str(path)).close()
    assert path.read_bytes() == b""
