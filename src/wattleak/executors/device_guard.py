"""A process that does nothing but wait for the end of another one, and then puts back what that one had changed.

    python -m wattleak.executors.device_guard FILE      its standard input is a pipe that the other one holds

The pipe closes when the other process ends, however it ends. This one lives in a session of its own, so that Ctrl-C or
a kill of the whole group does not reach it; a job that ends takes both, and then the next start puts things back.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from wattleak.errors import WattleakError
from wattleak.executors.device_journal import put_back


def main(path: Path) -> int:
    """Wait, then put back. Exit code 1: the driver refused, and the file stays for the next start."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    try:
        put_back(path)
    except WattleakError:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
