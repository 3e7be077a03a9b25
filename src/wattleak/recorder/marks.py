"""`wattleak.step()`: mark the end of a step of the work, ten thousand times a second if need be.

    for batch in loader:
        train(batch)
        wattleak.step()

A mark is two words in memory that is shared with the recorder (`recorder.ring`): no system call, no waiting. Where
nobody measures it does nothing, so that it may stay in a program for good.
"""

from __future__ import annotations

import os
import sys
import time
from _thread import RLock, get_ident
from operator import index

from wattleak.recorder import ring

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap

_LONGEST_NAME = 200


def step(name: str = "step", *, samples: int | None = None) -> None:
    """Mark that a step has ended: the stretch since the last mark of this thread was one step called `name`.

    Args:
        name: What the steps are called in reports: "train", "eval".
        samples: How many items the step worked through (images, tokens), for costs per item.

    The first mark of a thread only says where the second step began. A mark that finds no room is counted, never
    waited for. Raises TypeError or ValueError when `samples` is no whole number from 0 to 2**32 - 1.
    """
    if samples is not None:
        samples = index(samples)
        if not 0 <= samples <= ring.MOST_SAMPLES:
            raise ValueError(f"step(samples={samples}): it must be from 0 to {ring.MOST_SAMPLES}")
    writer = _writer
    if writer is not None:
        writer.mark(name, samples or 0)


class _Writer:
    """The ring of this process. Made when the first mark comes, so that a program without marks makes no file."""

    __slots__ = ("_dropped", "_folder", "_head", "_lock", "_map", "_names_fd", "_streams", "_threads", "_words")

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = RLock()  # of the kind that a signal handler may take again
        self._map: mmap.mmap | None = None
        self._words: memoryview[int] | None = None
        self._head = self._dropped = 0
        self._streams: dict[tuple[int, str], int] = {}
        self._threads: dict[int, int] = {}
        self._names_fd = -1

    @property
    def folder(self) -> str:
        return self._folder

    def mark(self, name: str, samples: int) -> None:
        with self._lock:
            words = self._words
            if words is None:
                words = self._open()
                if words is None:
                    return
            head = self._head
            stream = self._streams.get((get_ident(), name))
            if stream is None:
                stream = self._new_stream(name)
            if head - words[3] >= ring.SLOTS or stream < 0:
                self._dropped += 1
                words[4] = self._dropped
                return
            at = 512 + 2 * (head & 65535)
            words[at] = time.monotonic_ns()
            words[at + 1] = samples << 32 | stream
            self._head = words[2] = head + 1

    def _open(self) -> memoryview[int] | None:
        global _writer  # noqa: PLW0603 - nothing more to try: from now on marking is free
        if not hasattr(os, "pread"):
            print("wattleak: steps are not recorded: Windows shares no file as their ring needs it", file=sys.stderr)
            _writer = None
            return None
        import fcntl  # noqa: PLC0415 - only programs that mark pay for it
        import mmap  # noqa: PLC0415 - as above

        stem = f"{self._folder}/{ring.FOLDER}/{time.monotonic_ns():016x}-{os.getpid()}"
        try:
            os.makedirs(f"{self._folder}/{ring.FOLDER}", mode=0o700, exist_ok=True)  # noqa: PTH103 - light imports
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            fd = os.open(stem + ".new", flags, 0o600)
            try:
                _make_room(fd, ring.SIZE_B)
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                # All pages now, 0.3 ms once, rather than a page fault every 256 marks of the first round.
                ready = getattr(mmap, "MAP_POPULATE", 0)
                self._map = (
                    mmap.mmap(fd, ring.SIZE_B, flags=mmap.MAP_SHARED | ready) if ready else mmap.mmap(fd, ring.SIZE_B)
                )
            finally:
                os.close(fd)  # the mapping keeps the file, and the lock, until this process ends
            self._names_fd = os.open(stem + ring.NAMES, flags | os.O_APPEND, 0o600)
            words = memoryview(self._map).cast("Q")
            words[1], words[0] = ring.SLOTS, ring.WORD_MAGIC
            os.rename(stem + ".new", stem + ring.SUFFIX)  # noqa: PTH104 - light imports
        except OSError as error:
            print(f"wattleak: steps are not recorded: {error.strerror}: {self._folder}", file=sys.stderr)
            _writer = None
            return None
        self._words = words
        return words

    def _new_stream(self, name: str) -> int:
        number = len(self._streams) + 1
        thread = self._threads.setdefault(get_ident(), len(self._threads))
        shown = " ".join(str(name).split())[:_LONGEST_NAME] or "step"
        if number >= ring.MOST_STREAMS:
            return -1
        try:
            os.write(self._names_fd, f"{number} {thread} {shown}\n".encode(errors="replace"))
        except OSError:
            number = -number  # no room to say what it is called: such marks are dropped, and counted
        self._streams[get_ident(), name] = number
        return number


def _make_room(fd: int, size_b: int) -> None:
    """Take the room on the disk now: writing to shared memory without it would kill the program (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size_b)
        return
    for _ in range(size_b // 4096):  # macOS
        if os.write(fd, bytes(4096)) < 4096:
            raise OSError(28, os.strerror(28))


_writer: _Writer | None = None


def begin(folder: str) -> None:
    """From now on marks go to the run in this folder."""
    global _writer  # noqa: PLW0603 - one process has one ring
    _writer = _Writer(folder)


def finish() -> None:
    """From now on marks go nowhere."""
    global _writer  # noqa: PLW0603 - as above
    _writer = None


def _after_fork() -> None:
    """A child has a ring of its own: two writers cannot share one, and the parent's lock may be held."""
    if _writer is not None:
        begin(_writer.folder)


if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_after_fork)
if os.environ.get("WATTLEAK_JOURNAL"):
    begin(os.path.dirname(os.environ["WATTLEAK_JOURNAL"]))  # noqa: PTH120 - light imports
