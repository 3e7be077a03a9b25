"""Which recorder runs here, and what the platform tells it about processes.

Linux has its own recorder (`sidecar`): parent and subreaper of the workload, exact for every child. Everywhere else,
and where a Linux lacks what that one needs, the portable recorder (`portable`) reads the process tree with psutil.

`WATTLEAK_RECORDER_KIND` chooses: `linux`, `portable`, or `portable:darwin` and `portable:win32`, which use no more
than those platforms tell. The last two show on a Linux machine what is lost there; they are how it is tested.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from wattleak.recorder.portable_platforms import Platform

VARIABLE = "WATTLEAK_RECORDER_KIND"


def portable_platform() -> Platform | None:
    """The platform that the portable recorder has to do with; None where the Linux recorder runs.

    Raises UsageError for a `WATTLEAK_RECORDER_KIND` that does not exist, or cannot work here.
    """
    kind = os.environ.get(VARIABLE) or ("portable" if _lacking() else "linux")
    if kind == "linux":
        lacking = _lacking()
        if lacking:
            raise _usage(f"the Linux recorder cannot run here: there is no {lacking}", f"unset {VARIABLE}")
        return None
    from wattleak.recorder.portable_platforms import PLATFORMS, Platform  # noqa: PLC0415 - Linux does without

    if kind == "portable":
        return PLATFORMS.get(sys.platform) or Platform(sys.platform, False, hasattr(os, "wait4"), False)
    family, _, name = kind.partition(":")
    if family == "portable" and name in PLATFORMS:
        if PLATFORMS[name].exit_usage and not hasattr(os, "wait4"):
            raise _usage(f"{VARIABLE}={kind} cannot be tried here: there is no wait4", f"unset {VARIABLE}")
        return PLATFORMS[name]
    known = ", ".join(["linux", "portable", *(f"portable:{name}" for name in PLATFORMS)])
    raise _usage(f"{VARIABLE}={kind} is no recorder", f"known: {known}")


def _lacking() -> str | None:
    """What the Linux recorder needs and this system does not have."""
    if not sys.platform.startswith("linux"):
        return "Linux"
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):  # noqa: PTH110 - pathlib is not for the way in
        return "/proc/PID/task/TID/children (CONFIG_PROC_CHILDREN, Linux 4.2)"
    if not hasattr(os, "pidfd_open"):
        return "os.pidfd_open in this Python (it was built against old kernel headers)"
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:
        return "pidfd_open (Linux 5.3)"
    return None


def _usage(message: str, remedy: str) -> Exception:
    from wattleak.errors import UsageError  # noqa: PLC0415 - imports enum, which the recorder must not pay for

    return UsageError(message, remedy)
