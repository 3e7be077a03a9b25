"""The journal of a recording: one line a record, written as it happens by a process that outlives the workload.

Light on purpose: the recorder imports this before the workload may start.

Format, version 1. Each line is the CRC-32 of the rest in eight hexadecimal digits, a space, a JSON object, a line
feed. A line that was torn by a crash fails its checksum; the reader cuts the journal there and says so. Times are
seconds of CLOCK_MONOTONIC. `k` is the kind of the record:

    start  v, run, t, unix_s, mode (spawn | attach), name, command (redacted), channels, unavailable, cpus,
           allocation [sentences], settings
    spawn  t, pid                 the workload was started; its time counts from here
    s      t, r {channel: raw}, rt {channel: moment of its reading, if not t}, c CPU-seconds of the tree, b busy
           CPU-seconds of the machine, m resident bytes, i and o bytes from and to storage, p living processes,
           z seconds that the machine has slept so far
    count  t, m meter, by run     from t on another run of this node counts the machine's energy on the channels of this
           meter (null: this run does, as it does where there is no such record)
    group  path, why_not          the control group that holds the tree alone (its clock is `g` of each s, CPU-seconds),
           or why its clock does not count after all
    open   t, id, n name, p id of the span around it or null
    close  t, id
    hold   t, ch channel, ours, others      processes that hold a device, written when it changes
    use    t, ch channel, busy, ours, others    fractions of the last stretch in which a device worked: for anybody, for
           processes of the tree, for other processes; null where it does not say
    steps  w ring, from, to [marks of that ring], runs [[thread, name, marks, marks with a known duration, start ns,
           end ns, ns inside, samples, [durations ns: all, or 64 that stand for even ranks]], ...]   see recorder.ring
    dropped  w ring, count                  marks that found their ring full
    missed t, from, to, records, why        the journal could not be written in this stretch: so many readings are lost
    exit   t, code, signal                  the workload itself ended; oom {cgroup, machine}: processes that the kernel
           killed for lack of memory since its start
    asked  t, times                         the recorder got SIGTERM: once it makes all safe, twice it ends
    lost   t, what                          wattleak's own command line died; the recorder goes on
    end    t, user_s, system_s, peak_b, left [pids still running], lost

Keys are added, never renamed, within a version. Nothing after `end` belongs to the run.
"""

from __future__ import annotations

import errno
import os
import time
from _json import encode_basestring_ascii  # `json` itself would triple the start-up time of the recorder
from binascii import crc32

from wattleak.recorder.locks import try_lock

VERSION = 1
JOURNAL, METRICS = "journal.jsonl", "metrics.jsonl"  # files of a run: what was recorded, what the program reported
# What not every platform has, or needs: Windows never hands files on, but rewrites line ends unless told not to.
_CLOSED_IN_CHILDREN = getattr(os, "O_CLOEXEC", 0)
_AS_IT_IS = getattr(os, "O_BINARY", 0)
_push_to_disk = getattr(os, "fdatasync", os.fsync)
_READINGS = ("s", "use", "steps")  # steps wait in their ring
_MOST_FACTS = 1000
_RESERVE_B = 16384
_SYNC_EVERY_S = 10.0  # a sync costs as much as a sample, and SIGKILL loses nothing that was written


def encode(value: object) -> str:
    """JSON of plain data. Floats keep every digit, so that reading back gives the same number."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, (int, float)):
        if value - value != 0:  # infinite, or not a number
            raise ValueError("a reading that is not a number is absent, never written")
        return repr(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring_ascii(key)}:{encode(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encode, value)) + "]"
    raise TypeError(f"{type(value).__name__} is not plain data")


def append_fact(path: str, record: dict[str, object]) -> bool:
    """Add a record to a journal whose recorder is gone, behind whatever torn line it may have left; False: no room."""
    body = encode(record).encode()
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | _CLOSED_IN_CHILDREN | _AS_IT_IS)
    except OSError:
        return False
    try:
        return os.write(fd, b"\n%08x %b\n" % (crc32(body), body)) > len(body)
    except OSError:
        return False
    finally:
        os.close(fd)


class JournalWriter:
    """Appends records. A full disk stops the writing, never the workload: `failure` then says what happened."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | _CLOSED_IN_CHILDREN | _AS_IT_IS, 0o600)
        tries = 0
        while not try_lock(self._fd):  # held while the recorder lives: "still running"
            tries += 1
            if tries < 20:  # a reader that looks whether we run holds it for a moment
                time.sleep(0.005)
                continue
            os.close(self._fd)
            raise BlockingIOError(errno.EAGAIN, "another recorder writes this journal", path)
        self._size = os.fstat(self._fd).st_size
        self._synced_s = time.monotonic()
        self._facts: list[dict[str, object]] = []  # what happened while nothing could be written; readings are lost
        self._missed = 0
        self._missed_from_s = self._missed_to_s = 0.0
        self._reserve = f"{path}.reserve"
        self._reserved = False
        self.failure: str | None = None

    def write(self, record: dict[str, object]) -> bool:
        """Append a record; False when it cannot be written now. Facts are then kept for later, readings are not."""
        if self.failure is not None and not self._catch_up():
            self._miss(record)
            return False
        if self._append(record):
            return True
        self._missed_from_s = time.monotonic()
        self._miss(record)
        return False

    def _append(self, record: dict[str, object]) -> bool:
        body = encode(record).encode()
        line = b"%08x %b\n" % (crc32(body), body)
        try:
            if os.write(self._fd, line) < len(line):
                os.ftruncate(self._fd, self._size)  # half a line is worse than none
                self.failure = "no space left for a whole record"
                return False
        except OSError as error:
            self.failure = os.strerror(error.errno or 0)
            return False
        self._size += len(line)
        return True

    def _miss(self, record: dict[str, object]) -> None:
        self._missed_to_s = time.monotonic()
        if record["k"] in _READINGS:
            self._missed += record["k"] == "s"
        elif len(self._facts) < _MOST_FACTS:
            self._facts.append(record)

    def _catch_up(self) -> bool:
        """Say what is missing and write the facts of that time, if there is room again."""
        before, self.failure = self.failure, None
        missed = {
            "k": "missed",
            "t": time.monotonic(),
            "from": self._missed_from_s,
            "to": self._missed_to_s,
            "records": self._missed,
            "why": before,
        }
        if self._missed_from_s and not self._append(missed):
            return False
        self._missed, self._missed_from_s = 0, 0.0
        while self._facts:
            if not self._append(self._facts[0]):
                self._missed_from_s = time.monotonic()
                return False
            self._facts.pop(0)
        return True

    def _take_reserve(self) -> None:
        """Room for the last words, given back when they are spoken."""
        try:
            fd = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | _CLOSED_IN_CHILDREN, 0o600)
        except OSError:
            return
        try:
            os.write(fd, bytes(_RESERVE_B))
        except OSError:
            pass  # the disk is full already: the first record says so
        finally:
            os.close(fd)

    def free_reserve(self) -> None:
        """Before the last records: on a full disk they get the room that was kept for them."""
        try:
            os.unlink(self._reserve)  # noqa: PTH108 - pathlib costs the recorder 6 ms
        except OSError:
            return  # there never was one

    def sync(self, *, force: bool = False) -> None:
        """Push what was written to the disk, every few seconds: a power cut loses no more than that."""
        if not self._reserved:
            self._reserved = True
            self._take_reserve()
        now_s = time.monotonic()
        if force or now_s - self._synced_s >= _SYNC_EVERY_S:
            self._synced_s = now_s
            try:
                _push_to_disk(self._fd)
            except OSError as error:
                self.failure = os.strerror(error.errno or 0)

    def close(self) -> None:
        self.free_reserve()
        if self.failure is not None:
            self._catch_up()
        self.sync(force=True)
        os.close(self._fd)
