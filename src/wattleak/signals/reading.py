"""Reading what was noted: one file of JSON lines for each process, in whatever state its end left it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from wattleak.signals.seen import Fact, Process, Signals

if TYPE_CHECKING:
    from pathlib import Path

SIGNALS = "signals"  # folder in that of a run
_MOST_B = 64 << 20  # of one file; the agent stops far earlier
_BIRTHS = ("boot", "fork")  # kinds that say whose file it is


def read_signals(folder: Path) -> Signals:
    """Everything that was noted in `folder`; nothing where there is no such folder. Half lines and junk are skipped."""
    processes: list[Process] = []
    facts: list[Fact] = []
    for path in sorted(folder.glob("*.jsonl")):
        records = _records(path)
        process = _process(path.stem, records)
        processes.append(process)
        facts += _facts(process, records)
    return Signals(tuple(processes), tuple(facts))


def _records(path: Path) -> list[dict[str, Any]]:
    try:
        with path.open("rb") as file:
            lines = file.read(_MOST_B).split(b"\n")
    except OSError:
        return []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("k"), str):
            records.append(record)
    return records


def _process(name: str, records: list[dict[str, Any]]) -> Process:
    born = next((record for record in records if record["k"] in _BIRTHS), {})
    python, born_s = born.get("python"), born.get("t")
    return Process(
        name,
        _whole(born.get("pid")),
        _whole(born.get("parent")),
        python if isinstance(python, str) else None,
        _whole(born.get("starter")),
        _whole(born.get("rank")),
        _whole(born.get("world")),
        float(born_s) if isinstance(born_s, int | float) else None,
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _facts(process: Process, records: list[dict[str, Any]]) -> list[Fact]:
    last: dict[tuple[str, str], int] = {}
    for place, record in enumerate(records):
        if record.get("key") is not None:
            last[(record["k"], str(record["key"]))] = place
    return [
        _fact(process, record)
        for place, record in enumerate(records)
        if record.get("key") is None or last[(record["k"], str(record["key"]))] == place
    ]


def _fact(process: Process, record: dict[str, Any]) -> Fact:
    time_s, key = record.get("t"), record.get("key")
    return Fact(
        kind=record["k"],
        process=process,
        time_s=float(time_s) if isinstance(time_s, int | float) else None,
        key=None if key is None else str(key),
        values={name: value for name, value in record.items() if name not in ("k", "t", "key")},
    )
