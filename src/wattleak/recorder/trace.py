"""Reading a journal back: from lines on a disk to an immutable Trace, whatever state the crash left it in."""

from __future__ import annotations

import json
from binascii import crc32
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wattleak.documents import channel_from_document, unavailable_from_document
from wattleak.errors import OwnFailure
from wattleak.model import Counting, DeviceUse, Holders, Sample, Span, Trace, Unavailable
from wattleak.recorder.cpu_source import by_best_clock
from wattleak.recorder.gaps import find_gaps
from wattleak.recorder.hindsight import narrow
from wattleak.recorder.locks import is_locked
from wattleak.recorder.step_records import StepRecords

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wattleak.model import Channel

_NONE: Mapping[str, float] = {}  # shared by all samples that need no moments of their own


@dataclass(slots=True)
class Recording:
    """A journal as it was found: the trace, and the facts of the run around it."""

    path: Path | None  # None: a simulation has no journal
    start: dict[str, Any]
    trace: Trace
    unavailable: tuple[Unavailable, ...]
    running: bool  # the recorder is still writing
    started_s: float | None  # when the workload was started
    exited: dict[str, Any] | None
    lost: str | None
    end: dict[str, Any] | None
    damaged: int  # lines that failed their checksum
    notes: list[str] = field(default_factory=list)

    @property
    def last_s(self) -> float:
        samples = self.trace.samples
        return samples[-1].time_s if samples else float(self.start["t"])


def read_recording(path: Path) -> Recording:
    """Read a journal. Raises OwnFailure when it is missing, or so damaged that not even its start can be read."""
    lines = _Lines(path)
    start: dict[str, Any] | None = None
    samples: list[Sample] = []
    by_group: list[float | None] = []
    opened: dict[int, Span] = {}
    holders: dict[str, Holders] = {}
    use: dict[str, list[DeviceUse]] = {}
    gathered: dict[str, list[dict[str, Any]]] = {"missed": [], "count": []}
    steps = StepRecords()
    facts: dict[str, dict[str, Any]] = {}
    for record in lines:
        kind = record["k"]
        if kind == "s":
            samples.append(_sample(record))
            by_group.append(record.get("g"))
        elif kind == "open":
            opened[record["id"]] = Span(record["id"], record["n"], record["t"], None, record["p"])
        elif kind == "close":
            _close(opened, record)
        elif kind == "hold":
            before = holders.get(record["ch"], Holders(0, 0))
            holders[record["ch"]] = Holders(max(before.ours, record["ours"]), max(before.others, record["others"]))
        elif kind == "use":
            seen = DeviceUse(record["t"], record["busy"], record["ours"], record["others"])
            use.setdefault(record["ch"], []).append(seen)
        elif kind == "steps":
            steps.add(record)
        elif kind == "dropped":
            steps.add_dropped(record)
        elif kind in gathered:
            gathered[kind].append(record)
        elif kind == "start":
            start = start or record
        else:
            facts[kind] = record
    if start is None:
        raise OwnFailure(
            f"{path} is not a journal: its first record cannot be read", f"remove the folder {path.parent}"
        )
    steps.add_rings(path.parent)
    samples, clock_note = by_best_clock(samples, by_group, facts.get("group"))
    channels = tuple(channel_from_document(item) for item in start["channels"])
    trace = Trace(
        channels=channels,
        samples=tuple(narrow(samples)),
        spans=tuple(opened.values()),
        gaps=find_gaps(channels, samples, start["settings"], gathered["missed"]),
        holders=holders,
        cpus=int(start["cpus"]),
        use={channel: tuple(readings) for channel, readings in use.items()},
        counting=_counting(channels, gathered["count"]),
        steps=steps.runs(),
    )
    spawn = facts.get("spawn")
    return Recording(
        path=path,
        start=start,
        trace=trace,
        unavailable=tuple(unavailable_from_document(item) for item in start["unavailable"]),
        running=lines.running and "end" not in facts,
        started_s=None if spawn is None else spawn["t"],
        exited=facts.get("exit"),
        lost=facts["lost"]["what"] if "lost" in facts else None,
        end=facts.get("end"),
        damaged=lines.damaged,
        notes=[
            *([f"{steps.dropped} step marks found no room and are not counted"] if steps.dropped else []),
            *([clock_note] if clock_note else []),
        ],
    )


def _counting(channels: tuple[Channel, ...], records: list[dict[str, Any]]) -> dict[str, tuple[Counting, ...]]:
    by_meter: dict[str, list[Counting]] = {}
    for record in records:
        by_meter.setdefault(record["m"], []).append(Counting(record["t"], record["by"]))
    return {item.name: tuple(by_meter[item.meter]) for item in channels if item.meter in by_meter}


def _close(opened: dict[int, Span], record: dict[str, Any]) -> None:
    """End a span once: a recorder that was killed may not have said that it wrote the end, and then it comes twice."""
    span = opened.get(record["id"])
    if span is not None and span.end_s is None:
        opened[span.id] = replace(span, end_s=record["t"])


class _Lines:
    """The intact records of a journal, one at a time: a week of them need not fit into memory as text."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0
        self.running = False  # a recorder holds the file

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            with self._path.open("rb") as file:
                self.running = is_locked(file.fileno())
                for line in file:
                    record = self._record(line.rstrip(b"\n"))
                    if record is not None:
                        yield record
        except OSError as error:
            raise OwnFailure(
                f"cannot read {self._path}: {error.strerror}", "check that the store was not moved or removed"
            ) from error

    def _record(self, line: bytes) -> dict[str, Any] | None:
        if not line:
            return None
        checksum, _, body = line.partition(b" ")
        if checksum != b"%08x" % crc32(body):
            self.damaged += 1
            return None
        record: dict[str, Any] = json.loads(body)
        return record


def _sample(record: dict[str, Any]) -> Sample:
    return Sample(
        time_s=record["t"],
        raw=record["r"],
        cpu_s=record["c"],
        machine_busy_s=record.get("b"),
        memory_b=record["m"],
        read_b=record.get("i"),
        written_b=record.get("o"),
        processes=record["p"],
        unseen_s=record.get("u", 0.0),
        read_s=record.get("rt", _NONE),
        asleep_s=record.get("z", 0.0),
    )
