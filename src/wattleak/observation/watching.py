"""Watching a process that already runs: looks at its tree, a recorder for its power, what the probes say of them."""

from __future__ import annotations

import os
import select
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from wattleak.analysis.attribution import attribute
from wattleak.analysis.energy import machine_energy
from wattleak.analysis.estimates import scaled
from wattleak.analysis.slope import slope
from wattleak.environment.cgroups import control_groups, memory_limit
from wattleak.environment.outside.observer import Observer
from wattleak.environment.outside.reading import read_environ
from wattleak.errors import MeasurementError
from wattleak.model.watching import Activity, Library, Power, Slope, Watched
from wattleak.observation.observe import judge
from wattleak.recorder.attached import recorder_beside
from wattleak.recorder.journal import JOURNAL
from wattleak.recorder.trace import read_recording
from wattleak.signals import Fact, Process, Signals, read_signals
from wattleak.signals.outside.facts import libraries_record, stretch_record
from wattleak.signals.outside.libraries import GPU_FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from wattleak.meters.probe import Probed
    from wattleak.model import Evidence
    from wattleak.signals.outside.libraries import LoadedLibraries
    from wattleak.signals.outside.stretches import Stretch

_POWER_OVER_S = 10.0  # a power is a mean over this long
_EVIDENCE_EVERY_S = 5.0
_MOST_OF_THE_TIME = 0.02  # that reading the journal and judging may take, each
_MATH = ("libopenblas", "libscipy_openblas", "libmkl_rt", "libmkl_core", "libblis", "libblas", "libdnnl", "libonednn")
_FRAMEWORKS = (
    "libtorch.so",
    "libtorch_cpu",
    "libtorch_cuda",
    "libtensorflow",
    "libjax_common",
    "libxgboost",
    "lib_lightgbm",
)
_OUTSIDE = Process("outside", None)


class Watcher:
    """One watched process. Use as a context: the recorder beside it ends with the block."""

    def __init__(self, pid: int, probed: Probed, *, every_s: float = 1.0) -> None:
        self._pid = pid
        self._probed = probed
        self._observer = Observer(pid, every_s=every_s)
        self._began_s = time.monotonic()
        self._stack = ExitStack()
        self._journal = Path()
        self._ended = False
        self._death: select.poll | None = None  # tells when it ends
        self._power: tuple[Power, ...] = ()
        self._power_due_s = 0.0
        self._evidence: tuple[Evidence, ...] = ()
        self._notes: tuple[str, ...] = ()
        self._evidence_due_s = 0.0
        inside = read_environ(Path("/proc"), pid).get("WATTLEAK_SIGNALS")
        self._inside = Path(inside) if inside else None  # it runs under `wattleak measure`: its agent knows more

    def __enter__(self) -> Self:
        """Take the first look, then start the recorder. Raises MeasurementError if the process has just ended."""
        self.look()
        if not self._observer.looks:
            raise self._gone()
        with ExitStack() as stack:
            with suppress(OSError):  # it has just ended, or the kernel is older than 5.3
                descriptor = os.pidfd_open(self._pid)
                stack.callback(os.close, descriptor)
                self._death = select.poll()
                self._death.register(descriptor, select.POLLIN)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wattleak-watch-")))
            if self._probed.meters:
                stack.enter_context(recorder_beside(folder, self._probed, self._pid, run_id="watch"))
            self._journal = folder / JOURNAL
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def wait_s(self) -> float:
        """Until the next look is due."""
        return self._observer.wait_s or 0.0

    def sleep(self, seconds: float) -> None:
        """Rest until the next look, or until the process ends."""
        if self._death is None:
            time.sleep(seconds)
        else:
            self._death.poll(seconds * 1000)

    def look(self) -> None:
        """Look at the tree once; `ended` says whether it was there."""
        found = self._observer.look()
        if found is None:
            raise MeasurementError(f"looking at process {self._pid} failed: {self._observer.failure}", "report this")
        self._ended = not found.processes

    def trace_loader(self) -> None:
        """Have the loader's own statistics for the frameworks of the tree; takes seconds."""
        self._observer.trace_loader()

    def state(self, *, thorough: bool = False) -> Watched:
        """What is known now; power and evidence are renewed when they are due, or when `thorough`.

        Raises MeasurementError when the process ended before it could be looked at twice.
        """
        looks = self._observer.looks
        if len(looks) < 2 and self._ended:
            raise self._gone()
        self._renew(thorough=thorough)
        last = looks[-1]
        stretches = tuple(self._observer.stretches)
        grown = slope([look.time_s for look in looks], [float(look.memory_b) for look in looks])
        libraries = tuple(self._observer.libraries.values())
        return Watched(
            pid=self._pid,
            command=last.processes[0].command,
            duration_s=last.time_s - self._began_s if self._ended else time.monotonic() - self._began_s,
            looks=len(looks),
            ended=self._ended,
            processes=len(last.processes),
            threads=sum(len(process.threads) for process in last.processes),
            running=sum(thread.is_running for process in last.processes for thread in process.threads),
            cpus=last.cpus,
            cpus_why=last.why_so_many(),
            affinity=last.affinity,
            quota_cpus=last.quota_cpus,
            slurm_cpus=last.slurm_cpus,
            memory_b=last.memory_b,
            now=_activity(stretches[-1:], last.quota_cpus),
            overall=_activity(stretches, last.quota_cpus),
            memory_slope=grown,
            memory_full_in_s=self._full_in_s(grown, last.memory_b),
            power=self._power,
            libraries=tuple(
                _telling(item.path, item.family, of.pid)
                for of in libraries
                for item in of.mapped
                if _kind(item.family, item.name)
            ),
            packages=tuple(sorted({name for of in libraries for name in _packages_of(of)})),
            devices=tuple(sorted({device.path for of in libraries for device in of.devices})),
            devices_held=tuple(sorted({device.path for of in libraries for device in of.devices if device.held})),
            evidence=self._evidence,
            unavailable=self._probed.unavailable,
            notes=self._notes,
        )

    def _renew(self, *, thorough: bool) -> None:
        now_s = time.monotonic()
        if self._journal.exists() and (thorough or now_s >= self._power_due_s):
            self._power = tuple(self._read_power())
            self._power_due_s = _next_s(now_s, 1.0)
        now_s = time.monotonic()
        if thorough or now_s >= self._evidence_due_s:
            found, notes = judge(self._signals())
            self._evidence, self._notes = tuple(found), tuple(notes)
            self._evidence_due_s = _next_s(now_s, _EVIDENCE_EVERY_S)

    def _signals(self) -> Signals:
        facts = [_fact(stretch_record(stretch)) for stretch in self._observer.stretches]
        facts += [_fact(libraries_record(libraries)) for libraries in self._observer.libraries.values()]
        facts += [_fact(record) for record in self._observer.loader]
        inside = read_signals(self._inside) if self._inside is not None else Signals()
        noted = tuple(fact for fact in inside.facts if fact.process.pid is not None)  # `measure` looks from outside too
        return Signals((*inside.processes, _OUTSIDE), (*noted, *facts))

    def _read_power(self) -> Iterator[Power]:
        trace = read_recording(self._journal).trace
        if len(trace.samples) < 2:
            return
        end_s = trace.samples[-1].time_s
        start_s = max(trace.samples[0].time_s, end_s - _POWER_OVER_S)
        if end_s <= start_s:
            return
        for of_tree, energies in (
            (False, machine_energy(trace, start_s, end_s)),
            (True, attribute(trace, start_s, end_s).channels),
        ):
            for item in energies:
                yield Power(item.channel.name, of_tree, scaled(item.energy_j, 1 / (end_s - start_s)))

    def _full_in_s(self, grown: Slope | None, memory_b: int) -> float | None:
        """Only where the whole interval says that it grows."""
        if grown is None or grown.interval.low <= 0:
            return None
        left = [_available_b()]
        limit = memory_limit(control_groups(pid=self._pid))
        if limit is not None:
            left.append(limit - memory_b)
        known = [room for room in left if room is not None]
        return max(0.0, min(known)) / grown.per_s if known else None

    def _gone(self) -> MeasurementError:
        return MeasurementError(
            f"process {self._pid} ended before it could be looked at twice",
            "measure it from its start: wattleak measure -- COMMAND",
        )


def _activity(stretches: Sequence[Stretch], quota_cpus: float | None) -> Activity | None:
    duration_s = sum(stretch.duration_s for stretch in stretches)
    if not duration_s:
        return None
    parts = [(stretch, process) for stretch in stretches for process in stretch.processes]
    waits = [process.wait_s for _, process in parts if process.wait_s is not None]
    runnable = [stretch.runnable * stretch.duration_s for stretch in stretches if stretch.runnable is not None]
    periods = sum(stretch.periods for stretch in stretches)
    run_s = sum(process.run_s for _, process in parts)
    by_mode_s = sum(process.user_s + process.system_s for _, process in parts)
    return Activity(
        duration_s=duration_s,
        workers=sum(stretch.workers * stretch.duration_s for stretch in stretches) / duration_s,
        runnable=sum(runnable) / duration_s if runnable else None,
        cpu_share=run_s / duration_s,
        wait_share=sum(waits) / duration_s if waits else None,
        system_share=sum(process.system_s for _, process in parts) / by_mode_s if by_mode_s else 0.0,
        voluntary_per_s=sum(process.voluntary for _, process in parts) / duration_s,
        involuntary_per_s=sum(process.involuntary for _, process in parts) / duration_s,
        throttled_share=(sum(s.throttled for s in stretches) / periods if periods else 0.0) if quota_cpus else None,
    )


def _packages_of(libraries: LoadedLibraries) -> Iterator[str]:
    """Frameworks of which something is loaded, with their versions."""
    for name, version in libraries.packages.items():
        folder = "jaxlib" if name.startswith("jax") else name.partition("-")[0]
        if any(item.path.startswith(f"{place}/{folder}/") for item in libraries.mapped for place in libraries.folders):
            yield f"{name} {version}"


def _kind(family: str, name: str) -> str | None:
    if family in {"libgomp", "libiomp5", "libomp", "libomp5"}:
        return "openmp"
    if GPU_FAMILIES.fullmatch(family):
        return "gpu"
    if name.startswith(_MATH):
        return "math"
    return "framework" if name.startswith(_FRAMEWORKS) else None


def _telling(path: str, family: str, pid: int) -> Library:
    return Library(path, _kind(family, path.rpartition("/")[2]) or "", pid)


def _fact(record: dict[str, Any]) -> Fact:
    values = {name: value for name, value in record.items() if name not in {"k", "t", "key"}}
    return Fact(record["k"], _OUTSIDE, record.get("t"), record.get("key"), values)


def _next_s(began_s: float, at_least_s: float) -> float:
    """When to do again what has just been done: never so often that it takes more than a fiftieth of the time."""
    return began_s + max(at_least_s, (time.monotonic() - began_s) / _MOST_OF_THE_TIME)


def _available_b() -> float | None:
    """What programs may still have of the machine's memory (proc_meminfo(5))."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024.0 for line in lines if line.startswith("MemAvailable:")), None)
