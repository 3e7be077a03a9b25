"""Process numbers in containers. A driver may name processes by the numbers that they have outside.

Light on purpose: the recorder imports this.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST = 0xEFFFFFFC  # PROC_PID_INIT_INO of the Linux kernel: the PID namespace of the machine itself


def in_container() -> bool:
    """Have processes numbers of their own here (a PID namespace)? False where the system does not say."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino != _FIRST  # noqa: PTH116 - pathlib is not for the recorder
    except OSError:
        return False


def all_here(pids: Iterable[int]) -> bool:
    """Is each of them a process that can be seen from here?"""
    return all(os.path.exists(f"/proc/{pid}") for pid in pids)  # noqa: PTH110 - pathlib is not for the recorder
