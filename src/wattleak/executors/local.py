"""Run one variant once on this machine: a fresh process, its own folder, through the recorder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.errors import Interrupted
from wattleak.executors.step_watch import StepWatch
from wattleak.meters.clock import MonotonicClock
from wattleak.observation.agent import agent_environment, agent_off
from wattleak.recorder.configuration import new_run_folder
from wattleak.recorder.launch import Streams, launch
from wattleak.recorder.rate import choose_rate
from wattleak.recorder.reported import reported_on_stdout
from wattleak.recorder.summary import PLANNED, read_measurement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wattleak.meters.probe import Probed
    from wattleak.model import Clock, Measurement, PlannedRun, RunContext, ShortPlan, Variant
    from wattleak.recorder.launch import Recording
    from wattleak.recorder.portable_launch import PortableRecording

_LINGER_S = 5.0  # an orphan of one run must not work into the next: it gets this long, then it is killed
_TAIL_LINES = 5
_LOOK_S = 0.05  # how often a short plan looks whether its end has come
_FINE_S = 0.2  # between samples of a short plan: the edges of the steps lie between two of them
_DISK_IS_FULL = ("No space left on device", "Disk quota exceeded", "File too large", "There is not enough space")


@dataclass(frozen=True, slots=True)
class _End:
    """How a run ended, beside what its journal says."""

    timed_out: bool = False
    planned: bool = False  # the short plan ended it
    journal_failure: str | None = None


class LocalExecutor:
    """Runs variants as child processes. Their output goes to files in the run's folder."""

    def __init__(
        self,
        store: Path,
        probed: Probed,
        *,
        region: str | None = None,
        pue: float | None = None,
        interval_s: float | None = None,
        roots: Mapping[str, Path] | None = None,
        probes: bool = False,
    ) -> None:
        """`roots`: the folder in which a variant runs, by its name; where it is absent, the present one. `probes`: send
        the agent along into every run; without it no run has one, not even that of a program around wattleak.
        """
        self._store = store
        self._probed = probed
        self._region = region
        self._pue = pue
        self._interval_s = interval_s
        self._roots = roots or {}
        self._probes = probes
        self.clock: Clock = MonotonicClock()

    def run(self, variant: Variant, planned: PlannedRun, context: RunContext) -> tuple[Measurement, str | None]:
        """Run it and say, if it cannot count, why: it failed, was ended, or ran too long.

        Raises Interrupted when this process was asked to end meanwhile.
        """
        root = self._roots.get(variant.name)
        folder = new_run_folder(self._store if root is None else self._store.resolve(), context.run_id)
        work = folder / "work"
        work.mkdir()
        stdout = folder / "stdout.txt"
        with contextlib.chdir(root or "."):  # the program is looked for where it runs
            recording = launch(
                folder,
                variant.command,
                self._probed,
                run_id=context.run_id,
                name=variant.name,
                experiment=context.experiment,
                env={
                    **variant.env,
                    **({} if root is None else {"PWD": str(root)}),
                    "WATTLEAK_EXPERIMENT": context.experiment,
                    "WATTLEAK_SEED": str(planned.seed),
                    "WATTLEAK_RUN_DIR": str(work.resolve()),
                    **({"WATTLEAK_PADDING": "x" * planned.padding_b} if planned.padding_b else {}),
                    **self._agent(folder, variant),
                },
                streams=Streams(os.devnull, str(stdout), str(folder / "stderr.txt")),
                interval_s=self._interval(context.short),
                linger_s=_LINGER_S,
                kill_orphans=True,
                kill_when_lost=True,
            )
        with recording:
            end = self._wait(recording, context, StepWatch(folder))
        if recording.told is not None:  # else the next run would begin
            raise Interrupted(
                f"interrupted by {signal.Signals(recording.told).name} in run {context.run_id}, which does not count",
                f"what was finished is kept: wattleak compare --resume {context.experiment}",
            )
        printed = reported_on_stdout(stdout, context.quality_regex)
        measurement = read_measurement(folder, region=self._region, pue=self._pue, more=printed)
        if self._probes:
            from wattleak.observation.observe import observe  # noqa: PLC0415 - loads every smell

            measurement = replace(measurement, observed=observe(folder, measurement.command))
        return measurement, _failure(measurement, folder, end, context)

    def _agent(self, folder: Path, variant: Variant) -> Mapping[str, str]:
        if self._probes:
            return agent_environment(folder, {**os.environ, **variant.env})
        return agent_off(os.environ)

    def _interval(self, short: ShortPlan | None) -> float | None:
        if short is None or self._interval_s is not None:
            return self._interval_s
        return min(_FINE_S, choose_rate(self._probed.channels, None).interval_s)

    def _wait(self, recording: Recording | PortableRecording, context: RunContext, watch: StepWatch) -> _End:
        """Wait for the end of the run; bring it about when the short plan says so, or when it takes too long."""
        started_s = self.clock.now_s()
        short, timeout_s = context.short, context.timeout_s
        while True:
            passed_s = self.clock.now_s() - started_s
            if timeout_s is not None and passed_s >= timeout_s:
                recording.stop_workload(f"it ran longer than {timeout_s:g} s")
                return self._ended(recording, timed_out=True)
            if short is not None and _is_over(short, passed_s, watch):
                recording.stop_workload(PLANNED + short_end(short))
                return self._ended(recording, planned=True)
            left_s = None if timeout_s is None else timeout_s - passed_s
            if short is not None:
                left_s = min(_LOOK_S, _LOOK_S if left_s is None else left_s)
            ended = recording.wait(left_s)
            if ended is not None:
                return _End(journal_failure=ended.journal_failure)

    def _ended(
        self, recording: Recording | PortableRecording, *, timed_out: bool = False, planned: bool = False
    ) -> _End:
        ended = recording.wait()
        return _End(timed_out, planned, None if ended is None else ended.journal_failure)


def _is_over(short: ShortPlan, passed_s: float, watch: StepWatch) -> bool:
    if short.duration_s is not None and passed_s >= short.duration_s:
        return True
    return short.steps is not None and watch.steps() >= short.steps


def short_end(short: ShortPlan) -> str:
    """When a short plan ends a run: "after 200 steps", "after 120 s"."""
    return f"after {short.steps} steps" if short.steps is not None else f"after {short.duration_s:g} s"


def end_leftovers(experiment: str) -> list[int]:
    """Kill what earlier tries of an experiment left running when wattleak itself was killed; their pids.

    A leftover would work beside the runs that follow and spoil them. It is known by the environment that it was
    started with, so nothing else is ever touched.
    """
    if not Path("/proc/self/environ").exists():
        return _end_marked("WATTLEAK_EXPERIMENT", experiment)
    mark = f"WATTLEAK_EXPERIMENT={experiment}".encode()
    ended: list[int] = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
                ended.append(int(folder.name))
        except OSError:
            continue  # not ours to read, or gone
    return ended


def _end_marked(name: str, value: str) -> list[int]:
    """The same where there is no /proc."""
    import psutil  # noqa: PLC0415 - Linux does without

    from wattleak.recorder.psutil_tree import marked  # noqa: PLC0415 - as above

    ended: list[int] = []
    for process in marked(name, value):
        with contextlib.suppress(psutil.Error):  # gone, or not ours to end
            process.kill()
            ended.append(process.pid)
    return ended


def _failure(measurement: Measurement, folder: Path, end: _End, context: RunContext) -> str | None:
    """Why a run cannot count; None when it can."""
    if end.timed_out:
        return "time-out"
    if end.journal_failure is not None:  # what was measured is not all here, whatever the program says
        return f"its record could not be written to the end: {end.journal_failure}"
    if not measurement.complete:
        return measurement.incomplete_reason
    if measurement.exit_code != 0 and not end.planned:
        lines = _tail(folder / "stderr.txt")
        for line in lines:
            print(f"    {line}", file=sys.stderr)
        full = next((words for words in _DISK_IS_FULL if any(words in line for line in lines)), None)
        return f"exit code {measurement.exit_code}" + (f": {full}" if full else "")
    if context.short is not None and measurement.window is None:
        return _no_steps(measurement, context.short)
    return None


def _no_steps(measurement: Measurement, short: ShortPlan) -> str:
    marks = sum(step.count for step in measurement.steps)
    ended = f"before it ended {short_end(short)}" if measurement.planned_end else "before it ended by itself"
    remedy = "it takes two: a longer --for" if marks else "call wattleak.step() at the end of each step"
    return f"{'one step was' if marks else 'no step was'} marked {ended} ({remedy})"


def _tail(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
