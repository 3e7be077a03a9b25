"""Step marks read back: from records of the journal and rings that nobody emptied to the step runs of a Trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wattleak.model import StepRun
from wattleak.recorder import ring

if TYPE_CHECKING:
    from pathlib import Path

_MOST_RUNS = 2048  # of one thread; a week of them is joined down to this, so that memory stays bounded
_NS = 1e-9


class StepRecords:
    """Gathers the runs of steps of one recording. Each mark counts once, wherever it was found."""

    def __init__(self) -> None:
        self._runs: dict[tuple[str, int], list[StepRun]] = {}
        self._read: dict[str, int] = {}  # ring -> the first mark that the journal does not have
        self._last_ns: dict[str, dict[int, int]] = {}
        self._dropped: dict[str, int] = {}

    def add(self, record: dict[str, Any]) -> None:
        """One record of kind `steps`. A record that overlaps what is there already is passed over."""
        writer = record["w"]
        if record["from"] < self._read.get(writer, 0):
            return
        self._read[writer] = record["to"]
        for run in record["runs"]:
            self._last_ns.setdefault(writer, {})[run[0]] = run[5]
            self._keep(writer, run)

    def add_dropped(self, record: dict[str, Any]) -> None:
        self._dropped[record["w"]] = record["count"]

    def add_rings(self, folder: Path) -> None:
        """What was marked and did not reach the journal: its recorder was killed, or still works."""
        for path in ring.rings_in(str(folder)):
            try:
                reader = ring.RingReader(path)
            except (OSError, ValueError):
                continue  # being made, just removed, or damaged beyond use
            try:
                reader.at = max(reader.at, self._read.get(reader.stem, 0))
                reader.last_ns = dict(self._last_ns.get(reader.stem, {}))
                while (chunk := reader.read(everything=True)) is not None:
                    for run in chunk[2]:
                        self._keep(reader.stem, run)
                self._dropped[reader.stem] = max(self._dropped.get(reader.stem, 0), reader.dropped())
            finally:
                reader.close()

    @property
    def dropped(self) -> int:
        """Marks that found their ring full."""
        return sum(self._dropped.values())

    def runs(self) -> tuple[StepRun, ...]:
        """All runs in the order of their starts."""
        return tuple(sorted((run for runs in self._runs.values() for run in runs), key=lambda run: run.start_s))

    def _keep(self, writer: str, run: list[Any]) -> None:
        thread, name, count, timed, start_ns, end_ns, inside_ns, samples, durations = run
        runs = self._runs.setdefault((writer, thread), [])
        runs.append(
            StepRun(
                name=name,
                writer=f"{writer.rpartition('-')[2]}/{thread}",
                start_s=start_ns * _NS,
                end_s=end_ns * _NS,
                inside_s=inside_ns * _NS,
                count=count,
                timed=timed,
                samples=samples,
                durations_s=tuple(duration * _NS for duration in durations),
            )
        )
        if len(runs) > _MOST_RUNS:
            self._runs[writer, thread] = _join(runs)


def _join(runs: list[StepRun]) -> list[StepRun]:
    """Neighbours of one name that touch become one run; the durations that are kept stand for both."""
    joined: list[StepRun] = []
    for run in runs:
        before = joined[-1] if joined else None
        if before is None or before.name != run.name or before.end_s != run.start_s or before.timed > 2 * run.timed:
            joined.append(run)
            continue
        joined[-1] = StepRun(
            name=run.name,
            writer=run.writer,
            start_s=before.start_s,
            end_s=run.end_s,
            inside_s=before.inside_s + run.inside_s,
            count=before.count + run.count,
            timed=before.timed + run.timed,
            samples=before.samples + run.samples,
            durations_s=_merge(before, run),
        )
    return joined


def _merge(first: StepRun, second: StepRun) -> tuple[float, ...]:
    """Durations at even ranks of both runs together, each kept duration weighing what it stands for."""
    weighed = sorted(
        (duration, run.timed / len(run.durations_s)) for run in (first, second) for duration in run.durations_s
    )
    if len(weighed) <= ring.MOST_DURATIONS and len(weighed) == first.timed + second.timed:
        return tuple(duration for duration, _ in weighed)
    total = sum(weight for _, weight in weighed)
    ranks = [(place + 0.5) / ring.MOST_DURATIONS * total for place in range(ring.MOST_DURATIONS)]
    kept: list[float] = []
    passed = 0.0
    for duration, weight in weighed:
        passed += weight
        while len(kept) < len(ranks) and ranks[len(kept)] <= passed:
            kept.append(duration)
    return tuple(kept)
