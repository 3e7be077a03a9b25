"""What is seen from outside of programs that really run: crowds of threads and wrong libraries, and nothing of others.

Programs without a framework are pinned to one CPU and looked at for a second.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wattleak.environment.outside.observer import Observer
from wattleak.observation.observe import judge
from wattleak.signals import read_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import CommandLine

    from wattleak.model import Evidence

THREADS = """
import hashlib, multiprocessing, os, sys, threading, time

def burn(count):
    work = ("sha256", b"a", b"b", 10**9)  # gives the interpreter's lock away
    for _ in range(count):
        threading.Thread(target=hashlib.pbkdf2_hmac, args=work, daemon=True).start()

def burn_and_wait(count):
    burn(count)
    time.sleep(60)

def workers(processes, threads):
    context = multiprocessing.get_context("fork")
    for _ in range(processes):
        context.Process(target=burn_and_wait, args=(threads,), daemon=True).start()
"""
READY = "\nprint('ready', flush=True)\nsys.stdin.read()\nos._exit(0)\n"


@contextlib.contextmanager
def program(code: str, *, cpus: int = 1, env: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A program on so many CPUs, from when it says that it is ready; what it has started ends with it."""
    allowed = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cpus]))
    process = subprocess.Popen(
        ["taskset", "-c", allowed, sys.executable, "-c", textwrap.dedent(code) + READY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(env or {})},
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        os.killpg(process.pid, 9)
        process.communicate()


def seen(process: subprocess.Popen[str], folder: Path, *, looks: int = 3, every_s: float = 0.5) -> list[Evidence]:
    """What the probes say of a running program after some looks."""
    observer = Observer(process.pid, journal=folder)
    observer.look()
    for _ in range(looks - 1):
        time.sleep(every_s)
        observer.look()
    assert observer.failure is None
    evidence, notes = judge(read_signals(folder))
    assert notes == []
    return evidence


class TestThreads:
    def test_sixteen_threads_that_compute_on_one_cpu(self, tmp_path: Path) -> None:
        with program(THREADS + "burn(16)") as process:
            (found,) = seen(process, tmp_path)

        assert found.code == "PAR001"
        assert found.pid == process.pid
        assert 13 < found.value < 18  # all of them, all the time: the kernel counts those that wait too
        assert found.threshold == 2.0

    def test_pools_in_a_pool_of_processes(self, tmp_path: Path) -> None:
        with program(THREADS + "workers(3, 2)", cpus=2) as process:
            found = [item for item in seen(process, tmp_path, looks=4) if item.counter.endswith("all processes")]

        (evidence,) = found
        assert 5 < evidence.value < 7
        assert "3 processes" in evidence.message

    def test_a_quota_that_stops_four_threads(self, tmp_path: Path) -> None:
        group = Path("/sys/fs/cgroup/cpu") / f"wattleak-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            pytest.skip("making a control group with a quota needs root and the cpu controller of version 1")
        try:
            (group / "cpu.cfs_quota_us").write_text("20000")
            with program(THREADS + "burn(4)", cpus=2) as process:
                (group / "cgroup.procs").write_text(str(process.pid))
                found = seen(process, tmp_path, looks=6)
        finally:
            deadline = time.monotonic() + 10
            while group.exists() and time.monotonic() < deadline:
                with contextlib.suppress(OSError):  # until the last thread is gone
                    group.rmdir()
                time.sleep(0.05)

        (throttled,) = (item for item in found if item.counter == "throttled periods")
        assert throttled.value > 50
        assert "control group of 0.2 CPUs" in throttled.message

    @pytest.mark.parametrize(
        "code",
        [
            pytest.param("burn(1)", id="one thread for one CPU"),
            pytest.param("workers(2, 1)", id="a pool of two processes"),
            pytest.param(
                "burn(1)\nfor _ in range(64): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
                id="threads that sleep",
            ),
            pytest.param(
                """
                lock = threading.Lock()
                def in_turn():
                    while True:
                        with lock:
                            hashlib.pbkdf2_hmac("sha256", b"a", b"b", 20000)
                for _ in range(16):
                    threading.Thread(target=in_turn, daemon=True).start()
                """,
                id="threads that take turns",
            ),
            pytest.param(
                """
                def now_and_then():
                    while True:
                        time.sleep(0.01)
                        hashlib.sha256(bytes(20000)).digest()
                for _ in range(32):
                    threading.Thread(target=now_and_then, daemon=True).start()
                """,
                id="threads that wait for something else than a CPU",
            ),
        ],
    )
    def test_silent(self, tmp_path: Path, code: str) -> None:
        with program(THREADS + textwrap.dedent(code)) as process:
            assert seen(process, tmp_path) == []

    def test_blas_with_a_thread_for_each_cpu_is_as_it_should_be(self, tmp_path: Path) -> None:
        code = """
        import os, sys, threading
        import numpy
        def multiply():
            a = numpy.ones((400, 400))
            while True:
                a @ a
        threading.Thread(target=multiply, daemon=True).start()
        """
        with program(code, env={"OPENBLAS_NUM_THREADS": "64"}) as process:
            assert seen(process, tmp_path) == []  # OpenBLAS cuts it down to the CPUs that it finds


class TestLibraries:
    def test_two_makes_of_openmp_and_one_library_from_two_files(self, tmp_path: Path) -> None:
        some = next(Path("/").glob("usr/lib/*/libuuid.so.1"), None) or next(Path("/").glob("usr/lib*/libz.so.1"))
        for name in ("a/libgomp.so.1", "a/libiomp5.so", "b/libgomp.so.1"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(some, tmp_path / name)
        names = [str(tmp_path / name) for name in ("a/libgomp.so.1", "a/libiomp5.so", "b/libgomp.so.1")]
        code = f"import ctypes, os, sys\nkept = [ctypes.CDLL(name) for name in {names!r}]"
        with program(code) as process:
            found = seen(process, tmp_path, looks=3, every_s=0.6)

        assert [item.counter for item in found] == ["OpenMP runtimes of different makes", "libraries loaded twice"]
        assert all(item.code == "ENV001" for item in found)

    def test_a_search_path_that_stands_before_what_a_package_brings(self, tmp_path: Path) -> None:
        some = next(Path("/").glob("usr/lib/*/libuuid.so.1"), None) or next(Path("/").glob("usr/lib*/libz.so.1"))
        own = tmp_path / "env/lib/python3.11/site-packages/torch/lib"
        for name in ("libmine.so.1", "libother.so.1"):
            own.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(some, own / name)
        other = tmp_path / "modules"
        other.mkdir()
        shutil.copyfile(some, other / "libmine.so.1")
        code = f"import ctypes, os, sys\nctypes.CDLL({str(own / 'libother.so.1')!r})\nctypes.CDLL('libmine.so.1')"
        with program(code, env={"LD_LIBRARY_PATH": str(other)}) as process:
            (found,) = seen(process, tmp_path, looks=3, every_s=0.6)

        assert found.counter == "libraries from elsewhere"
        assert f"{other}/libmine.so.1 is loaded (LD_LIBRARY_PATH), not {own}/libmine.so.1" in found.message

    def test_one_file_that_is_opened_twice_is_silent(self, tmp_path: Path) -> None:
        some = next(Path("/").glob("usr/lib/*/libuuid.so.1"), None) or next(Path("/").glob("usr/lib*/libz.so.1"))
        shutil.copyfile(some, tmp_path / "libmine.so.1")
        (tmp_path / "libsame.so.1").symlink_to("libmine.so.1")
        names = [str(tmp_path / name) for name in ("libmine.so.1", "libmine.so.1", "libsame.so.1")]
        code = f"import ctypes, os, sys, sqlite3, ssl\nkept = [ctypes.CDLL(name) for name in {names!r}]"
        with program(code) as process:
            assert seen(process, tmp_path, looks=3, every_s=0.6) == []

    def test_the_loaders_own_statistics_count_what_a_long_path_costs(self, tmp_path: Path) -> None:
        pytest.importorskip("numpy")
        failed = []
        for folders in (0, 200):
            path = ":".join(f"/does/not/exist/{number}" for number in range(folders))
            with program("import os, sys, numpy", env={"LD_LIBRARY_PATH": path}) as process:
                observer = Observer(process.pid, journal=tmp_path)
                for _ in range(2):
                    observer.look()
                    time.sleep(1.1)
                observer.look()
            observer.trace_loader()
            (record,) = observer.loader
            failed.append(record["failed"])
        evidence, _ = judge(read_signals(tmp_path))

        # Each library that is looked for is looked for in each folder, none of which is there.
        assert failed[1] > failed[0]
        assert (failed[1] - failed[0]) % 200 == 0
        (found,) = evidence
        assert (found.counter, found.value) == ("failed look-ups of libraries", failed[1])


class TestThroughMeasure:
    """With an agent inside what a program sets for itself has a line. `jax` is an empty stand-in that wakes it."""

    @pytest.mark.parametrize(
        ("code", "line"),
        [
            pytest.param("os.environ['LD_LIBRARY_PATH'] = '/opt/none'\nimport jax", 2, id="before the import"),
            pytest.param("import jax\nos.environ['LD_LIBRARY_PATH'] = '/opt/none'", 3, id="after it"),
            pytest.param(
                "os.environ['LD_LIBRARY_PATH'] = '/opt/none'\nimport jax, subprocess\nsubprocess.run(['true'])",
                None,
                id="for a process that it starts",
            ),
        ],
    )
    def test_a_library_path_that_a_program_sets_for_itself(
        self, wattleak: CommandLine, code: str, line: int | None
    ) -> None:
        (wattleak.folder / "jax.py").write_text("")
        program = wattleak.folder / "train.py"
        program.write_text(f"import os\n{code}\n")

        document = wattleak.document("measure", "--", sys.executable, str(program))

        places = [place for place in document["observed"]["places"] if place["level"] == "seen"]
        assert [(place["code"], place["line"]) for place in places] == ([] if line is None else [("ENV001", line)])
        assert all(place["path"] == str(program) for place in places)

    def test_a_crowd_of_threads_is_told_by_measure(self, wattleak: CommandLine) -> None:
        code = (
            THREADS + "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\nburn(8)\ntime.sleep(3.5)\nos._exit(0)\n"
        )

        document = wattleak.document("measure", "--", sys.executable, "-c", code)

        (place,) = document["observed"]["places"]
        (seen,) = place["evidence"]
        assert (place["code"], place["level"], place["path"]) == ("PAR001", "seen", None)
        assert 7 < seen["value"] < 9
        assert seen["threshold"] == 2.0

    def test_without_probes_nothing_is_looked_at(self, wattleak: CommandLine) -> None:
        done = wattleak("measure", "--no-probes", "--", sys.executable, "-c", "import time; time.sleep(1)")

        assert done.returncode == 0
        assert list(wattleak.folder.rglob("outside.jsonl")) == []
