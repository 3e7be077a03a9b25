"""Several recorders on one node: the machine's energy is counted once, and its meters are read by one for all.

For each meter there is a board, a small file in the user's runtime folder (`launch.runtime_folder`), named after the
boot of the machine and what the meter reads. Whoever holds its lock leads: it reads the meter, writes every reading on
the board, and counts the energy for the machine. The others follow: they take readings from the board while these are
fresh, and say in their journals whose run counts. The kernel drops the lock of a process however it dies, and every
recorder asks for it at every sample; who gets it counts on from the last reading on the board, so nothing is counted
twice and nothing is lost between two leaders.

A follower still reads the meter itself at the edges of its run and of its spans: reading is harmless, and the edges
must be exact. `docs/decisions/0004-one-count-per-node.md` says why it is so, and not a daemon.

Light on purpose: the recorder imports this before the workload may start.

A board holds one block of text, `CRC-32 LENGTH RUN TIME CHANNEL=READING ...`, written in one call. A block that is read
while it is written fails its checksum and counts as stale. Times are seconds of CLOCK_MONOTONIC, the same clock in
every process of a node.
"""

from __future__ import annotations

import os
import time
from binascii import crc32

from wattleak.recorder.locks import try_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattleak.model import Meter

_BOARD_B = 65536  # the longest block; a channel takes about thirty bytes
_HEAD_B = 18
_AT_ONCE_S = 0.0005  # a reading so soon after the moment of its sample needs no moment of its own
_PROMPT_S = 0.001
_ATTEMPTS = 3


class NodeMeter:
    """One meter of this node, as one of several recorders reads it."""

    def __init__(self, meter: Meter, board: str | None, run: str) -> None:
        """`board` is None for a meter that plays a script: its machine is this run's own."""
        self._meter = meter
        self._run = run
        # A counter that starts when it is opened gives each process a reading of its own: those cannot be shared.
        self._common = bool(getattr(meter, "common", False))
        self._fd = -1
        if board is not None:
            self._fd = os.open(board, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._leads = self._fd < 0
        self._follows: str | None = None
        self._read_s = float("-inf")
        self._needs_s = float("inf")  # how long a reading took at the least
        self._first_s: float | None = None

    def elect(self, now_s: float) -> dict[str, object] | None:
        """Try to lead. Gives the record for the journal when somebody else counts from now on, or this run does."""
        first = self._first_s is None
        if self._first_s is None:
            self._first_s = now_s
        if self._leads:
            return None
        before = self._board()
        if try_lock(self._fd):
            self._leads = True
            since_s = now_s if before is None else max(self._first_s, before[1])
            self._write(since_s, {} if before is None else before[2])
            return None if first else self._record(since_s, None)
        leader = "" if before is None else before[0]  # "": it holds the lock and has written nothing yet
        if leader == self._follows:
            return None
        self._follows = leader
        return self._record(now_s, leader)

    def read(self, now_s: float, *, exact: bool, within_s: float) -> tuple[float, dict[str, float]]:
        """The newest reading and its moment: from the board while it is at most `within_s` old, else from the meter.

        With `exact` always from the meter. What a leader reads goes on the board.
        """
        if not (self._leads or exact) and self._common:
            seen = self._board()
            if seen is not None and seen[2] and now_s - within_s <= seen[1] <= now_s and seen[1] > self._read_s:
                self._read_s = seen[1]
                return seen[1], seen[2]
        later_s, raw = self._ask()
        moment_s = now_s if later_s < _AT_ONCE_S else now_s + later_s
        self._read_s = moment_s
        if self._leads and self._fd >= 0:
            self._write(moment_s, raw if self._common else {})
        return moment_s, raw

    def _ask(self) -> tuple[float, dict[str, float]]:
        """Readings of the meter, and how long after this call they were asked for.

        Who is set aside by a busy system while reading does not know whether the reading is from before or after: a
        reading that took far longer than this meter has ever needed is taken again, and the promptest one counts.
        """
        called_s = time.monotonic()
        best: tuple[float, float, dict[str, float]] | None = None
        for _ in range(_ATTEMPTS):
            asked_s = time.monotonic()
            raw = self._meter.read()
            took_s = time.monotonic() - asked_s
            if best is None or took_s < best[0]:
                best = took_s, asked_s, raw
            if took_s < max(_PROMPT_S, 3 * self._needs_s):
                break
        assert best is not None
        self._needs_s = min(self._needs_s, best[0])
        return best[1] - called_s, best[2]

    def release(self) -> None:
        """After the last reading: let another recorder lead, the next one of this program for instance."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._leads = False

    def _record(self, time_s: float, run: str | None) -> dict[str, object]:
        return {"k": "count", "t": time_s, "m": self._meter.name, "by": run}

    def _write(self, time_s: float, raw: dict[str, float]) -> None:
        words = [self._run, repr(time_s), *(f"{name}={value!r}" for name, value in raw.items())]
        body = " ".join(words).encode()
        try:
            os.pwrite(self._fd, b"%08x %08x %b" % (crc32(body), len(body), body), 0)
        except OSError:
            return  # a full disk: the others find the board stale and read for themselves

    def _board(self) -> tuple[str, float, dict[str, float]] | None:
        """Run, moment and readings of the newest block; None when there is none, or it is just being written."""
        data = os.pread(self._fd, _BOARD_B, 0)
        try:
            body = data[_HEAD_B : _HEAD_B + int(data[9:17], 16)]
            if int(data[:8], 16) != crc32(body):
                return None
            run, time_s, *readings = body.decode().split(" ")
            raw = {name: float(value) for name, _, value in (word.rpartition("=") for word in readings)}
            return run, float(time_s), raw
        except ValueError:
            return None


def board_path(folder: str, reference: str, spec: dict[str, object], boot: str) -> str:
    """The board of a meter: same boot, same class, same counters, whichever folder its library lies in."""
    read = {name: value for name, value in spec.items() if name != "folder"}
    identity = repr((boot, reference, sorted(read.items(), key=lambda item: item[0])))
    kind = "".join(letter for letter in reference if letter.isalnum())
    name = f"node-{kind}-{crc32(identity.encode()):08x}"  # no hashlib: 3 ms of the first block of a program
    return os.path.join(folder, name)  # noqa: PTH118 - pathlib is not for the recorder


def share(meters: list[Meter], config: dict[str, Any]) -> list[NodeMeter]:
    """The meters of a recorder, each with its board."""
    boards: list[str | None] = config["boards"]
    run = str(config["start"]["run"])
    return [NodeMeter(meter, board, run) for meter, board in zip(meters, boards, strict=True)]
