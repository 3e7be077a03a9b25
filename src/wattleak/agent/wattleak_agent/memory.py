"""How many bytes the program holds, asked at steps of its training: a series that never gets long."""

from __future__ import annotations

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 256  # samples; then every second one goes, and the next ones come half as often
_SHARE = 0.0005  # of the time since the first sample that taking samples may take
_FREE = 64  # samples that are taken whatever they cost: some milliseconds in all
_monotonic = time.monotonic


def host_reader() -> tuple[str, Callable[[], int]] | None:
    """What counts the bytes of this process: (what it is called, how to ask); None: nothing does here.

    "malloc": bytes that the C library has handed out and not got back (mallinfo2(3), uordblks + hblkhd; glibc 2.33 and
    later). Tensors of PyTorch and TensorFlow on the CPU come from there. "resident": pages in memory (proc(5), statm),
    where another allocator is in use; they are given back late.
    """
    if not sys.platform.startswith("linux"):
        return None
    reader = _malloc_reader()
    if reader is not None:
        return "malloc", reader
    try:
        return ("resident", _resident_b) if _resident_b() > 0 else None
    except OSError:
        return None


def _malloc_reader() -> Callable[[], int] | None:
    try:
        import ctypes

        class Info(ctypes.Structure):
            # struct mallinfo2 of <malloc.h>; hblkhd is what was mapped apart, uordblks the rest that is in use
            _fields_ = [
                (name, ctypes.c_size_t)
                for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()  # noqa: SIM905
            ]

        ask = ctypes.CDLL(None).mallinfo2
        ask.restype = Info

        def read() -> int:
            info = ask()
            return int(info.uordblks + info.hblkhd)

        before = read()
        block = ctypes.create_string_buffer(1 << 20)  # comes from Python's allocator, and that from malloc
        grown = read() - before
        del block
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    else:
        return read if grown >= (1 << 19) else None  # another allocator stands in front of the C library


def _resident_b() -> int:
    import os

    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def capacity_b() -> int | None:
    """Memory that this process may use at most: that of the machine, or what its control group allows."""
    import os

    try:
        whole: int | None = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        whole = None
    limits = [limit for limit in (whole, *_group_limits()) if limit]
    return min(limits) if limits else None


def _group_limits() -> list[int]:
    """memory.max of the control group as it is seen from here (cgroups(7), version 2), or its like in version 1."""
    found = (_number_in(path) for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"))
    return [limit for limit in found if limit is not None]


def _number_in(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):  # "max": no limit
        return None


class Series:
    """Samples of one counter by the number of the step. `at_step` is cheap where no sample is due."""

    __slots__ = ("at", "began_s", "bytes", "every", "next", "noted", "read", "spent_s")

    def __init__(self, read: Callable[[], int], first: int) -> None:
        self.read = read
        self.at: list[int] = []
        self.bytes: list[int] = []
        self.every = 1
        self.next = first
        self.noted = -1  # last step of the fact that was made of it
        self.began_s = self.spent_s = 0.0

    def sample(self, step: int) -> None:
        """Take a sample at this step, and settle when the next one is due."""
        begun_s = _monotonic()
        self.bytes.append(self.read())
        self.at.append(step)
        ended_s = _monotonic()
        if len(self.at) >= MOST:
            self.at, self.bytes = self.at[::2], self.bytes[::2]
            self.every *= 2
        if not self.began_s:
            self.began_s = begun_s
        self.spent_s += ended_s - begun_s
        self.next = step + self.every
        elapsed_s = ended_s - self.began_s
        if self.spent_s > _SHARE * elapsed_s and len(self.at) > _FREE:
            # So many steps that what was spent is no more than its share by then.
            step_s = elapsed_s / (step - self.at[0])
            self.next += int((self.spent_s / _SHARE - elapsed_s) / step_s)

    def rises(self) -> bool:
        """Whether the last samples rise as tensors that are kept would make them: a reason to look, no finding."""
        if len(self.at) < 17:
            return False
        first, middle, last = self.bytes[-17], self.bytes[-9], self.bytes[-1]
        return first < middle < last and last - first >= max(1 << 18, (16 << 10) * (self.at[-1] - self.at[-17]))
