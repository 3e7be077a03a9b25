"""One writer at a time, said by the operating system: a lock that ends with the process that holds it.

Light on purpose: the recorder imports this before the workload may start. POSIX has `flock`; Windows locks a range of
bytes instead, and nobody else may read that range. So the range lies far behind anything that is ever written there.
"""

from __future__ import annotations

import os
import sys

_FAR_BEHIND_B = 0x7FFF0000  # msvcrt.locking counts from the file's position, in 31 bits

if sys.platform == "win32":
    import msvcrt

    def try_lock(fd: int) -> bool:
        """Take the lock of an open file for as long as it stays open; False when somebody else holds it."""
        os.lseek(fd, _FAR_BEHIND_B, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def is_locked(fd: int) -> bool:
        """Whether another open file holds the lock. The position of `fd` is back at the start afterwards."""
        held = not try_lock(fd)
        if not held:
            os.lseek(fd, _FAR_BEHIND_B, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)
        os.lseek(fd, 0, os.SEEK_SET)
        return held

else:
    import fcntl

    def try_lock(fd: int) -> bool:
        """Take the lock of an open file for as long as it stays open; False when somebody else holds it."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_locked(fd: int) -> bool:
        """Whether another open file holds the lock."""
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        fcntl.flock(fd, fcntl.LOCK_UN)
        return False
