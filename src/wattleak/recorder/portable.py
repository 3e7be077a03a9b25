"""The recorder's process where Linux is not: the same journal, from psutil, the standard library and a local socket.

    portable_launch ──config──> portable ──Popen──> workload
         ^                        │  ^                 │
         └─ready/exit/end─────────┘  └─open/close span─┘    (127.0.0.1, a random token; named in $WATTLEAK_RECORDER)

It is the parent of the workload, so it knows its exit code, and on POSIX what it used to the microsecond. It is no
subreaper, and there is no pidfd: what is not its child it can only look at. It looks ten times a second, or as often
as 1 % of a core allows, and writes a sample as often as it was asked to.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from hmac import compare_digest
from secrets import token_hex

import psutil

from wattleak.recorder.devices import DeviceWatch
from wattleak.recorder.journal import JournalWriter
from wattleak.recorder.node import share
from wattleak.recorder.portable_platforms import Platform
from wattleak.recorder.psutil_tree import PsutilTree, machine_busy_s
from wattleak.recorder.sampling import SAMPLES_OF_A_RUN
from wattleak.recorder.steps import StepCollector
from wattleak.recorder.twins import open_meters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattleak.recorder.psutil_tree import TreeReading

CONTROL = "WATTLEAK_CONTROL"
"""Environment of the recorder's process alone: port and token of the command line that started it."""

_FIRST_SAMPLES_S = (0.05, 0.1, 0.2, 0.4, 0.8)  # a run of a second has a power curve and a memory peak too
_EARLY = 0.9  # of a period: a clock that is late by a little must not skip a reading
_LOOK_S = 0.1
_MOST_OF_A_CORE = 0.01
_IDLE_GIVE_UP_S = 5.0  # orphans that do nothing for this long are not waited for
_TERM_GRACE_S = 5.0
_LONGEST_NAME = 200
_LINE_B = 65536
_LEFT_TO_THE_WORKLOAD = ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGBREAK")


class Recorder:
    """One recording: the loop, its sockets, its readings."""

    def __init__(self, config: dict[str, Any], control: socket.socket) -> None:
        self._config = config
        self._control = control
        self._platform = Platform(*config["platform"])
        self._attached = config["mode"] == "attach"
        self._journal = JournalWriter(str(config["journal"]))
        sys.path += config["search_path"]  # where meters of other packages lie
        self._meters = open_meters(config["meters"])
        self._shared = share(self._meters, config)
        self._asked_s = [float("-inf")] * len(self._shared)
        own = {os.getpid()}
        if self._attached and os.getppid() != int(config["pid"]):
            own.add(os.getppid())  # in a virtual environment on Windows, python.exe starts the real one
        self._tree = PsutilTree(self._platform, exclude=own, mark=str(config["start"]["run"]))
        self._devices = DeviceWatch(self._meters, self._journal, self._tree)  # type: ignore[arg-type]  # asks for pids() only
        self._selector = selectors.DefaultSelector()
        self._listen = socket.create_server(("127.0.0.1", 0))
        self._token = token_hex(16)
        self._spans = _Spans()
        self._steps = StepCollector(os.path.dirname(config["journal"]), self._journal, time.monotonic())  # noqa: PTH120 - as in the Linux recorder
        self._clients: dict[socket.socket, _Client] = {}
        self._died, self._die = socket.socketpair()
        self._process: subprocess.Popen[bytes] | None = None
        self._status: int | None = None  # of a dead workload, as Popen tells it
        self._usage: Any = None
        self._exited = self._stopped = False
        self._lost: str | None = None
        self._killed: str | None = None
        self._kill_at_s: float | None = None
        self._linger_until_s = 0.0
        self._quiet_since = (0.0, 0.0)  # since when the orphans burn nothing: time, CPU-seconds
        self._interval_s = float(config["interval_s"])
        self._started_s = time.monotonic()
        self._next_s = self._next_look_s = self._started_s
        self._samples = 0
        self._base_cpu_s = 0.0
        self._base_io = (0, 0)
        self._peak_sampled_b = self._peak_process_b = self._floor_b = 0
        self._unseen_s = 0.0

    @property
    def address(self) -> str:
        """Where programs open and close spans."""
        return f"tcp:{self._listen.getsockname()[1]}:{self._token}"

    # -- start ---------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Take the first readings and start, or attach to, the workload; False when that failed."""
        for sock in (self._control, self._listen, self._died):
            self._selector.register(sock, selectors.EVENT_READ)
        self._journal.write({"k": "start", "t": time.monotonic(), **self._config["start"]})
        if self._attached:
            pid = int(self._config["pid"])
            self._tree.root(pid, newborn=False)
            self._sample(first=True)
            started_s = time.monotonic()
        else:
            self._sample(first=True)
            started_s = time.monotonic()
            try:
                self._process = self._spawn()
            except OSError as error:
                self._say(f"failed {error.errno or 0}")
                return False
            pid = self._process.pid
            with contextlib.suppress(psutil.NoSuchProcess):  # it was that short
                self._tree.root(pid, newborn=True)
            threading.Thread(target=self._await_end, daemon=True).start()
        self._journal.write({"k": "spawn", "t": started_s, "pid": pid})
        self._say(f"ready {pid} {self.address}")
        self._journal.sync(force=True)
        return True

    def _spawn(self) -> subprocess.Popen[bytes]:
        self._floor_b = _resident_b()
        with contextlib.ExitStack() as files:
            streams: dict[str, Any] = {}
            for key, mode in (("stdin", "rb"), ("stdout", "ab"), ("stderr", "ab")):
                where = self._config.get(key)
                streams[key] = files.enter_context(open(where, mode)) if isinstance(where, str) else where  # noqa: PTH123 - os.devnull is no file to have a Path for
            env = {**os.environ, **self._config["env"], "WATTLEAK_RECORDER": self.address}
            # On Windows no new process group: Ctrl-C in the console is meant for the workload.
            return subprocess.Popen([str(word) for word in self._config["command"]], env=env, **streams)

    def _await_end(self) -> None:
        """In a thread of its own: wait for the workload, and wake the loop."""
        process = self._process
        assert process is not None
        if self._platform.exit_usage and sys.platform != "win32":
            _, status, self._usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        self._status = process.wait()
        self._die.sendall(b"x")

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Sample until everything that was started has ended, or until told to stop."""
        while not self._stopped:
            now_s = time.monotonic()
            if now_s >= self._next_s:
                self._sample()
            elif now_s >= self._next_look_s:
                self._look(now_s)
            if now_s >= self._steps.next_s:
                self._steps.look(now_s)
            due_s = min(self._next_s, self._next_look_s, self._steps.next_s)
            for key, _ in self._selector.select(max(0.0, due_s - time.monotonic())):
                self._serve(key.fileobj)  # type: ignore[arg-type]  # we register sockets only
            self._keep_killing()
            if self._attached and self._tree.root_gone:
                self._lose("the watched process ended inside the measured block")
                self._stopped = True
            elif self._exited and self._all_done():
                break
        self._finish()

    def _serve(self, sock: socket.socket) -> None:
        if sock is self._died:
            self._selector.unregister(self._died)
            self._book_end()
        elif sock is self._control:
            self._command_line_spoke()
        elif sock is self._listen:
            self._accept()
        elif sock in self._clients:
            self._client_spoke(sock)

    def _look(self, now_s: float, *, thorough: bool = False) -> TreeReading:
        """Look at the tree, and plan the next look so that looking stays cheap."""
        own_s = time.thread_time()
        reading = self._tree.sample(now_s, thorough=thorough)
        self._next_look_s = now_s + max(_LOOK_S, (time.thread_time() - own_s) / _MOST_OF_A_CORE)
        return reading

    # -- readings ------------------------------------------------------------------------------------------------

    def _sample(self, *, first: bool = False, exact: bool = False) -> float:
        """Read everything and write it down; gives the moment of reading."""
        own_s = time.thread_time()
        now_s = time.monotonic()
        raw: dict[str, float] = {}
        read_s: dict[str, float] = {}
        for number, meter in enumerate(self._shared):
            counts = meter.elect(now_s)
            if counts is not None:
                self._journal.write(counts)
            if not (first or exact) and now_s - self._asked_s[number] < _EARLY * self._config["every_s"][number]:
                continue
            self._asked_s[number] = now_s
            moment_s, readings = meter.read(now_s, exact=first or exact, within_s=self._interval_s)
            raw.update(readings)
            if moment_s != now_s:
                read_s.update(dict.fromkeys(readings, moment_s))
        reading = self._look(now_s, thorough=first or exact)
        if first:
            self._base_cpu_s, self._base_io = reading.cpu_s, (reading.read_b or 0, reading.written_b or 0)
        self._peak_sampled_b = max(self._peak_sampled_b, reading.memory_b)
        self._unseen_s = reading.unseen_s
        record: dict[str, object] = {
            "k": "s",
            "t": now_s,
            "r": raw,
            "c": round(max(0.0, reading.cpu_s - self._base_cpu_s), 6),
            "u": round(reading.unseen_s, 6),
            "m": reading.memory_b,
            "p": reading.processes,
        }
        if reading.read_b is not None:
            record["i"] = max(0, reading.read_b - self._base_io[0])
            record["o"] = max(0, (reading.written_b or 0) - self._base_io[1])
        if read_s:
            record["rt"] = read_s
        if self._config["share_host"]:
            record["b"] = machine_busy_s()
        self._journal.write(record)
        self._devices.look(now_s, first=first)
        self._journal.sync()
        if self._samples < len(_FIRST_SAMPLES_S):
            self._next_s = min(self._started_s + _FIRST_SAMPLES_S[self._samples], now_s + self._interval_s)
        else:
            grown_s = max(self._interval_s, (now_s - self._started_s) / SAMPLES_OF_A_RUN)
            cost_s = time.thread_time() - own_s
            self._next_s = now_s + max(
                min(float(self._config["slowest_s"]), grown_s), cost_s / float(self._config["most_of_a_core"])
            )
        self._samples += 1
        return now_s

    # -- death ---------------------------------------------------------------------------------------------------

    def _book_end(self) -> None:
        status, usage = self._status, self._usage
        assert status is not None
        if usage is not None:
            self._tree.settle(usage.ru_utime + usage.ru_stime)
        else:
            self._tree.settle(None, own_s=_own_usage_s(self._process))
        if usage is not None:
            # KiB everywhere but on macOS (getrusage(2)).
            self._peak_process_b = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        by_signal = status < 0 and sys.platform != "win32"
        now_s = time.monotonic()
        self._journal.write(
            {"k": "exit", "t": now_s, "code": None if by_signal else status, "signal": -status if by_signal else None}
        )
        self._exited = True
        self._linger_until_s = now_s + float(self._config["linger_s"])
        self._quiet_since = (now_s, -1.0)
        self._sample(exact=True)

    def _all_done(self) -> bool:
        """After the workload's own end: have the processes that it left behind ended, or been given up?"""
        now_s = time.monotonic()
        burnt_s = self._look(now_s).cpu_s
        if not self._tree.pids():
            return True
        if burnt_s > self._quiet_since[1] + 0.01 * (now_s - self._quiet_since[0]):
            self._quiet_since = (now_s, burnt_s)
        quiet = now_s - self._quiet_since[0] >= _IDLE_GIVE_UP_S
        if now_s < self._linger_until_s and not quiet:
            return False
        if self._config["orphans"] == "kill" and now_s < self._linger_until_s + _TERM_GRACE_S:
            self._end("left behind by the workload", at_once=True)
            return False
        return True

    def _end(self, why: str, *, at_once: bool = False) -> None:
        """End the whole tree: ask (SIGTERM), or do not ask. Windows knows no asking."""
        self._killed = why
        self._look(time.monotonic())
        for process in self._tree.processes():
            with contextlib.suppress(psutil.Error):
                process.kill() if at_once else process.terminate()

    def _keep_killing(self) -> None:
        """What ignores SIGTERM gets SIGKILL after a grace period, again and again until all are gone."""
        if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
            self._kill_at_s = time.monotonic() + 0.2
            self._end(self._killed or "told to stop", at_once=True)

    # -- wattleak's own command line, or the program that is measured ----------------------------------------------

    def _command_line_spoke(self) -> None:
        try:
            words = self._control.recv(4096).decode()
        except OSError:
            words = ""
        verb, _, rest = words.strip().partition(" ")
        if not words:
            self._selector.unregister(self._control)
            if self._attached:
                self._lose("the watched process ended inside the measured block")
                self._stopped = True
                return
            self._lose("wattleak's command line was killed")
            if self._config["on_lost"] == "kill":
                self._kill_at_s = time.monotonic()
        elif verb == "stop":
            if rest:
                self._tree.waited_for(float(rest))
            self._stopped = True
        elif verb == "kill":
            self._end(rest or "told to stop")
            self._kill_at_s = time.monotonic() + _TERM_GRACE_S

    def _lose(self, what: str) -> None:
        self._lost = what
        self._journal.write({"k": "lost", "t": time.monotonic(), "what": what})

    def _say(self, words: str) -> None:
        with contextlib.suppress(ConnectionError):  # it is gone, and that arrives by itself
            self._control.sendall(words.encode() + b"\n")

    # -- programs that open spans ----------------------------------------------------------------------------------

    def _accept(self) -> None:
        try:
            sock, _ = self._listen.accept()
        except OSError:
            return
        sock.setblocking(False)
        self._clients[sock] = _Client()
        self._selector.register(sock, selectors.EVENT_READ)

    def _client_spoke(self, sock: socket.socket) -> None:
        client = self._clients[sock]
        try:
            data = sock.recv(_LINE_B)
        except OSError:
            data = b""
        *lines, client.rest = (client.rest + data).split(b"\n")
        if not data or not all(self._answer(sock, client, line) for line in lines) or len(client.rest) > _LINE_B:
            self._selector.unregister(sock)
            sock.close()
            del self._clients[sock]

    def _answer(self, sock: socket.socket, client: _Client, line: bytes) -> bool:
        """Answer one line; False for a stranger, and for a program that is gone."""
        if not client.trusted:  # the first line is the token: any user of this machine can knock
            client.trusted = compare_digest(line, self._token.encode())
            return client.trusted
        # The edge of a span is the moment of its reading: between readings nobody knows how the power moved.
        answer, record = self._spans.do(line.decode("utf-8", "replace"), self._sample(exact=True))
        if record is not None:
            self._journal.write(record)
        try:
            sock.sendall(answer.encode() + b"\n")
        except OSError:
            return False  # its spans stay open in the journal
        return True

    # -- end -----------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        self._devices.note_holders(time.monotonic())
        self._sample(exact=True)
        self._journal.free_reserve()
        self._steps.finish()
        alone = self._usage is not None and self._tree.sample(time.monotonic()).cpu_s <= (
            self._usage.ru_utime + self._usage.ru_stime + 1e-6
        )
        self._journal.write(
            {
                "k": "end",
                "t": time.monotonic(),
                "user_s": self._usage.ru_utime if alone else None,  # of the whole tree, or not at all
                "system_s": self._usage.ru_stime if alone else None,
                "peak_b": self._peak_b(),
                "left": [] if self._attached else sorted(self._tree.pids()),
                "lost": self._lost,
                "killed": self._killed,
                "unseen_s": round(self._unseen_s, 6),
            }
        )
        self._journal.close()
        for meter in self._meters:
            meter.close()
        for shared in self._shared:
            shared.release()
        self._say("end" if self._journal.failure is None else f"end {self._journal.failure}")

    def _peak_b(self) -> int:
        """The most memory seen at once, or the largest single process if that was more.

        A process starts its life as an image of the recorder, and some kernels count that in its peak: a peak no
        larger than that says nothing, unless the process was too short for a sample.
        """
        process_b = max(self._peak_process_b, self._tree.peak_process_b)
        if process_b > self._floor_b or self._peak_sampled_b == 0:
            return max(self._peak_sampled_b, process_b)
        return self._peak_sampled_b


class _Client:
    """A program that opens spans."""

    def __init__(self) -> None:
        self.rest = b""
        self.trusted = False


class _Spans:
    """Spans that are open. A line asks, a line answers: `open PARENT NAME` gives an id, `close ID` gives `ok`."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._count = 0

    def do(self, line: str, now_s: float) -> tuple[str, dict[str, object] | None]:
        """The answer to a line and the record to write; anything that is not understood is refused."""
        verb, _, rest = line.partition(" ")
        first, _, name = rest.partition(" ")
        number = int(first) if first.isdigit() else None
        if verb == "open" and name:
            self._count += 1
            parent = number if number in self._open else None
            self._open.add(self._count)
            record = {"k": "open", "t": now_s, "id": self._count, "n": name[:_LONGEST_NAME], "p": parent}
            return str(self._count), record
        if verb == "close" and number in self._open:
            self._open.remove(number)
            return "ok", {"k": "close", "t": now_s, "id": number}
        return "error", None


def _resident_b() -> int:
    """Resident set of this process: the size that a child has at the moment it is started."""
    return int(psutil.Process().memory_info().rss)


def _own_usage_s(process: subprocess.Popen[bytes] | None) -> float | None:
    """CPU-seconds of a dead process itself, from the handle that Popen holds (GetProcessTimes); None off Windows."""
    if sys.platform == "win32" and process is not None:
        import ctypes  # noqa: PLC0415 - for Windows alone
        from ctypes import wintypes  # noqa: PLC0415 - as above

        times = [wintypes.FILETIME() for _ in range(4)]  # created, ended, kernel, user: units of 100 ns
        handle = wintypes.HANDLE(int(process._handle))  # noqa: SLF001 - the only handle on a process that is gone
        if ctypes.WinDLL("kernel32").GetProcessTimes(handle, *map(ctypes.byref, times)):
            return sum((part.dwHighDateTime << 32) + part.dwLowDateTime for part in times[2:]) / 1e7
    return None


def _read_config(control: socket.socket) -> dict[str, Any]:
    size = int.from_bytes(_read_exactly(control, 8), "little")
    config: dict[str, Any] = marshal.loads(_read_exactly(control, size))  # noqa: S302 - from our own parent, who knew the token
    return config


def _read_exactly(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = control.recv(size - len(data))
        if not piece:
            raise EOFError("the command line died before it said what to record")
        data += piece
    return data


def main() -> None:
    """Entry point of the process that `portable_launch` starts."""
    for name in _LEFT_TO_THE_WORKLOAD:
        number = getattr(signal, name, None)
        # A handler, for it is not inherited: what the user had ignored (nohup) stays ignored for the workload too.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    port, token = os.environ.pop(CONTROL).split()
    control = socket.create_connection(("127.0.0.1", int(port)))
    control.sendall(token.encode() + b"\n")
    recorder = Recorder(_read_config(control), control)
    if recorder.start():
        recorder.run()
