"""Run one variant once on this machine: a fresh process, its own folder, through the recorder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from wattleak.meters.clock import MonotonicClock
from wattleak.recorder.launch import Streams, launch, new_run_folder
from wattleak.recorder.reported import reported_on_stdout
from wattleak.recorder.summary import read_measurement

if TYPE_CHECKING:
    from wattleak.meters.probe import Probed
    from wattleak.model import Clock, Measurement, PlannedRun, RunContext, Variant

_LINGER_S = 5.0  # an orphan of one run must not work into the next: it gets this long, then it is killed
_TAIL_LINES = 5


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
    ) -> None:
        self._store = store
        self._probed = probed
        self._region = region
        self._pue = pue
        self._interval_s = interval_s
        self.clock: Clock = MonotonicClock()

    def run(self, variant: Variant, planned: PlannedRun, context: RunContext) -> tuple[Measurement, str | None]:
        """Run it and say, if it cannot count, why: it failed, was ended, or ran too long."""
        folder = new_run_folder(self._store, context.run_id)
        work = folder / "work"
        work.mkdir()
        stdout = folder / "stdout.txt"
        recording = launch(
            folder,
            variant.command,
            self._probed,
            run_id=context.run_id,
            name=variant.name,
            experiment=context.experiment,
            env={
                **variant.env,
                "WATTLEAK_EXPERIMENT": context.experiment,
                "WATTLEAK_SEED": str(planned.seed),
                "WATTLEAK_RUN_DIR": str(work.resolve()),
                **({"WATTLEAK_PADDING": "x" * planned.padding_b} if planned.padding_b else {}),
            },
            streams=Streams(os.devnull, str(stdout), str(folder / "stderr.txt")),
            interval_s=self._interval_s,
            linger_s=_LINGER_S,
            kill_orphans=True,
            kill_when_lost=True,
        )
        timed_out = False
        with recording:
            ended = recording.wait(context.timeout_s)
            if ended is None:
                timed_out = True
                recording.stop_workload(f"it ran longer than {context.timeout_s:g} s")
                ended = recording.wait()
        printed = reported_on_stdout(stdout, context.quality_regex)
        measurement = read_measurement(folder, region=self._region, pue=self._pue, more=printed)
        return measurement, _failure(measurement, folder, timed_out=timed_out)


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


def _failure(measurement: Measurement, folder: Path, *, timed_out: bool) -> str | None:
    if timed_out:
        return "time-out"
    if not measurement.complete:
        return measurement.incomplete_reason
    if measurement.exit_code != 0:
        for line in _tail(folder / "stderr.txt"):
            print(f"    {line}", file=sys.stderr)
        return f"exit code {measurement.exit_code}"
    return None


def _tail(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:]
