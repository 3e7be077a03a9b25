"""Reading a journal back: from lines on a disk to an immutable Trace, whatever state the crash left it in."""

from __future__ import annotations

import json
from binascii import crc32
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from wattleak.documents import channel_from_document, unavailable_from_document
from wattleak.errors import OwnFailure
from wattleak.model import DeviceUse, Gap, Holders, Sample, Span, Trace, Unavailable
from wattleak.recorder.locks import is_locked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_GAP_FACTOR = 3.0  # a silence this many sampling intervals long is a gap
_SHORTEST_GAP_S = 3.0


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
    records, damaged, running = _records(path)
    start = next((record for record in records if record["k"] == "start"), None)
    if start is None:
        raise OwnFailure(
            f"{path} is not a journal: its first record cannot be read", f"remove the folder {path.parent}"
        )
    samples: list[Sample] = []
    opened: dict[int, Span] = {}
    holders: dict[str, Holders] = {}
    use: dict[str, list[DeviceUse]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for record in records:
        kind = record["k"]
        if kind == "s":
            samples.append(_sample(record))
        elif kind == "open":
            opened[record["id"]] = Span(record["id"], record["n"], record["t"], None, record["p"])
        elif kind == "close" and record["id"] in opened:
            span = opened[record["id"]]
            opened[record["id"]] = Span(span.id, span.name, span.start_s, record["t"], span.parent)
        elif kind == "hold":
            before = holders.get(record["ch"], Holders(0, 0))
            holders[record["ch"]] = Holders(max(before.ours, record["ours"]), max(before.others, record["others"]))
        elif kind == "use":
            seen = DeviceUse(record["t"], record["busy"], record["ours"], record["others"])
            use.setdefault(record["ch"], []).append(seen)
        else:
            facts[kind] = record
    trace = Trace(
        channels=tuple(channel_from_document(item) for item in start["channels"]),
        samples=tuple(samples),
        spans=tuple(opened.values()),
        gaps=tuple(_gaps(samples, float(start["settings"]["interval_s"]))),
        holders=holders,
        cpus=int(start["cpus"]),
        use={channel: tuple(readings) for channel, readings in use.items()},
    )
    spawn = facts.get("spawn")
    return Recording(
        path=path,
        start=start,
        trace=trace,
        unavailable=tuple(unavailable_from_document(item) for item in start["unavailable"]),
        running=running and "end" not in facts,
        started_s=None if spawn is None else spawn["t"],
        exited=facts.get("exit"),
        lost=facts["lost"]["what"] if "lost" in facts else None,
        end=facts.get("end"),
        damaged=damaged,
    )


def _records(path: Path) -> tuple[list[dict[str, Any]], int, bool]:
    """All intact records, the number of damaged lines, and whether a recorder holds the file."""
    try:
        with path.open("rb") as file:
            running = is_locked(file.fileno())
            data = file.read()
    except OSError as error:
        raise OwnFailure(
            f"cannot read {path}: {error.strerror}", "check that the store was not moved or removed"
        ) from error
    records: list[dict[str, Any]] = []
    damaged = 0
    for line in data.split(b"\n"):
        if not line:
            continue
        checksum, _, body = line.partition(b" ")
        if checksum == b"%08x" % crc32(body):
            records.append(json.loads(body))
        else:
            damaged += 1
    return records, damaged, running


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
    )


def _gaps(samples: list[Sample], interval_s: float) -> Iterator[Gap]:
    limit_s = max(_SHORTEST_GAP_S, _GAP_FACTOR * interval_s)
    for before, after in pairwise(samples):
        if after.time_s - before.time_s > limit_s:
            yield Gap(before.time_s - samples[0].time_s, after.time_s - samples[0].time_s)
