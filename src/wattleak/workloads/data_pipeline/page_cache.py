"""What of some files lies in the page cache, and how to have it forgotten. Standard library only.

posix_fadvise(2) with POSIX_FADV_DONTNEED drops the clean pages of a file that nobody has mapped; mincore(2) says which
pages are there. Neither reaches the cache of a disk, of a hypervisor, or of names and inodes: cold is cold for this
kernel, and for file contents.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_PAGE_B = mmap.PAGESIZE


def drop(files: Iterable[Path]) -> bool:
    """Ask the kernel to forget the contents of these files; False where it cannot be asked."""
    if not hasattr(os, "posix_fadvise"):
        return False
    for file in files:
        handle = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
    return True


def resident_share(files: Iterable[Path]) -> float | None:
    """The share of the pages of these files that is in memory; None where nobody says, or there are no pages."""
    if sys.platform != "linux":
        return None
    there = pages = 0
    for file in files:
        own = _resident(file)
        if own is None:
            return None
        there, pages = there + own[0], pages + own[1]
    return there / pages if pages else None


def _resident(file: Path) -> tuple[int, int] | None:
    """Pages of a file in memory, and all its pages."""
    size_b = file.stat().st_size
    if not size_b:
        return 0, 0
    pages = -(-size_b // _PAGE_B)
    found = (ctypes.c_ubyte * pages)()
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), size_b, access=mmap.ACCESS_COPY) as mapped:
        start = ctypes.c_char.from_buffer(mapped)  # an address; touching nothing
        failed = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(size_b), found)
        del start  # a mapping that is still referred to cannot be closed
    return None if failed else (sum(page & 1 for page in found), pages)


def can_be_cold(files: Sequence[Path]) -> bool:
    """Whether the contents of these files can be made to leave the page cache, and be seen to have left it."""
    return drop(files) and resident_share(files) == 0.0
