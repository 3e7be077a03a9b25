"""The ring of step marks: a file that a program writes through shared memory and the recorder reads.

Both sides import this, so it imports next to nothing. One ring belongs to one process; its threads take turns. The
file lies in the run's folder, so what was marked outlives the program, the recorder, or both.

Format, version 1, in 64-bit words of the machine's own byte order:

    word 0   WORD_MAGIC
    word 1   slots
    word 2   head: marks written since the start; mark number n lies in slot n modulo slots
    word 3   tail: marks that the reader has put into the journal; the writer never overwrites what was not
    word 4   marks that found no room
    words 512, 513; 514, 515; ...   one slot each: nanoseconds of CLOCK_MONOTONIC; samples << 32 | stream

A stream is a thread that uses a name. `STEM.names` says which: one line a stream, `number thread name`.
"""

from __future__ import annotations

import os
from _operator import sub

FOLDER = "marks"
SUFFIX = ".marks"
NAMES = ".names"
WORD_MAGIC = 0x314B52414D4B4157  # "WAKMARK1"
SLOTS = 1 << 16  # 6.5 s at 10,000 marks a second, 1 MiB
HEAD, TAIL, DROPPED, FIRST = 2, 3, 4, 512
WORD_B = 8
SIZE_B = (FIRST + 2 * SLOTS) * WORD_B
MOST_STREAMS = 1 << 16
MOST_SAMPLES = (1 << 32) - 1

CHUNK = 1 << 14  # marks understood at once: bounds the memory of the reader
MOST_RUNS = 16  # in one chunk; names that alternate more often than that are told apart by count and time only
MOST_DURATIONS = 64
_POSSIBLE = range(SLOTS + 1)  # marks that can wait in a ring
_LITTLE = memoryview(b"\1\0\0\0\0\0\0\0").cast("Q")[0] == 1

Run = list[object]
"""[thread, name, marks, marks with a known duration, start ns, end ns, seconds inside ns, samples, [durations ns]]"""


class RingReader:
    """Reads one ring from where somebody stopped, mark by mark, once."""

    def __init__(self, path: str) -> None:
        """Raises OSError when the file cannot be opened, ValueError when it is no ring of this version."""
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:  # somebody else's store is there to be read too
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._path = path
        self._names: dict[int, tuple[int, str]] = {}
        self._names_read_b = 0
        self.stem = path.rpartition("/")[2].removesuffix(SUFFIX)
        self.at = 0  # the next mark to read
        self.last_ns: dict[int, int] = {}  # thread -> its last mark
        self._safe = 0
        head = self._words(0, FIRST)
        if len(head) < FIRST or head[0] != WORD_MAGIC or head[1] != SLOTS or head[HEAD] - head[TAIL] not in _POSSIBLE:
            os.close(self._fd)
            raise ValueError(f"{path} is no ring of step marks")
        self.at = head[TAIL]

    def waiting(self) -> int:
        """Marks that were written and not read."""
        return self._words(HEAD, 1)[0] - self.at

    def dropped(self) -> int:
        return self._words(DROPPED, 1)[0]

    def settle(self) -> None:
        """Remember how far the writer is. What it wrote before now is whole when `read` comes next.

        A processor may show the head of a ring to others before the marks behind it; a moment later it cannot.
        """
        self._safe = self._words(HEAD, 1)[0]

    def read(self, *, everything: bool = False) -> tuple[int, int, list[Run]] | None:
        """The next chunk: number of its first mark, of the one after its last, and what was marked; None: no more.

        Reads up to the last `settle`, or to the end with `everything` (the writer is dead, or nobody else will read).
        """
        end = self._words(HEAD, 1)[0] if everything else self._safe
        count = min(end - self.at, CHUNK, SLOTS - self.at % SLOTS)
        if count <= 0:
            return None
        words = self._words(FIRST + 2 * (self.at % SLOTS), 2 * count)
        if len(words) < 2 * count:
            return None  # a file that somebody cut
        runs = self._understand(words[0::2], words[1::2])
        begin, self.at = self.at, self.at + count
        return begin, self.at, runs

    def release(self) -> None:
        """Let the writer use the room of what was read. Called when it is safe elsewhere."""
        os.pwrite(self._fd, self.at.to_bytes(WORD_B, "little" if _LITTLE else "big"), TAIL * WORD_B)

    def abandoned(self) -> bool:
        """Whether no living process can write any more: each holds a lock that dies with it."""
        import fcntl  # noqa: PLC0415 - the recorder has it, and most runs mark nothing

        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        return True

    def close(self, *, remove: bool = False) -> None:
        os.close(self._fd)
        if remove:
            for path in (self._path, self._path.removesuffix(SUFFIX) + NAMES):
                try:
                    os.unlink(path)  # noqa: PTH108 - pathlib costs the recorder 6 ms
                except OSError:
                    continue

    def _words(self, first: int, count: int) -> list[int]:
        data = os.pread(self._fd, count * WORD_B, first * WORD_B)
        return memoryview(data[: len(data) // WORD_B * WORD_B]).cast("Q").tolist()

    def _understand(self, times: list[int], tags: list[int]) -> list[Run]:
        """Marks that follow each other in one thread under one name become one run."""
        runs: list[Run] = []
        first_tag = tags[0]
        if tags.count(first_tag) == len(tags):  # one thread, one name: the common case, at the speed of C
            self._extend(runs, first_tag, times, len(times) * (first_tag >> 32))
            return runs
        pending: dict[int, tuple[int, list[int], int]] = {}  # thread -> stream, times, samples
        for time_ns, tag in zip(times, tags, strict=True):
            stream = tag & 0xFFFFFFFF
            thread = self._name(stream)[0]
            before = pending.get(thread)
            if before is not None and before[0] != stream:
                self._extend(runs, before[0], before[1], before[2])
                before = None
            if before is None:
                pending[thread] = (stream, [time_ns], tag >> 32)
            else:
                before[1].append(time_ns)
                pending[thread] = (stream, before[1], before[2] + (tag >> 32))
        for stream, its_times, samples in pending.values():
            self._extend(runs, stream, its_times, samples)
        return runs if len(runs) <= MOST_RUNS else _by_name(runs)

    def _extend(self, runs: list[Run], tag: int, times: list[int], samples: int) -> None:
        thread, name = self._name(tag & 0xFFFFFFFF)
        before_ns = self.last_ns.get(thread)
        points = times if before_ns is None else [before_ns, *times]
        durations = list(map(sub, points[1:], points))
        self.last_ns[thread] = times[-1]
        inside_ns = points[-1] - points[0]
        kept = thin(durations)
        runs.append([thread, name, len(times), len(durations), points[0], points[-1], inside_ns, samples, kept])

    def _name(self, stream: int) -> tuple[int, str]:
        found = self._names.get(stream)
        if found is None:
            self._read_names()
            found = self._names.setdefault(stream, (-stream, "step"))
        return found

    def _read_names(self) -> None:
        try:
            fd = os.open(self._path.removesuffix(SUFFIX) + NAMES, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            data = os.pread(fd, 1 << 22, self._names_read_b)
        finally:
            os.close(fd)
        whole = data[: data.rfind(b"\n") + 1]
        self._names_read_b += len(whole)
        for line in whole.split(b"\n")[:-1]:
            number, thread, name = line.split(b" ", 2)
            self._names[int(number)] = (int(thread), name.decode("utf-8", "replace"))


def thin(durations: list[int]) -> list[int]:
    """Durations in rising order: all of them, or so many that stand for ranks that lie evenly."""
    ordered = sorted(durations)
    count = len(ordered)
    if count <= MOST_DURATIONS:
        return ordered
    return [ordered[(2 * place + 1) * count // (2 * MOST_DURATIONS)] for place in range(MOST_DURATIONS)]


def _by_name(runs: list[Run]) -> list[Run]:
    """Runs of one thread and name joined into one, whose time inside is less than from its start to its end."""
    joined: dict[tuple[object, object], Run] = {}
    for run in runs:
        thread, name, count, timed, _start, end, inside, samples, durations = run
        before = joined.setdefault((thread, name), [thread, name, 0, 0, run[4], 0, 0, 0, []])
        before[2] += count  # type: ignore[operator]
        before[3] += timed  # type: ignore[operator]
        before[5] = end
        before[6] += inside  # type: ignore[operator]
        before[7] += samples  # type: ignore[operator]
        before[8] += durations  # type: ignore[operator]
    for run in joined.values():
        run[8] = thin(run[8])  # type: ignore[arg-type]
    return list(joined.values())


def rings_in(folder: str) -> list[str]:
    """Paths of the rings of a run folder, in the order in which they were made."""
    try:
        names = os.listdir(f"{folder}/{FOLDER}")  # noqa: PTH208 - pathlib costs the recorder 6 ms
    except OSError:
        return []
    return [f"{folder}/{FOLDER}/{name}" for name in sorted(names) if name.endswith(SUFFIX)]
