"""The recorder's process: parent and subreaper of the workload, reader of the meters, writer of the journal.

It is started as `python -I -S` by `recorder.launch` and must be ready within milliseconds, so it imports only light
modules of the standard library and nothing that imports `json`, `enum` or `dataclasses`.

    launch ──config──> sidecar ──posix_spawn──> workload
       ^                  │  ^                     │
       └─ready/exit/end───┘  └──open/close span────┘      (a Unix socket, named in $WATTLEAK_RECORDER)

One loop waits for four things: the next sample is due (`sampling`), the workload or, in attach mode, the watched
process died (`workload`), wattleak's command line said something or died, a program opened or closed a span (`spans`).
It never makes the workload wait, except for the round trip of a span, which is a reading of the meters long.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` itself imports enum
import errno
import marshal
import os
import select
import sys
import time

from wattleak.recorder.devices import DeviceWatch
from wattleak.recorder.journal import JournalWriter
from wattleak.recorder.sampling import Sampler
from wattleak.recorder.tree import ProcessTree, allow_many_files
from wattleak.recorder.twins import open_meters
from wattleak.recorder.workload import Workload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattleak.model import Meter
    from wattleak.recorder.spans import SpanServer
    from wattleak.recorder.steps import StepCollector

_SIGTERM = 15
_STDERR = 2
_TOGETHER_S = 0.3  # step marks are looked at beside a sample rather than by a waking of their own
_ORPHAN_LOOK_S = 0.05  # how often the end of orphans is looked for; nothing announces it


class Recorder:
    """One recording: the loop, and the line to wattleak's own command line."""

    def __init__(self, config: dict[str, Any], meters: list[Meter], control: int) -> None:
        self._config = config
        self._meters = meters
        self._control = control
        self._lost: str | None = None
        self._stopped = False
        self._asked_fd = -1
        self._asked = 0
        self._journal = JournalWriter(str(config["journal"]))
        self._poll = select.poll()
        attach = config["mode"] == "attach"
        root = int(config["pid"]) if attach else os.getpid()
        self._tree = ProcessTree(root, include_root=attach, exclude=os.getpid())
        self._devices = DeviceWatch(self._meters, self._journal, self._tree)
        self._sampler = Sampler(config, self._meters, self._journal, self._tree, self._devices)
        self._workload = Workload(config, self._poll, self._journal, self._tree, self._sampler)
        self._steps: StepCollector
        self._spans: SpanServer
        self._poll.register(control, select.POLLIN)

    def start(self) -> bool:
        """Take the first readings and start, or attach to, the workload; False when that failed."""
        record: dict[str, object] = {"k": "start", "t": time.monotonic()}
        record.update(self._config["start"])
        self._journal.write(record)
        self._workload.prepare()
        self._sampler.take(first=True)
        started_s = time.monotonic()
        try:
            self._workload.start()
        except OSError as error:
            self._say(f"failed {error.errno or 0}")
            return False
        self._journal.write({"k": "spawn", "t": started_s, "pid": self._workload.pid})
        self._say(f"ready {self._workload.pid}")
        self._listen_to_programs()
        self._hear_sigterm()
        self._brace_for_shortage()
        self._journal.sync(force=True)
        return True

    def _listen_to_programs(self) -> None:
        """Spans and steps. A program that asks before this waits in the queue of the socket."""
        from wattleak.recorder.spans import SpanServer  # noqa: PLC0415 - when the workload runs already
        from wattleak.recorder.steps import StepCollector  # noqa: PLC0415 - as above

        folder = os.path.dirname(self._config["journal"])  # noqa: PTH120 - pathlib costs 6 ms
        self._steps = StepCollector(folder, self._journal, time.monotonic())
        self._spans = SpanServer(self._config.get("listen"), self._poll, self._journal, self._sampler)

    def _brace_for_shortage(self) -> None:
        from wattleak.recorder.shortage import spare_this_process  # noqa: PLC0415 - when the workload runs already

        spare_this_process()
        allow_many_files()
        self._workload.count_kills()

    def run(self) -> None:
        """Sample until everything that was started has ended, or until told to stop."""
        while not self._stopped:
            now_s = time.monotonic()
            if now_s >= self._sampler.next_s:
                self._sampler.take()
                now_s = time.monotonic()
            if now_s >= self._steps.next_s - _TOGETHER_S:
                self._steps.look(now_s)
            for fd, _event in self._poll.poll(max(0.0, self._wake_at_s() - now_s) * 1000):
                self._serve(fd)
            self._workload.keep_killing()
            if self._workload.exited is not None and self._workload.all_done():
                break
        self._finish()

    def _wake_at_s(self) -> float:
        due_s = min(self._sampler.next_s, self._steps.next_s)
        if self._workload.exited is not None:
            return min(due_s, time.monotonic() + _ORPHAN_LOOK_S)
        if self._workload.kill_at_s is not None:
            return min(due_s, self._workload.kill_at_s)
        return due_s

    def _serve(self, fd: int) -> None:
        if self._workload.watches(fd):
            if self._workload.died(fd):
                self._lose("the watched process ended inside the measured block")
                self._stopped = True
        elif fd == self._control:
            self._command_line_spoke()
        elif fd == self._asked_fd:
            self._asked_to_end()
        else:
            self._spans.serve(fd)

    def _hear_sigterm(self) -> None:
        """From now on: the workload has been started, and must find SIGTERM as our caller has it."""
        self._asked_fd, told = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll.register(self._asked_fd, select.POLLIN)
        _signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        _signal.signal(_SIGTERM, lambda *_: None)

    def _asked_to_end(self) -> None:
        """SIGTERM goes to everything when a machine or a job is shut down, and the workload may take its time to end.

        So the first makes safe what is known and the recording goes on, while there is anything to record. The second
        is meant for us: the recording ends here, incomplete, and the workload runs on.
        """
        os.read(self._asked_fd, 64)
        self._asked += 1
        self._sampler.take(exact=True)
        self._journal.write({"k": "asked", "t": time.monotonic(), "times": self._asked})
        self._journal.sync(force=True)
        if self._asked > 1:
            self._lose("the recorder was told to end (SIGTERM)")
            self._stopped = True

    def _command_line_spoke(self) -> None:
        try:
            words = os.read(self._control, 4096)
        except OSError:
            words = b""
        if not words:
            self._poll.unregister(self._control)
            if self._workload.attached:
                # In a measured block the watched process holds the other end, and its death arrives by its pidfd.
                self._stopped = bool(self._config.get("ends_with_us"))
                return
            self._lose("wattleak's command line was killed")
            if self._config["on_lost"] == "kill":
                self._workload.kill_soon()
        elif words.startswith(b"stop"):
            self._stopped = True
        elif words.startswith(b"kill"):
            self._workload.end(words[4:].decode().strip() or "told to stop")

    def _lose(self, what: str) -> None:
        self._lost = what
        self._journal.write({"k": "lost", "t": time.monotonic(), "what": what})

    def _say(self, words: str) -> None:
        try:
            os.write(self._control, words.encode() + b"\n")
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                raise

    def _finish(self) -> None:
        workload = self._workload
        self._devices.note_holders(time.monotonic())
        self._sampler.take(exact=True)
        self._journal.free_reserve()
        self._steps.finish()
        self._journal.write(
            {
                "k": "end",
                "t": time.monotonic(),
                "user_s": None if workload.attached else workload.user_s,
                "system_s": None if workload.attached else workload.system_s,
                "peak_b": workload.peak_b(self._sampler.peak_b),
                "left": workload.left(),
                "lost": self._lost,
                "killed": workload.killed,
                "unwaited_s": self._tree.unwaited_s,
            }
        )
        self._journal.close()
        for meter in self._meters:
            meter.close()
        self._sampler.release()
        ended = "end" if workload.attached or workload.exited is not None else "left"
        self._say(ended if self._journal.failure is None else f"{ended} {self._journal.failure}")


def _receive(control: int) -> dict[str, Any]:
    size = int.from_bytes(_read_exactly(control, 8), "little")
    told: dict[str, Any] = marshal.loads(_read_exactly(control, size))  # noqa: S302 - from our own parent, over a private socket
    return told


def _read_exactly(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(fd, size - len(data))
        if not piece:
            raise EOFError("the command line died before it said what to record")
        data += piece
    return data


def _close_all_but(kept: tuple[int, ...]) -> None:
    """Let go of what a careless library of the program made inheritable: a pipe that we hold never ends for others."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - pathlib costs 6 ms
        fd = int(name)
        if fd > _STDERR and fd not in kept:
            try:  # noqa: SIM105 - contextlib costs more than three lines
                os.close(fd)
            except OSError:
                pass  # the listing's own, closed already


def main() -> None:
    """Entry point: `python -I -S -c "...sidecar.main()" spawn|attach CONTROL_FD [FD...]`."""
    control, *others = map(int, sys.argv[2:])
    _close_all_but((control, *others))
    os.set_inheritable(control, False)
    if sys.argv[1] == "attach":
        # Leave the tree that is to be measured, and the terminal whose Ctrl-C is meant for it.
        if os.fork():
            os._exit(0)
        os.setsid()
    try:
        to_read = _receive(control)
        sys.path += to_read["search_path"]  # where meters of other packages lie
        meters = open_meters(to_read["meters"])
        config = _receive(control)
    except EOFError:
        return  # the meters could not be read, or whoever started us died: nothing is to be recorded
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, config.get("blocked") or ())  # they waited for who started us
    listen = config.get("listen")
    if isinstance(listen, int):
        os.set_inheritable(listen, False)
    recorder = Recorder(config, meters, control)
    if recorder.start():
        recorder.run()
