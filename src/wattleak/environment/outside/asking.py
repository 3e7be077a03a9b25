"""Which process is meant, and may we look at it? Asked before anything is read."""

from __future__ import annotations

import os
from pathlib import Path

from wattleak.environment.outside.reading import read_words
from wattleak.errors import UsageError

_FIND = "find it with: pgrep -af python"


def check_process(text: str, *, proc: Path = Path("/proc")) -> int:
    """Return the pid of a process that may be watched.

    Raises UsageError: no number, no such process, one of somebody else's, of the kernel's, or one that has ended.
    """
    if not text.isdigit() or int(text) == 0:
        raise UsageError(f"{text!r} is no process id", _FIND)
    pid = int(text)
    folder = proc / str(pid)
    status = _status(folder)
    if not status:
        raise UsageError(f"there is no process {pid}", _FIND)
    leader = status.get("Tgid", str(pid))
    if leader != str(pid):
        raise UsageError(f"{pid} is a thread of process {leader}", f"wattleak watch {leader}")
    if status.get("State", "").startswith(("Z", "X")):
        raise UsageError(f"process {pid} has ended; its parent has not taken notice yet", _FIND)
    if not read_words(proc, pid):
        raise UsageError(f"{pid} is a thread of the kernel ({status.get('Name', '?')}), no program", _FIND)
    try:
        (folder / "environ").read_bytes()
    except PermissionError as error:
        raise _not_ours(pid, status) from error
    except OSError as error:
        raise UsageError(f"process {pid} has just ended", _FIND) from error
    return pid


def _not_ours(pid: int, status: dict[str, str]) -> UsageError:
    owner = int(status.get("Uid", "0").split()[0])
    name = _name(owner)
    if owner != os.geteuid():
        return UsageError(
            f"process {pid} belongs to {name}, and only {name} and root may look into it", f"sudo wattleak watch {pid}"
        )
    return UsageError(
        f"process {pid} does not let itself be looked at (it is setuid, or prctl(PR_SET_DUMPABLE) says no)",
        f"sudo wattleak watch {pid}",
    )


def _name(owner: int) -> str:
    import pwd  # noqa: PLC0415 - every platform may import this module, and Linux alone looks

    try:
        return pwd.getpwuid(owner).pw_name
    except KeyError:
        return f"user {owner}"


def _status(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name: value.strip() for name, _, value in pairs}
