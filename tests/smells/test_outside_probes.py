"""The probes that need nothing inside the program: what they say of threads and libraries, from facts written by hand.

The numbers that they must say are worked out in the tests. What they say of real programs is in
tests/end_to_end/test_seen_from_outside.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wattleak.signals import Fact, Process, Signals
from wattleak.signals.outside.facts import libraries_in, libraries_record, stretch_record, stretches_in
from wattleak.signals.outside.libraries import Device, LoadedLibraries, Mapped
from wattleak.signals.outside.stretches import ProcessStretch, Stretch
from wattleak.smells.library_path_mismatch.probe import probe as libraries_probe
from wattleak.smells.unnecessary_parallelism.probe import probe as threads_probe

if TYPE_CHECKING:
    from wattleak.model import Evidence

OUTSIDE = Process("outside", None)
SITE = "/env/lib/python3.12/site-packages"


def signals(*records: dict[str, Any], inside: tuple[Fact, ...] = (), processes: tuple[Process, ...] = ()) -> Signals:
    facts = tuple(
        Fact(
            record["k"],
            OUTSIDE,
            record.get("t"),
            record.get("key"),
            {name: value for name, value in record.items() if name not in {"k", "t", "key"}},
        )
        for record in records
    )
    return Signals((*processes, OUTSIDE), (*facts, *inside))


def process(
    pid: int = 10, *, workers: int = 1, runnable: float | None = 1.0, run_s: float = 1.0, switches: int = 100
) -> ProcessStretch:
    """One second of a process."""
    return ProcessStretch(
        pid=pid,
        command=f"python train.py {pid}",
        threads=workers + 3,
        workers=workers,
        name="python",
        runnable=runnable,
        run_s=run_s,
        wait_s=None if runnable is None else max(0.0, runnable - run_s),
        user_s=run_s,
        system_s=0.0,
        voluntary=switches // 2,
        involuntary=switches - switches // 2,
    )


def seconds(count: int, *processes: ProcessStretch, cpus: float = 2.0, **more: Any) -> list[dict[str, Any]]:
    """So many seconds of the same tree, each a stretch."""
    return [
        stretch_record(Stretch(float(at), float(at + 1), cpus, f"affinity: {cpus:g} CPUs", processes, **more))
        for at in range(count)
    ]


def threads(*records: dict[str, Any], **more: Any) -> list[Evidence]:
    return list(threads_probe(signals(*records, **more)))


class TestThreads:
    def test_sixteen_threads_on_two_cpus(self) -> None:
        (seen,) = threads(*seconds(4, process(workers=16, runnable=15.0, run_s=2.0, switches=20_000)))

        assert seen.code == "PAR001"
        assert seen.value == pytest.approx(15.0)
        assert seen.threshold == 4.0  # two for each of the two CPUs
        assert seen.cost_s == pytest.approx(8.0)  # 4 s on both CPUs
        assert seen.pid == 10
        assert "waited 52.0 s for a CPU" in seen.message  # 4 x (15 - 2)
        assert "20,000 switches a second (50 % involuntary)" in seen.message

    def test_the_line_that_asked_for_them_is_named(self) -> None:
        trainer = Process("10-a.jsonl", 10)
        asked = Fact(
            "threads",
            trainer,
            1.0,
            "x",
            {"name": "torch.set_num_threads", "number": 16, "file": "/u/train.py", "line": 7, "function": "main"},
        )
        modest = Fact(
            "threads", trainer, 1.0, "y", {"name": "torch.set_num_threads", "number": 2, "file": "/u/a.py", "line": 1}
        )
        (seen,) = threads(
            *seconds(4, process(workers=16, runnable=15.0, run_s=2.0)), inside=(asked, modest), processes=(trainer,)
        )

        assert (seen.path, seen.line, seen.function) == ("/u/train.py", 7, "main")
        assert "torch.set_num_threads asked for 16" in seen.message

    def test_a_forked_worker_has_the_threads_that_its_parent_asked_for(self) -> None:
        parent, worker = Process("9.jsonl", 9), Process("10.jsonl", 10, parent=9)
        asked = Fact(
            "environment", parent, 1.0, "x", {"name": "OMP_NUM_THREADS", "now": "16", "file": "/u/train.py", "line": 3}
        )
        (seen,) = threads(
            *seconds(4, process(workers=16, runnable=15.0, run_s=2.0)), inside=(asked,), processes=(parent, worker)
        )

        assert (seen.path, seen.line) == ("/u/train.py", 3)

    def test_pools_in_processes_multiply(self) -> None:
        four = [process(pid, workers=2, runnable=2.0, run_s=0.5) for pid in range(10, 14)]

        (seen,) = threads(*seconds(4, *four))

        assert seen.value == pytest.approx(8.0)
        assert "4 processes" in seen.message
        assert "2 threads that work in each" in seen.message
        assert seen.cost_s == pytest.approx(8.0)

    def test_a_crowd_of_processes_is_one_only_from_eight_for_each_cpu_on(self) -> None:
        def crowd(count: int) -> list[Evidence]:
            return threads(*seconds(4, *(process(pid, runnable=1.0, run_s=2 / count) for pid in range(10, 10 + count))))

        assert crowd(16) == []
        (seen,) = crowd(17)
        assert seen.threshold == 16.0
        assert "17 processes" in seen.message

    def test_where_the_kernel_counts_no_waiting_switches_decide(self) -> None:
        busy = process(workers=16, runnable=None, run_s=2.0, switches=100_000)
        calm = process(workers=16, runnable=None, run_s=2.0, switches=1_000)

        (seen,) = threads(*seconds(4, busy))

        assert seen.value == pytest.approx(100_000)
        assert seen.threshold == 40_000.0  # 20,000 for each CPU
        assert threads(*seconds(4, calm)) == []

    @pytest.mark.parametrize(("others", "number"), [(0.4, 1), (0.6, 0), (None, 0)])
    def test_threads_that_wait_are_a_crowd_where_others_leave_them_the_cpus(
        self, others: float | None, number: int
    ) -> None:
        """Keras with 16 threads on two CPUs, as it was seen: one CPU has them all, the other one rests."""
        waiting = process(workers=18, runnable=6.9, run_s=0.98, switches=9_000)

        assert len(threads(*seconds(4, waiting, others=others))) == number

    def test_threads_that_do_little_else_than_hand_over_are_a_crowd_though_few_want_a_cpu_at_once(self) -> None:
        """16 threads of OpenMP on two CPUs of a virtual machine, as they were seen."""
        busy = process(workers=16, runnable=3.7, run_s=0.9, switches=84_000)

        (seen,) = threads(*seconds(4, busy))

        assert (seen.value, seen.threshold, seen.unit) == (pytest.approx(84_000), 40_000.0, "1/s")
        assert "16 threads that work, 3.7 of them wanting a CPU at once" in seen.message

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(process(workers=16, runnable=3.7, run_s=0.9, switches=39_000), id="that hand over less"),
            pytest.param(process(workers=4, runnable=3.7, run_s=0.9, switches=84_000), id="two for each CPU"),
            pytest.param(process(workers=16, runnable=1.9, run_s=0.9, switches=84_000), id="that fit on the CPUs"),
        ],
    )
    def test_other_threads_that_hand_over_are_none(self, other: ProcessStretch) -> None:
        assert threads(*seconds(4, other)) == []

    def test_a_quota_that_stops_a_wide_program(self) -> None:
        wide = process(workers=8, runnable=1.9, run_s=1.5)
        records = seconds(4, wide, cpus=1.5, periods=10, throttled=6, throttled_s=2.0)

        (seen,) = threads(*records)

        assert seen.counter == "throttled periods"
        assert seen.value == pytest.approx(60.0)
        assert seen.cost_s == pytest.approx(8.0)
        assert "with 2 threads" in seen.message

    @pytest.mark.parametrize(
        "records",
        [
            pytest.param(seconds(9, process(workers=2, runnable=2.0, run_s=2.0)), id="as many as CPUs"),
            pytest.param(seconds(9, process(workers=3, runnable=2.9, run_s=2.0)), id="a pool and who feeds it"),
            pytest.param(seconds(9, process(workers=64, runnable=1.3, run_s=1.0)), id="threads that take turns"),
            pytest.param(seconds(9, process(workers=2, runnable=2.0, run_s=0.2)), id="a neighbour has the CPUs"),
            pytest.param(
                seconds(9, process(9), *(process(pid, runnable=1.0) for pid in (10, 11))), id="a pool of processes"
            ),
            pytest.param(
                seconds(9, *(process(pid, runnable=1.0, run_s=0.4) for pid in range(5))), id="more workers than CPUs"
            ),
            pytest.param(
                [*seconds(40, process(run_s=1.0))[1:], *seconds(1, process(workers=9, runnable=9.0, run_s=2.0))],
                id="one crowded second in forty",
            ),
            pytest.param(
                seconds(
                    9, process(workers=1, runnable=1.0, run_s=0.5), cpus=0.5, periods=10, throttled=9, throttled_s=0.5
                ),
                id="one thread that needs more than its quota",
            ),
            pytest.param(
                seconds(9, process(workers=2, runnable=2.0), cpus=1.5, periods=10, throttled=8, throttled_s=0.5),
                id="two threads in a quota of one and a half",
            ),
            pytest.param(
                seconds(9, process(workers=16, runnable=15.0, run_s=15.0), cpus=16.0), id="a machine that has them"
            ),
            pytest.param([], id="nothing was looked at"),
        ],
    )
    def test_silent(self, records: list[dict[str, Any]]) -> None:
        assert threads(*records) == []

    def test_stretches_go_into_facts_and_back(self) -> None:
        stretch = Stretch(1.0, 2.5, 2.0, "affinity: 2 CPUs", (process(), process(11, runnable=None)), 3, 1, 0.25, 0.125)

        assert stretches_in(signals(stretch_record(stretch))) == (stretch,)

    @pytest.mark.parametrize("broken", [{}, {"processes": [[1, 2]]}, {"processes": None}, {"cpus": "many"}])
    def test_a_fact_that_is_not_whole_is_passed_over(self, broken: dict[str, Any]) -> None:
        record = {**seconds(1, process())[0], **broken} if broken else {"k": "stretch"}

        assert stretches_in(signals(record)) == ()


def loaded(*paths: str, pid: int = 10, **more: Any) -> LoadedLibraries:
    """Libraries of a process; each path is a file of its own."""
    mapped = tuple(Mapped(path, f"fd:01 {place}") for place, path in enumerate(paths))
    return LoadedLibraries(pid, 5, "python train.py", mapped, folders=(SITE,), **more)


def seen_of(*processes: LoadedLibraries, inside: tuple[Fact, ...] = ()) -> list[Evidence]:
    return list(libraries_probe(signals(*(libraries_record(item) for item in processes), inside=inside)))


TORCH = f"{SITE}/torch/lib/libtorch_cpu.so"
OWN_BLAS = f"{SITE}/nvidia/cublas/lib/libcublas.so.12"
OTHER_BLAS = "/usr/local/cuda-11.8/lib64/libcublas.so.11.11.3.6"


class TestLibraries:
    def test_two_makes_of_openmp(self) -> None:
        (seen,) = seen_of(loaded(f"{SITE}/torch/lib/libgomp.so.1", f"{SITE}/mkl/libiomp5.so"))

        assert seen.code == "ENV001"
        assert (seen.value, seen.threshold) == (2, 1.0)
        assert "libgomp" in seen.message
        assert "libiomp5" in seen.message

    def test_a_library_from_elsewhere_although_a_package_brings_one(self) -> None:
        (seen,) = seen_of(
            loaded(
                TORCH,
                OTHER_BLAS,
                search_path=("/usr/local/cuda-11.8/lib64/",),
                own_copies={OTHER_BLAS: OWN_BLAS},
            )
        )

        assert seen.counter == "libraries from elsewhere"
        assert f"{OTHER_BLAS} is loaded (LD_LIBRARY_PATH), not {OWN_BLAS}" in seen.message

    def test_one_library_from_two_files(self) -> None:
        (seen,) = seen_of(loaded(f"{SITE}/torch/lib/libc10.so", "/opt/old/torch/lib/libc10.so"))

        assert seen.counter == "libraries loaded twice"

    def test_two_versions_of_cuda(self) -> None:
        (seen,) = seen_of(loaded(OWN_BLAS, f"{SITE}/cupy/.data/lib/libcudart.so.11.0"))

        assert seen.counter == "CUDA major versions"

    @pytest.mark.parametrize(
        ("path", "packages", "wanted"),
        [
            ("/usr/lib/libcudart.so.11.0", {"torch": "2.4.0+cu121"}, {"torch": "12"}),
            ("/usr/lib/libcudnn.so.8", {"nvidia-cudnn-cu12": "9.1.0.70"}, {}),
            ("/usr/lib/libcufft.so.10", {"nvidia-cufft-cu12": "11.2.1.3"}, {}),
        ],
    )
    def test_another_major_version_than_the_metadata_of_the_wheels(
        self, path: str, packages: dict[str, str], wanted: dict[str, str]
    ) -> None:
        (seen,) = seen_of(loaded(path, packages=packages, wanted=wanted))

        assert seen.counter == "libraries of another major version"

    def test_what_all_processes_of_a_tree_share_is_said_once(self) -> None:
        both = [loaded(f"{SITE}/torch/lib/libgomp.so.1", f"{SITE}/mkl/libiomp5.so", pid=pid) for pid in (10, 11)]

        assert len(seen_of(*both)) == 1

    def test_an_accelerator_that_nobody_holds(self) -> None:
        idle = loaded(
            TORCH,
            devices=(Device("/dev/nvidia0", held=False),),
            packages={"torch": "2.13.0+cpu"},
            cpu_s=61.0,
        )

        (seen,) = seen_of(idle)

        assert (seen.value, seen.threshold, seen.cost_s) == (61.0, 60.0, 61.0)
        assert "torch 2.13.0+cpu is a build for the CPU alone" in seen.message

    def test_a_path_that_was_set_in_vain(self) -> None:
        fact = Fact(
            "environment",
            Process("10.jsonl", 10),
            1.0,
            "LD_LIBRARY_PATH",
            {
                "name": "LD_LIBRARY_PATH",
                "born": "/a",
                "now": "/opt/cuda/lib64:/a",
                "children": 0,
                "file": "/u/train.py",
                "line": 4,
                "function": "<module>",
            },
        )

        (seen,) = seen_of(inside=(fact,))

        assert (seen.path, seen.line, seen.value) == ("/u/train.py", 4, 1)
        assert "/opt/cuda/lib64" in seen.message

    def test_many_failed_look_ups_of_a_loader_that_was_asked(self) -> None:
        record = {"k": "loader", "key": "torch", "module": "torch", "failed": 2075, "found": 75, "search_entries": 200}

        (seen,) = libraries_probe(signals(record))

        assert (seen.value, seen.threshold) == (2075, 500.0)
        assert "200 folders" in seen.message

    @pytest.mark.parametrize(
        "libraries",
        [
            pytest.param(loaded(TORCH, f"{SITE}/torch/lib/libgomp.so.1"), id="torch as its wheel brings it"),
            pytest.param(
                loaded(f"{SITE}/torch/lib/libgomp.so.1", f"{SITE}/scikit_learn.libs/libgomp-e985bcbb.so.1.0.0"),
                id="two wheels with their own copy of one OpenMP",
            ),
            pytest.param(
                loaded(
                    f"{SITE}/numpy.libs/libscipy_openblas64_-32a4b2a6.so",
                    f"{SITE}/scipy.libs/libscipy_openblas-6cdc3b4a.so",
                ),
                id="numpy's and scipy's OpenBLAS",
            ),
            pytest.param(
                loaded(f"{SITE}/torch/lib/libgomp.so.1", "/opt/intel/libiomp5.so", preload=("/opt/intel/libiomp5.so",)),
                id="Intel's OpenMP, preloaded on purpose",
            ),
            pytest.param(
                loaded("/usr/lib/libstdc++.so.6.0.30", "/usr/lib/x86_64-linux-gnu/libz.so.1.2.13"), id="of the system"
            ),
            pytest.param(
                loaded(OWN_BLAS, packages={"nvidia-cublas-cu12": "12.4.5.8"}, wanted={"torch": "12"}),
                id="CUDA as the wheels want it",
            ),
            pytest.param(
                loaded(
                    f"{SITE}/nvidia/cufft/lib/libcufft.so.11",
                    f"{SITE}/nvidia/cuda_runtime/lib/libcudart.so.12",
                    packages={"nvidia-cufft-cu12": "11.2.1.3", "nvidia-cuda-runtime-cu12": "12.4.127"},
                    wanted={"torch": "12"},
                ),
                id="cuFFT, whose version is not that of CUDA",
            ),
            pytest.param(loaded("/usr/lib/libcuda.so.550.54", OWN_BLAS), id="the driver's library is the machine's"),
            pytest.param(
                loaded(TORCH, devices=(Device("/dev/nvidia0", held=False),), hides_devices=True, cpu_s=900.0),
                id="accelerators hidden on purpose",
            ),
            pytest.param(
                loaded(
                    TORCH, devices=(Device("/dev/nvidia0", held=False), Device("/dev/nvidia1", held=True)), cpu_s=900.0
                ),
                id="one of two accelerators in use",
            ),
            pytest.param(
                loaded(TORCH, devices=(Device("/dev/nvidia0", held=False),), cpu_s=5.0), id="it has just begun"
            ),
            pytest.param(loaded(devices=(Device("/dev/nvidia0", held=False),), cpu_s=900.0), id="no framework at all"),
            pytest.param(loaded(TORCH, cpu_s=900.0), id="no accelerator in the machine"),
        ],
    )
    def test_silent(self, libraries: LoadedLibraries) -> None:
        assert seen_of(libraries) == []

    def test_one_file_under_two_names_is_loaded_once(self) -> None:
        twice = (Mapped("/opt/a/libfoo.so.1", "fd:01 7"), Mapped("/opt/b/libfoo.so.1", "fd:01 7"))

        assert seen_of(LoadedLibraries(10, 5, "x", twice)) == []

    def test_a_worker_without_the_accelerator_beside_a_trainer_with_it(self) -> None:
        trainer = loaded(TORCH, devices=(Device("/dev/nvidia0", held=True),), cpu_s=900.0)
        worker = loaded(TORCH, devices=(Device("/dev/nvidia0", held=False),), cpu_s=900.0, pid=11)

        assert seen_of(trainer, worker) == []

    @pytest.mark.parametrize("more", [{"children": 1}, {"now": "/a"}, {"now": ""}, {"name": "PATH"}])
    def test_a_path_that_others_may_get_or_that_did_not_change(self, more: dict[str, Any]) -> None:
        values = {"name": "LD_LIBRARY_PATH", "born": "/a", "now": "/b:/a", "children": 0, **more}

        assert seen_of(inside=(Fact("environment", Process("10.jsonl", 10), 1.0, "x", values),)) == []

    def test_libraries_go_into_facts_and_back(self) -> None:
        libraries = loaded(
            TORCH,
            search_path=("/a",),
            own_copies={"/b": "/c"},
            wanted={"torch": "12"},
            devices=(Device("/dev/nvidia0", held=True),),
            cpu_s=3.5,
        )

        assert libraries_in(signals(libraries_record(libraries))) == (libraries,)
