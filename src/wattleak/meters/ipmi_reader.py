"""Asks a BMC for its power again and again, and prints each answer as `WATTS TIME` (`CLOCK_MONOTONIC` seconds).

A process of its own, started by the `ipmi` meter as `python -I -S ipmi_reader.py TOOL EVERY_S LIMIT_S`, so that a
slow or hanging controller holds nobody up. It imports nothing of ours and ends as soon as nobody reads its output.
"""

from __future__ import annotations

import os
import select
import sys
import time

_OUTPUT = 1
_SIGKILL = 9


def watts_of(text: bytes) -> float | None:
    """The instantaneous reading in the output of `ipmitool dcmi power reading`; None where there is none, or 0 W."""
    active, watts = True, 0.0
    for line in text.splitlines():
        name, _, value = line.partition(b":")
        name, value = name.strip().lower(), value.strip().lower()
        if name == b"instantaneous power reading":
            number = value.partition(b" ")[0]
            watts = float(number) if number.isdigit() else 0.0
        elif name == b"power reading state is":
            active = value == b"activated"
    return watts if active and watts > 0 else None


def ask(tool: str, limit_s: float) -> float | None:
    """One answer of the tool; None when it fails or takes longer than the limit, and is then killed."""
    read, write = os.pipe()
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, write, 1),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
    ]
    try:
        child = os.posix_spawn(tool, [tool, "dcmi", "power", "reading"], os.environ, file_actions=actions)
    except OSError:
        os.close(read)
        return None
    finally:
        os.close(write)
    text, ended = _collect(read, time.monotonic() + limit_s)
    os.close(read)
    if not ended:
        os.kill(child, _SIGKILL)
    status = os.waitpid(child, 0)[1]
    return watts_of(text) if ended and status == 0 else None


def _collect(read: int, until_s: float) -> tuple[bytes, bool]:
    """What comes out until the end, and whether the end came in time; an end of our own reader is the end too."""
    wait = select.poll()
    wait.register(read, select.POLLIN)
    wait.register(_OUTPUT, 0)  # no event asked for: POLLERR comes when nobody reads any more
    text = b""
    while True:
        left_s = until_s - time.monotonic()
        ready = wait.poll(max(0.0, left_s) * 1000)
        if not ready or any(fd == _OUTPUT for fd, _event in ready):
            return text, False
        piece = os.read(read, 4096)
        if not piece:
            return text, True
        text += piece


def main(tool: str, every_s: float, limit_s: float) -> None:
    """Ask, print, rest; until nobody reads."""
    gone = select.poll()
    gone.register(_OUTPUT, 0)
    while True:
        asked_s = time.monotonic()
        watts = ask(tool, limit_s)
        try:
            if watts is not None:
                os.write(_OUTPUT, f"{watts:g} {asked_s:.3f}\n".encode())
        except OSError:
            return
        rest_s = max(0.0, asked_s + every_s - time.monotonic())
        if gone.poll(rest_s * 1000):
            return


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
