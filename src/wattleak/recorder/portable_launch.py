"""The command line's side of the portable recorder: start it, hand it its configuration, and wait.

The same two ways in as `launch` has: `start` runs a command under a recorder, `attach` has one watch this process.
Control goes over a TCP connection on 127.0.0.1, because neither descriptors nor Unix sockets can be handed to a process
on every platform. Whoever connects must know a random token, which only the recorder's own environment holds.
"""

from __future__ import annotations

import contextlib
import hmac
import marshal
import os
import selectors
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Self

from wattleak.errors import OwnFailure
from wattleak.recorder.launch import Ended
from wattleak.recorder.spawning import WAS_KILLED, no_answer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType, TracebackType

    from wattleak.recorder.portable_platforms import Platform

_SOURCE = str(Path(__file__).resolve().parents[2])
_CONTROL = "WATTLEAK_CONTROL"
_LOOK_S = 0.2  # how often it is looked whether a recorder that has not called yet still lives
_PASSED_ON = ("SIGTERM", "SIGHUP")
_KEPT_AWAY = ("SIGINT", "SIGQUIT", "SIGBREAK")  # a terminal sends them to the workload directly


@dataclass(slots=True)
class Line:
    """The connection to a recorder."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    rest: bytearray = field(default_factory=bytearray)

    def tell(self, words: str) -> None:
        """Say something; a recorder that is gone does not hear it, and `hear` finds that out."""
        with contextlib.suppress(ConnectionError):
            self.control.sendall(words.encode() + b"\n")

    def hear(self) -> str | None:
        """One line, or None when the recorder is gone."""
        while b"\n" not in self.rest:
            try:
                data = self.control.recv(4096)
            except ConnectionError:
                data = b""
            if not data:
                return None
            self.rest += data
        line, _, rest = bytes(self.rest).partition(b"\n")
        self.rest[:] = rest
        return line.decode().strip()

    def close(self) -> None:
        self.control.close()


class PortableRecording:
    """A workload that runs under the portable recorder."""

    def __init__(self, line: Line, pid: int) -> None:
        self._line = line
        self._before: dict[int, Any] = {}
        self.pid = pid
        self.told: int | None = None  # the signal by which somebody asked this process to end, meanwhile

    def __enter__(self) -> Self:
        for name in (*_PASSED_ON, *_KEPT_AWAY):
            number = getattr(signal, name, None)
            if number is not None:
                handler = self._pass_on if name in _PASSED_ON else self._note
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._line.close()

    def wait(self, timeout_s: float | None = None) -> Ended | None:
        """Wait for the end; None when `timeout_s` passed first."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._line.control, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return None
        words = self._line.hear()
        if words is None:
            return self._without_recorder()
        self._line.process.wait()
        return Ended(None, None, words.partition(" ")[2] or None, recorder_lost=False)

    def stop_workload(self, why: str) -> None:
        """SIGTERM to the whole tree, SIGKILL five seconds later to what is left. Windows knows only the second."""
        self._line.tell(f"kill {why}")

    def _without_recorder(self) -> Ended:
        """The recorder was killed. Wait until the workload is gone; only Windows tells a stranger its exit code."""
        import psutil  # noqa: PLC0415 - only this needs it

        self._line.process.wait()
        try:
            code = psutil.Process(self.pid).wait()
        except psutil.NoSuchProcess:
            code = None
        return Ended(code, None, None, recorder_lost=True)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.told = number

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.told = number
        with contextlib.suppress(OSError):  # it has just ended by itself
            os.kill(self.pid, number)


def start(config: dict[str, Any], platform: Platform, env: Mapping[str, str]) -> PortableRecording | int:
    """Start the command of a configuration under a recorder; the error number when it cannot be started.

    Raises OwnFailure when the recorder cannot.
    """
    line = _start_recorder(config, platform, env)
    words = (line.hear() or "").split()
    if words and words[0] == "ready":
        return PortableRecording(line, int(words[1]))
    line.close()
    line.process.wait()
    if words and words[0] == "failed":
        return int(words[1])
    raise OwnFailure("the recorder ended before it was ready", "see what it printed above, and run again")


def attach(config: dict[str, Any], platform: Platform) -> tuple[Line, str]:
    """Have a recorder watch this process: the line to it, and the address for spans. Raises OwnFailure."""
    line = _start_recorder(config, platform, os.environ, alone=True)
    words = (line.hear() or "").split()
    if not words or words[0] != "ready":
        line.close()
        raise OwnFailure("the recorder ended before it was ready", "see what it printed above")
    return line, words[2]


def children_waited_for_s() -> float:
    """CPU-seconds of the children that this process has waited for; zero where nobody counts them (Windows)."""
    times = os.times()
    return times.children_user + times.children_system


def detach(line: Line, children_s: float, patience_s: float) -> str | None:
    """End what `attach` began; `children_s` is what children have used in between. What went wrong, or None."""
    line.control.settimeout(patience_s)
    try:
        line.tell(f"stop {children_s:.6f}" if os.name == "posix" else "stop")
        answer = line.hear()
    except TimeoutError:
        line.close()
        return no_answer(patience_s)
    line.close()
    line.process.wait()
    return WAS_KILLED if answer is None else None


def _start_recorder(config: dict[str, Any], platform: Platform, env: Mapping[str, str], *, alone: bool = False) -> Line:
    """Start the recorder's process, `alone` out of reach of the terminal's Ctrl-C, and hand it its configuration."""
    config["start"]["portable"] = {"name": platform.name, "loses": platform.loses}
    # The mark of the workload is not for the recorder, nor for what a meter starts: they would be taken for strays.
    config["env"] = {name: value for name, value in env.items() if name.startswith("WATTLEAK_")}
    outer = {name: value for name, value in env.items() if name != "WATTLEAK_RUN_ID"}
    token = token_hex(16)
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _program()],
            env={**outer, _CONTROL: f"{server.getsockname()[1]} {token}"},
            start_new_session=alone,  # POSIX; ignored elsewhere
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0) if alone else 0,
        )
        control = _answer_of(process, server, token)
    data = marshal.dumps({**config, "platform": tuple(platform)})
    control.sendall(len(data).to_bytes(8, "little") + data)
    return Line(process, control)


def _program() -> str:
    try:
        import psutil  # noqa: PLC0415 - Linux does without
    except ImportError as error:
        raise OwnFailure("the portable recorder needs psutil", "pip install psutil") from error
    folder = str(Path(psutil.__file__).resolve().parents[1])
    return (
        f"import sys; sys.path.insert(0, {_SOURCE!r}); sys.path.append({folder!r}); "
        "from wattleak.recorder.portable import main; main()"
    )


def _answer_of(process: subprocess.Popen[bytes], server: socket.socket, token: str) -> socket.socket:
    """The connection of the process that we started; strangers that knock meanwhile are sent away."""
    server.settimeout(_LOOK_S)
    while True:
        try:
            control, _ = server.accept()
        except TimeoutError:
            if process.poll() is not None:
                raise OwnFailure("the recorder ended before it was ready", "see what it printed above") from None
            continue
        control.settimeout(5.0)
        said = b""
        with contextlib.suppress(OSError):
            while not said.endswith(b"\n") and len(said) < 100 and (piece := control.recv(100 - len(said))):
                said += piece
        if hmac.compare_digest(said, token.encode() + b"\n"):
            control.settimeout(None)
            return control
        control.close()
