"""Starting the recorder's process. It boots while the rest of wattleak is imported and the meters are probed.

    sidecar, control = start_sidecar(os.environ)     # boots, and waits for its configuration
    ...                                              # import, probe, think
    configure(control, config)

Only what starting takes is imported here: whoever opens a block waits for the longer of the two ways.
"""

from __future__ import annotations

import marshal
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from wattleak.errors import OwnFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # noqa: PTH120 - pathlib takes 6 ms
_PROGRAM = f"import sys; sys.path.insert(0, {_SOURCE!r}); from wattleak.recorder.sidecar import main; main()"


def start_sidecar(env: Mapping[str, str], keep: Sequence[int] = ()) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the recorder's process and give it with the line to it. It ends by itself if that line is closed.

    `keep`: file descriptors that it inherits.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        sidecar = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _PROGRAM, str(theirs.fileno())],
            pass_fds=(theirs.fileno(), *keep),
            env=dict(env),
        )
    return sidecar, ours


def configure(control: socket.socket, config: dict[str, Any]) -> None:
    """Tell the recorder what to record and how; it begins at once (`mode` spawn), or when it hears "go" (attach)."""
    data = marshal.dumps(config)
    control.sendall(len(data).to_bytes(8, "little") + data)


def listen_for_spans(run_id: str) -> tuple[socket.socket, str]:
    """A private socket for spans. Not in the store, whose path may be longer than a socket's name."""
    address = str(runtime_folder() / run_id)
    listen = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listen.bind(address)
    listen.listen(64)
    return listen, address


def runtime_folder() -> Path:
    """A folder of this user on this node, which goes with the boot. Raises OwnFailure when somebody else made it."""
    from pathlib import Path  # noqa: PLC0415 - not before the recorder boots

    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or _temporary_folder()) / f"wattleak-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise OwnFailure(f"{folder} belongs to somebody else", "set TMPDIR to a folder of your own")
    return folder


def _temporary_folder() -> str:
    """`tempfile.gettempdir()`, which takes 5 ms to import, where $TMPDIR or /tmp is what it would say."""
    for folder in (os.environ.get("TMPDIR"), "/tmp"):  # noqa: S108 - the folder made in it is this user's alone, and checked
        if folder and folder.startswith("/") and os.access(folder, os.W_OK | os.X_OK):
            return folder
    import tempfile  # noqa: PLC0415 - see above

    return tempfile.gettempdir()
