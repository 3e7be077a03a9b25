"""Files that one run leaves and another reads: real files, real readers, the kernel's own word for it."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from wattleak.experiment.leftovers import Leftovers

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who read a file")

WRITE = "open('checkpoint.bin', 'wb').write(b'weights')"
READS = {
    "read": "open('checkpoint.bin', 'rb').read()",
    "memory map": "import mmap; f = open('checkpoint.bin', 'rb'); mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)[:3]",
    "read, then written": "f = open('checkpoint.bin', 'r+b'); f.read(); f.write(b'more')",
    "in a deeper folder": "import os; os.makedirs('a/b', exist_ok=True); open('checkpoint.bin', 'rb').read(1)",
    "by a child": "import subprocess, sys; subprocess.run(['cat', 'checkpoint.bin'], stdout=subprocess.DEVNULL)",
}
HARMLESS = {
    "not touched": "pass",
    "looked for": "import os; os.path.exists('checkpoint.bin'); os.listdir('.'); os.stat('checkpoint.bin')",
    "written anew, then read": "open('checkpoint.bin', 'wb').write(b'x'); open('checkpoint.bin', 'rb').read()",
    "appended to": "open('checkpoint.bin', 'ab').write(b'x')",
    "removed": "import os; os.remove('checkpoint.bin')",
    "replaced, then read": (
        "import os; open('new', 'wb').write(b'y'); os.replace('new', 'checkpoint.bin'); open('checkpoint.bin').read()"
    ),
}


def run(folder: Path, code: str) -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", code], cwd=folder, check=True)


def watched(folder: Path, codes: list[str], **more: object) -> list[tuple[tuple[str, str], ...]]:
    leftovers = Leftovers(folder, store=folder / ".wattleak", **more)  # type: ignore[arg-type]
    found = []
    try:
        for number, code in enumerate(codes):
            leftovers.before_run()
            run(folder, code)
            found.append(tuple((read.path, read.left_by) for read in leftovers.after_run(f"run {number}", None)))
    finally:
        leftovers.close()
    return found


@pytest.mark.parametrize("how", READS)
def test_a_checkpoint_of_an_earlier_run_is_seen_however_it_is_read(tmp_path: Path, how: str) -> None:
    assert watched(tmp_path, [WRITE, "pass", READS[how]]) == [(), (), (("checkpoint.bin", "run 0"),)]


@pytest.mark.parametrize("how", HARMLESS)
def test_what_is_no_leftover_is_no_alarm(tmp_path: Path, how: str) -> None:
    assert watched(tmp_path, [WRITE, HARMLESS[how]]) == [(), ()]


def test_what_was_there_before_may_be_read_by_all(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.bin").write_bytes(b"data")

    assert watched(tmp_path, [READS["read"]] * 3) == [(), (), ()]


def test_a_run_may_read_its_own(tmp_path: Path) -> None:
    assert watched(tmp_path, [f"{WRITE}; {READS['read']}"] * 3) == [(), (), ()]


def test_a_cache_that_is_declared_may_be_shared(tmp_path: Path) -> None:
    assert watched(tmp_path, [WRITE, READS["read"]], shared=("*.bin",)) == [(), ()]


def test_hidden_folders_and_caches_of_python_are_not_looked_into(tmp_path: Path) -> None:
    for folder in (".cache", "__pycache__", "deep/er"):
        (tmp_path / folder).mkdir(parents=True)
    write = "[open(f + '/x', 'w').write('x') for f in ('.cache', '__pycache__', 'deep/er')]"
    read = "[open(f + '/x').read() for f in ('.cache', '__pycache__', 'deep/er')]"

    assert watched(tmp_path, [write, read]) == [(), (("deep/er/x", "run 0"),)]


def test_another_runs_own_folder_is_no_place_to_read_from(tmp_path: Path) -> None:
    own = tmp_path / ".wattleak" / "runs" / "one" / "work"
    own.mkdir(parents=True)
    leftovers = Leftovers(tmp_path, store=tmp_path / ".wattleak")
    leftovers.before_run()
    run(own, WRITE)
    leftovers.after_run("run one", own)
    leftovers.before_run()
    run(own, READS["read"])
    (read,) = leftovers.after_run("run two", None)
    leftovers.close()

    assert read.left_by == "run one"
    assert read.path == str(own / "checkpoint.bin")


def test_after_a_resume_earlier_tries_have_left_what_is_new(tmp_path: Path) -> None:
    run(tmp_path, WRITE)
    since_s = (tmp_path / "checkpoint.bin").stat().st_mtime - 1

    assert watched(tmp_path, [READS["read"]], since_s=since_s) == [
        (("checkpoint.bin", "an earlier try of this experiment"),)
    ]


def test_a_store_in_the_working_folder_itself_is_no_leftover(tmp_path: Path) -> None:
    """`compare --store .`: whoever reads the store meanwhile (`wattleak list`, sqlite3) ends no experiment."""
    (tmp_path / "runs").mkdir()
    write = "open('wattleak.db', 'a').write('row'); open('runs/journal.jsonl', 'a').write('line')"
    read = "open('wattleak.db').read(); open('runs/journal.jsonl').read()"
    leftovers = Leftovers(tmp_path, store=tmp_path)
    try:
        found = []
        for code in (write, f"{WRITE}; {read}", f"{read}; {READS['read']}"):
            leftovers.before_run()
            run(tmp_path, code)
            found.append([item.path for item in leftovers.after_run("run", None)])
    finally:
        leftovers.close()

    assert found == [[], [], ["checkpoint.bin"]]
