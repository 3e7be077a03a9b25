"""What is read of processes from outside: a written /proc with known numbers, and real processes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wattleak.environment.outside.asking import check_process
from wattleak.environment.outside.libraries import read_libraries
from wattleak.environment.outside.observer import Observer
from wattleak.environment.outside.reading import read_limits, read_look
from wattleak.errors import UsageError
from wattleak.signals.outside.stretches import stretches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.signals.outside.looks import Look

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_B = os.sysconf("SC_PAGE_SIZE")


class WrittenProc:
    """A tree of files as the kernel would show it (proc(5))."""

    def __init__(self, base: Path) -> None:
        self.base = base

    def write(self, path: str, text: str | bytes) -> None:
        file = self.base / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text if isinstance(text, bytes) else text.encode())

    def process(
        self, pid: int, *, words: str = "python train.py", pages: int = 100, maps: str = "", env: str = ""
    ) -> None:
        fields = ["S"] + ["0"] * 49
        fields[11], fields[12], fields[19], fields[21] = "300", "100", "5000", str(pages)
        self.write(f"proc/{pid}/stat", f"{pid} (a ) b) {' '.join(fields)}\n")
        self.write(f"proc/{pid}/cmdline", words.replace(" ", "\0") + "\0")
        self.write(f"proc/{pid}/environ", env)
        self.write(f"proc/{pid}/maps", maps)
        self.write(f"proc/{pid}/cgroup", "0::/box\n")

    def thread(
        self,
        pid: int,
        tid: int,
        run_ns: int,
        wait_ns: int,
        cpus: str = "0-1",
        state: str = "S (sleeping)",
        children: str = "",
    ) -> None:
        folder = f"proc/{pid}/task/{tid}"
        self.write(
            f"{folder}/status",
            f"Name:\tpool\nState:\t{state}\nCpus_allowed_list:\t{cpus}\n"
            "voluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n",
        )
        self.write(f"{folder}/schedstat", f"{run_ns} {wait_ns} 10\n")
        self.write(f"{folder}/children", children)

    def group(self, *, quota: str = "max 100000", throttled: int = 0) -> None:
        self.write("proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
        self.write("sys/fs/cgroup/box/cpu.max", quota + "\n")
        self.write("sys/fs/cgroup/box/cgroup.procs", "")
        self.write(
            "sys/fs/cgroup/box/cpu.stat",
            f"usage_usec 5\nnr_periods 200\nnr_throttled {throttled}\nthrottled_usec {throttled * 50000}\n",
        )


@pytest.fixture
def written(tmp_path: Path) -> WrittenProc:
    return WrittenProc(tmp_path)


class TestAWrittenTree:
    def test_a_tree_of_two_processes_with_their_threads(self, written: WrittenProc) -> None:
        written.group()
        written.process(10, pages=100)
        written.thread(10, 10, 2_000_000_000, 500_000_000, state="R (running)")
        written.thread(10, 11, 1_000_000_000, 0, children="20 ")
        written.process(20, words="python worker.py --token abc", pages=50)
        written.thread(20, 20, 0, 0)

        look = read_look(10, read_limits(10, base=written.base), proc=written.base / "proc", base=written.base)

        parent, child = look.processes
        assert (parent.pid, child.pid) == (10, 20)
        assert look.memory_b == 150 * PAGE_B
        assert parent.user_s == 300 / TICKS
        assert [(t.tid, t.run_s, t.wait_s, t.is_running) for t in parent.threads] == [
            (10, 2.0, 0.5, True),
            (11, 1.0, 0.0, False),
        ]
        assert parent.threads[0].voluntary == 7
        assert parent.threads[0].involuntary == 3
        assert child.command == "python worker.py --token ***"

    def test_cpus_are_those_of_all_threads_when_a_pool_pins_each_to_its_own(self, written: WrittenProc) -> None:
        written.group()
        written.process(10)
        for number in range(4):
            written.thread(10, 10 + number, 0, 0, cpus=str(number))

        look = read_look(10, read_limits(10, base=written.base), proc=written.base / "proc", base=written.base)

        assert look.affinity == 4
        assert look.cpus == 4.0
        assert look.why_so_many() == "affinity: 4 CPUs"

    def test_what_others_had_is_what_the_cpus_worked_beyond_the_tree(self, written: WrittenProc) -> None:
        def look(us_s: float, *busy_s: float) -> Look:
            """Each CPU: user, nice, system, idle, I/O wait, interrupts, soft ones, stolen, guests (in user)."""
            written.thread(10, 10, round(us_s * 1e9), 0, cpus="0-1")
            lines = [
                f"cpu{number} {round(work_s * TICKS) - 3 * TICKS} {TICKS} 0 777 888 0 {TICKS} {TICKS} 555 0\n"
                for number, work_s in enumerate(busy_s)
            ]
            written.write("proc/stat", f"cpu  1 2 3 4 5 6 7 8 9 0\n{''.join(lines)}intr 99 1 2\nctxt 5\n")
            return replace(
                read_look(10, read_limits(10, base=written.base), proc=written.base / "proc", base=written.base),
                time_s=us_s,
            )

        written.group()
        written.process(10)
        (stretch,) = stretches((look(10.0, 50.0, 60.0, 70.0), look(14.0, 54.0, 62.4, 74.0)))

        assert stretch.others == pytest.approx((4.0 + 2.4 - 4.0) / (2 * 4.0))  # the third CPU is not ours

    def test_where_a_container_shows_its_own_counters_nobody_knows_what_others_had(self, written: WrittenProc) -> None:
        written.group()
        with (written.base / "proc/self/mountinfo").open("a") as file:
            file.write("40 20 0:50 /proc/stat /proc/stat rw - fuse.lxcfs lxcfs rw\n")
        written.process(10)
        written.thread(10, 10, 0, 0)
        written.write("proc/stat", "cpu0 5 5 5 5 5 5 5 5 0 0\ncpu1 5 5 5 5 5 5 5 5 0 0\n")
        look = read_look(10, read_limits(10, base=written.base), proc=written.base / "proc", base=written.base)
        (stretch,) = stretches((look, replace(look, time_s=look.time_s + 1.0)))

        assert stretch.others is None

    def test_a_quota_is_less_than_the_affinity_and_its_throttling_is_read(self, written: WrittenProc) -> None:
        written.group(quota="150000 100000", throttled=40)
        written.process(10)
        written.thread(10, 10, 0, 0, cpus="0-7")

        look = read_look(10, read_limits(10, base=written.base), proc=written.base / "proc", base=written.base)

        assert look.cpus == 1.5
        assert "quota" in look.why_so_many()
        assert look.throttling is not None
        assert (look.throttling.periods, look.throttling.throttled, look.throttling.throttled_s) == (200, 40, 2.0)

    def test_what_slurm_gave_counts_where_it_does_not_bind(self, written: WrittenProc) -> None:
        written.group()
        written.process(10, env="A=b\0SLURM_CPUS_ON_NODE=3\0")
        written.thread(10, 10, 0, 0, cpus="0-15")

        look = read_look(10, read_limits(10, base=written.base), proc=written.base / "proc", base=written.base)

        assert look.cpus == 3.0
        assert look.why_so_many() == "Slurm allocation: 3 CPUs"

    def test_a_tree_that_is_gone_has_no_processes(self, written: WrittenProc) -> None:
        written.group()

        assert read_look(10, read_limits(10, base=written.base), proc=written.base / "proc").processes == ()

    def test_libraries_devices_and_the_cuda_of_the_wheels(self, written: WrittenProc) -> None:
        site = written.base / "env/lib/python3.12/site-packages"
        for name in ("torch-2.4.0+cu121.dist-info", "nvidia_cublas_cu12-12.1.3.1.dist-info"):
            (site / name).mkdir(parents=True)
        own = site / "nvidia/cublas/lib/libcublas.so.12"
        own.parent.mkdir(parents=True)
        own.write_bytes(b"")
        head = "7f00-7f10 r-xp 00000000 fd:01"
        written.process(
            10,
            env="LD_LIBRARY_PATH=/usr/local/cuda-11.8/lib64:\0CUDA_VISIBLE_DEVICES=-1\0",
            maps=f"{head} 11 {site}/torch/lib/libtorch_cuda.so\n"
            f"{head} 11 {site}/torch/lib/libtorch_cuda.so\n"
            f"{head} 12 /usr/local/cuda-11.8/lib64/libcublas.so.11.11.3.6\n"
            f"{head} 13 /dev/nvidia0\n"
            f"{head} 14 {site}/torch/_C.cpython-312-x86_64-linux-gnu.so\n"
            "7f00-7f10 rw-p 00000000 00:00 0 [heap]\n",
        )
        written.thread(10, 10, 0, 0)
        look = read_look(10, read_limits(10, base=written.base), proc=written.base / "proc", base=written.base)

        found = read_libraries(look.processes[0], proc=written.base / "proc")

        assert found is not None
        assert [item.name for item in found.mapped] == ["libtorch_cuda.so", "libcublas.so.11.11.3.6"]
        assert found.wanted == {"torch": "12"}
        assert found.packages["nvidia-cublas-cu12"] == "12.1.3.1"
        assert found.own_copies == {"/usr/local/cuda-11.8/lib64/libcublas.so.11.11.3.6": str(own)}
        assert found.search_path == ("/usr/local/cuda-11.8/lib64",)
        assert found.hides_devices


@pytest.fixture
def burning() -> Iterator[subprocess.Popen[str]]:
    """Two threads that compute without the interpreter's lock for as long as it is asked, and sixteen that sleep."""
    code = (
        "import hashlib, sys, threading, time\n"
        "for _ in range(16): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "burn = ('sha256', b'a', b'b', 10**9)\n"
        "for _ in range(2): threading.Thread(target=hashlib.pbkdf2_hmac, args=burn, daemon=True).start()\n"
        "print('ready', flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


class TestRealProcesses:
    def test_run_time_is_what_the_kernel_bills_at_the_end(self, burning: subprocess.Popen[str]) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        observer = Observer(burning.pid)
        observer.look()
        time.sleep(0.7)
        last = observer.look()
        assert last is not None
        seen_s = sum(thread.run_s for thread in last.processes[0].threads)

        burning.kill()
        burning.communicate()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        billed_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

        assert seen_s <= billed_s + 0.02
        assert seen_s > 0.5 * billed_s

    def test_threads_that_sleep_do_not_work_and_those_that_do_are_counted(self, burning: subprocess.Popen[str]) -> None:
        observer = Observer(burning.pid)
        observer.look()
        time.sleep(0.6)
        observer.look()

        (stretch,) = observer.stretches
        (process,) = stretch.processes
        assert process.threads == 19
        assert process.workers == 2
        assert process.runnable is not None
        assert 1.5 < process.runnable < 2.2  # never above the two that have something to do
        assert stretch.cpus == len(os.sched_getaffinity(0))

    def test_only_the_tree_is_looked_at(self, burning: subprocess.Popen[str]) -> None:
        look = Observer(burning.pid).look()

        assert look is not None
        assert [process.pid for process in look.processes] == [burning.pid]

    def test_a_process_that_ended_is_not_confused_with_the_next_of_its_number(self) -> None:
        with subprocess.Popen(["sleep", "30"]) as process:
            observer = Observer(process.pid)
            observer.look()
            process.kill()
            process.wait()
            gone = observer.look()

        assert gone is not None
        assert gone.processes == ()
        assert len(observer.looks) == 1

    def test_what_fails_in_a_look_is_noted_and_is_the_last(self, tmp_path: Path) -> None:
        observer = Observer(os.getpid(), journal=tmp_path)
        observer.look()
        observer.looks[0] = None  # type: ignore[call-overload] # whatever breaks inside

        assert observer.look() is None
        assert observer.wait_s is None
        assert '"failure"' in (tmp_path / "outside.jsonl").read_text()

    def test_the_difference_of_two_looks_is_exact(self, written: WrittenProc) -> None:
        written.group()
        written.process(10)
        written.thread(10, 10, 1_000_000_000, 1_000_000_000)
        limits = read_limits(10, base=written.base)
        first = read_look(10, limits, proc=written.base / "proc", base=written.base)
        written.thread(10, 10, 1_600_000_000, 1_300_000_000)
        second = read_look(10, limits, proc=written.base / "proc", base=written.base)

        (stretch,) = stretches([first, second])

        assert stretch.run_s == pytest.approx(0.6)
        assert stretch.wait_s == pytest.approx(0.3)
        assert stretch.runnable == pytest.approx(0.9 / (second.time_s - first.time_s))


class TestWhichProcess:
    @pytest.mark.parametrize("text", ["", "0", "-3", "12a", "99999999"])
    def test_what_is_no_process_is_refused_with_the_way_to_find_one(self, text: str) -> None:
        with pytest.raises(UsageError) as refused:
            check_process(text)

        assert "pgrep" in refused.value.remedy

    def test_a_zombie_has_ended(self) -> None:
        process = subprocess.Popen(["true"])
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with pytest.raises(UsageError, match="has ended"):
            check_process(str(process.pid))
        process.wait()

    def test_a_thread_is_named_with_its_process(self, burning: subprocess.Popen[str]) -> None:
        tid = next(
            int(path.name) for path in Path(f"/proc/{burning.pid}/task").iterdir() if path.name != str(burning.pid)
        )
        with pytest.raises(UsageError) as refused:
            check_process(str(tid))

        assert refused.value.remedy == f"wattleak watch {burning.pid}"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
    def test_a_process_of_somebody_elses_is_refused_by_name(self) -> None:
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                check_process("1")
            except UsageError as refused:
                os.write(tell, f"{refused.message}|{refused.remedy}".encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        os.close(tell)
        message, _, remedy = os.read(told, 4096).decode().partition("|")
        os.close(told)

        assert message == "process 1 belongs to root, and only root and root may look into it"
        assert remedy == "sudo wattleak watch 1"
