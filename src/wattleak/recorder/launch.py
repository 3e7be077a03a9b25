"""The command line's side of a recording: start the sidecar, hand signals on, wait, and read the result.

    with launch(folder, command, probed, ...) as recording:   # the workload runs
        ended = recording.wait()

The sidecar is the parent of the workload. This process stays in the foreground for the terminal: it passes SIGTERM
and SIGHUP on to the workload, lets Ctrl-C reach it by itself, and becomes a subreaper too, so that the workload's
exit code is still known if the recorder is killed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from wattleak.errors import NotExecutable, NotFound, OwnFailure
from wattleak.recorder.configuration import configuration
from wattleak.recorder.journal import JOURNAL, METRICS
from wattleak.recorder.platforms import portable_platform
from wattleak.recorder.spawning import configure, listen_for_spans, read_line, start_sidecar, tell_meters, twins_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType, TracebackType

    from wattleak.meters.probe import Probed
    from wattleak.recorder.portable_launch import PortableRecording
    from wattleak.recorder.portable_platforms import Platform
    from wattleak.recorder.spawning import Sidecar

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_PASSED_ON = (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))  # Windows has neither SIGHUP nor SIGQUIT
_KEPT_AWAY = (signal.SIGINT, getattr(signal, "SIGQUIT", signal.SIGINT))  # the terminal sends them to the workload
LINGER_S = 30.0


class Streams(NamedTuple):
    """Where the workload's standard streams go: None inherits, a path is opened, a number is a file descriptor."""

    stdin: str | None = None
    stdout: str | int | None = None
    stderr: str | int | None = None


class Ended(NamedTuple):
    """How a recording ended, as the command line saw it. The numbers are in the journal."""

    exit_code: int | None
    signal: int | None
    journal_failure: str | None  # the journal could not be written to the end
    recorder_lost: bool


class Recording:
    """A workload that runs under the recorder."""

    def __init__(self, sidecar: Sidecar, control: socket.socket, pid: int, address: str) -> None:
        self._sidecar = sidecar
        self._control = control
        self._address = address
        self._before: dict[int, Any] = {}
        self.pid = pid
        self.told: int | None = None  # the signal by which somebody asked this process to end, meanwhile

    def __enter__(self) -> Self:
        for number in _PASSED_ON:
            self._before[number] = signal.signal(number, self._pass_on)
        for number in _KEPT_AWAY:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._control.close()
        with contextlib.suppress(FileNotFoundError):  # a program may have cleaned its temporary folder too well
            os.unlink(self._address)  # noqa: PTH108 - an address, not a path of ours to keep

    def wait(self, timeout_s: float | None = None) -> Ended | None:
        """Wait for the end; None when `timeout_s` passed first."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                return None
        words = read_line(self._control)
        if words is None or words.startswith("left"):  # killed, or told to end: the workload is ours to wait for
            return self._without_recorder()
        self._sidecar.wait()
        failure = words.partition(" ")[2] or None
        return Ended(None, None, failure, recorder_lost=False)

    def stop_workload(self, why: str) -> None:
        """SIGTERM to the whole tree, SIGKILL five seconds later to what is left."""
        with contextlib.suppress(BrokenPipeError):  # the recorder is gone; wait() finds that out
            self._control.sendall(f"kill {why}\n".encode())

    def _without_recorder(self) -> Ended:
        """The recorder is gone. The workload is now our child: wait for it, so that its exit code is passed on."""
        self._sidecar.wait()
        try:
            _, status = os.waitpid(self.pid, 0)
        except ChildProcessError:
            return Ended(None, None, None, recorder_lost=True)
        if os.WIFSIGNALED(status):
            return Ended(None, os.WTERMSIG(status), None, recorder_lost=True)
        return Ended(os.WEXITSTATUS(status), None, None, recorder_lost=True)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.told = number

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self.told = number
        with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
            os.kill(self.pid, number)


def launch(
    folder: Path,
    command: Sequence[str],
    probed: Probed,
    *,
    run_id: str,
    name: str | None = None,
    experiment: str | None = None,
    env: Mapping[str, str] | None = None,
    streams: Streams | None = None,
    interval_s: float | None = None,
    linger_s: float = LINGER_S,
    kill_orphans: bool = False,
    kill_when_lost: bool = False,
) -> Recording | PortableRecording:
    """Start `command` under a recorder that writes into `folder`.

    `env` is added to our own environment; without `interval_s` the meters say how often to read. Raises NotFound or
    NotExecutable when the command cannot be started, and OwnFailure when the recorder cannot.
    """
    streams = streams or Streams()
    check_program(command[0], env or {})
    platform = portable_platform()
    passed = {
        **os.environ,
        **(env or {}),
        "WATTLEAK_RUN_ID": run_id,
        "WATTLEAK_METRICS": str((folder / METRICS).resolve()),
        "WATTLEAK_JOURNAL": str((folder / JOURNAL).resolve()),
    }
    workload = {
        "command": list(command),
        "stdin": streams.stdin,
        "stdout": streams.stdout,
        "stderr": streams.stderr,
        "linger_s": linger_s,
        "orphans": "kill" if kill_orphans else "leave",
        "on_lost": "kill" if kill_when_lost else "continue",
        "keep_ignored": [
            int(number) for number in (*_PASSED_ON, *_KEPT_AWAY) if signal.getsignal(number) is signal.SIG_IGN
        ],
    }

    def config() -> dict[str, Any]:
        told = configuration(folder, probed, command, run_id=run_id, name=name, interval_s=interval_s, mode="spawn")
        told["start"]["experiment"] = experiment
        return told | workload

    if platform is not None:
        return _launch_portable(config() | twins_of(probed), platform, passed)
    listen, address = listen_for_spans(run_id)
    passed["WATTLEAK_RECORDER"] = address
    import ctypes  # noqa: PLC0415 - a block that is measured does not need it

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    descriptors = [fd for fd in (streams.stdout, streams.stderr) if isinstance(fd, int)]
    # What a recorder is born with ignored, a terminal cannot end it with.
    with listen, _held_back((*_PASSED_ON, *_KEPT_AWAY)) as blocked:
        sidecar, control = start_sidecar(passed, (listen.fileno(), *descriptors), attach=False)
        tell_meters(control, probed)
        configure(control, config() | {"listen": listen.fileno(), "blocked": blocked})
    answer = (read_line(control) or "").split()
    if not answer:
        sidecar.wait()
        _end_orphans()
        raise OwnFailure("the recorder ended before it was ready", "see what it printed above, and run again")
    if answer[0] == "failed":
        sidecar.wait()
        raise _start_failure(command[0], int(answer[1]))
    return Recording(sidecar, control, int(answer[1]), address)


def _launch_portable(config: dict[str, Any], platform: Platform, env: Mapping[str, str]) -> PortableRecording:
    import shutil  # noqa: PLC0415 - as below

    from wattleak.recorder.portable_launch import start  # noqa: PLC0415 - Linux does without

    program = config["command"][0]
    config["command"][0] = shutil.which(program, path=env.get("PATH")) or program  # Windows itself finds only .exe
    recording = start(config, platform, env)
    if isinstance(recording, int):
        raise _start_failure(program, recording)
    return recording


def _end_orphans() -> None:
    """Kill what a recorder started and left to us when it died before saying so: it would run on unmeasured."""
    from wattleak.recorder.tree import children_of  # noqa: PLC0415 - for Linux alone, as its module is

    for pid in children_of(f"/proc/self/task/{os.getpid()}/children"):
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def check_program(program: str, env: Mapping[str, str]) -> None:
    """Refuse what cannot be started before anything is written. Raises NotFound or NotExecutable.

    `env` is what is added to our own environment; a PATH in it is where the program is looked for.
    """
    import shutil  # noqa: PLC0415 - with its compressors 3 ms that a measured block does not need

    path = env.get("PATH", os.environ.get("PATH", os.defpath))
    if shutil.which(program, path=path) is not None:
        return
    exists = os.sep in program and Path(program).exists()
    raise _start_failure(program, errno.EACCES if exists else errno.ENOENT)


def _start_failure(program: str, number: int) -> NotFound | NotExecutable:
    if number in (errno.ENOENT, errno.ENOTDIR):
        return NotFound(f"command not found: {program}", "check the spelling and PATH, or give the path of the program")
    if number == errno.ENOEXEC:
        return NotExecutable(f"{program} is not a program: it has no #! line", f"name its interpreter: -- sh {program}")
    if number == errno.EACCES:
        return NotExecutable(f"{program} is not executable", f"chmod +x {program}, or name its interpreter")
    return NotExecutable(f"cannot start {program}: {os.strerror(number)}", "start it without wattleak to see why")


@contextlib.contextmanager
def _held_back(numbers: Sequence[signal.Signals]) -> Iterator[list[int]]:
    """Let children be born with these signals ignored. Those that come meanwhile wait for us until the end of it.

    Gives the signals that are blocked for it: a child is born with them blocked, too.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield [int(number) for number in set(numbers) - mask]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
