"""Starting the recorder's process, and the line to it.

It boots while the rest of wattleak is imported and the meters are probed:

    sidecar, control = start_sidecar(os.environ, attach=False)    # boots, and waits
    ...                                                           # import, probe
    tell_meters(control, probed)                                  # opens them
    ...                                                           # think
    configure(control, config)                                    # begins

Only what starting takes is imported here: whoever opens a block waits for the longer of the two ways.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

from wattleak.errors import OwnFailure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from wattleak.meters.probe import Probed

_SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))  # noqa: PTH120 - pathlib takes 6 ms
_PROGRAM = (  # nothing there makes cycles, and looking for them costs as much as a sample
    f"import gc, sys; gc.disable(); sys.path.insert(0, {_SOURCE!r}); from wattleak.recorder.sidecar import main; main()"
)
_RESET_SIGNALS = (13, 25)  # SIGPIPE and SIGXFSZ, which Python ignores: not handed on
PATIENCE_S = 30  # an answer takes a reading of the meters; a recorder that was stopped never gives one
WAS_KILLED = "the recorder was killed; the run is marked incomplete"


class Sidecar:
    """The process that was started; not `subprocess.Popen`, for whose import a program would wait 6 ms."""

    def __init__(self, pid: int) -> None:
        self._pid: int | None = pid

    def wait(self) -> None:
        """Wait until it has ended, and let the kernel forget it. May be called again."""
        if self._pid is None:
            return
        with contextlib.suppress(ChildProcessError):  # somebody in this program has waited for it
            os.waitpid(self._pid, 0)
        self._pid = None


def start_sidecar(env: Mapping[str, str], keep: Sequence[int] = (), *, attach: bool) -> tuple[Sidecar, socket.socket]:
    """Start the recorder's process and give it with the line to it. It ends by itself if that line is closed.

    `keep`: file descriptors that it inherits. `attach`: the recorder leaves the tree of who started it, and what was
    started ends at once; wait for it before `configure`, or its CPU time belongs to what is measured.
    """
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as copies:
        inherited = (theirs.fileno(), *keep)
        mode = "attach" if attach else "spawn"
        words = [sys.executable, "-I", "-S", "-c", _PROGRAM, mode, *map(str, inherited)]
        actions: list[tuple[int, int, int]] = []
        for fd in inherited:  # to its copy and back: what dup2 gives is inherited, in the child alone
            copy = os.dup(fd)
            copies.callback(os.close, copy)
            actions += [(os.POSIX_SPAWN_DUP2, fd, copy), (os.POSIX_SPAWN_DUP2, copy, fd)]
        pid = os.posix_spawn(sys.executable, words, dict(env), file_actions=actions, setsigdef=_RESET_SIGNALS)
    return Sidecar(pid), ours


def tell_meters(control: socket.socket, probed: Probed) -> None:
    """Have the recorder open these meters. It has to hear of them before it is told the rest."""
    _send(control, twins_of(probed))


def twins_of(probed: Probed) -> dict[str, Any]:
    """What a recorder makes its meters from: the `module:Class` of each, and what its `open` needs."""
    return {
        "meters": [[reference, meter.spec()] for reference, meter in probed.meters],
        "search_path": list(probed.search_path),  # of meters of other packages
    }


def configure(control: socket.socket, config: dict[str, Any]) -> None:
    """Tell the recorder what to record and how; it begins at once."""
    _send(control, config)


def _send(control: socket.socket, told: dict[str, Any]) -> None:
    data = marshal.dumps(told)
    # One that has ended says so by its silence, when it is asked for its answer.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        control.sendall(len(data).to_bytes(8, "little") + data)


def stop_recorder(control: socket.socket, patience_s: float) -> str | None:
    """Have an attached recorder take its last reading and leave; what went wrong, in words, or None. Raises nothing."""
    control.settimeout(patience_s)
    try:
        control.sendall(b"stop\n")
        return WAS_KILLED if read_line(control) is None else None
    except TimeoutError:
        return no_answer(patience_s)
    except OSError:
        return WAS_KILLED


def no_answer(patience_s: float) -> str:
    """What is said of a recorder that somebody has stopped."""
    return f"the recorder has not answered for {patience_s} s; it ends when it goes on"


def read_line(control: socket.socket) -> str | None:
    """One line from the recorder, or None when it is gone."""
    data = b""
    while not data.endswith(b"\n"):
        try:
            piece = control.recv(1)
        except ConnectionResetError:
            piece = b""
        if not piece:
            return None
        data += piece
    return data.decode().strip()


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
