"""The recorder's process: parent and subreaper of the workload, reader of the meters, writer of the journal.

It is started as `python -I -S` by `recorder.launch` and must be ready within milliseconds, so it imports only light
modules of the standard library and nothing that imports `json`, `enum` or `dataclasses`.

    launch ──config──> sidecar ──posix_spawn──> workload
       ^                  │  ^                     │
       └─ready/exit/end───┘  └──open/close span────┘      (a Unix socket, named in $WATTLEAK_RECORDER)

One loop waits for four things: the next sample is due, the workload (or, in attach mode, the watched process) died,
wattleak's command line said something or died, a program opened or closed a span. It never makes the workload wait,
except for the round trip of a span, which is a reading of the meters long.
"""

from __future__ import annotations

import errno
import gc
import marshal
import os
import select
import sys
import time

from wattleak.recorder.journal import JournalWriter
from wattleak.recorder.tree import ProcessTree, children_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from wattleak.model import Meter

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_RESET_SIGNALS = (1, 2, 3, 13, 15, 25)  # HUP INT QUIT PIPE TERM XFSZ: Python or we ignore them, the workload must not
_SIGTERM, _SIGKILL = 15, 9
_FIRST_SAMPLES_S = (0.05, 0.1, 0.2, 0.4, 0.8)  # a run of a second has a power curve and a memory peak too
_MOST_OF_A_CORE = 0.008  # of a core for reading a large tree; above it the tree is read less often
_IDLE_GIVE_UP_S = 5.0  # orphans that do nothing for this long are not waited for
_ORPHAN_LOOK_S = 0.05  # how often the end of orphans is looked for; nothing announces it
_TERM_GRACE_S = 5.0
_HOLDERS_EVERY_S = 5.0
_USE_EVERY_S = 0.2  # the drivers themselves look no more often (NVML: every 1/6 s to 1 s)
_MODELS_EVERY = 5  # samples


class Recorder:
    """The state of one recording."""

    def __init__(self, config: dict[str, Any], control: int) -> None:
        self._config = config
        self._control = control
        self._journal = JournalWriter(str(config["journal"]))
        self._poll = select.poll()
        sys.path += config["search_path"]  # where meters of other packages lie
        self._meters = _open_meters(config["meters"])
        self._modelled: list[bool] = config["modelled"]
        self._interval_s = float(config["interval_s"])
        self._started_s = time.monotonic()
        self._next_s = self._started_s
        self._samples = 0
        self._base_cpu_s = 0.0
        self._stat_fd = os.open("/proc/stat", os.O_RDONLY | os.O_CLOEXEC)
        self._spans: dict[int, str] = {}
        self._span_count = 0
        self._clients: dict[int, bytes] = {}
        self._watched: dict[int, int] = {}  # pidfd -> pid
        self._main_pid = 0
        self._exited: tuple[int | None, int | None] | None = None
        self._linger_until_s = 0.0
        self._quiet_since: tuple[float, float] = (0.0, 0.0)  # since when the orphans burn nothing: time, CPU-seconds
        self._lost: str | None = None
        self._kill_at_s: float | None = None
        self._killed: str | None = None
        self._user_s = self._system_s = 0.0
        self._peak_sampled_b = 0
        self._peak_process_b = 0
        self._floor_b = 0
        self._holding: dict[str, tuple[int, int]] = {}
        self._holders_at_s = 0.0
        self._users = [meter for meter in self._meters if hasattr(meter, "use")]
        self._used_at_s = 0.0
        self._used_by: frozenset[int] = frozenset()
        self._stopped = False
        attach = config["mode"] == "attach"
        root = int(config["pid"]) if attach else os.getpid()
        self._tree = ProcessTree(root, include_root=attach, exclude=os.getpid())

    # -- start ---------------------------------------------------------------------------------------------------

    def start(self) -> bool:
        """Take the first readings and start, or attach to, the workload; False when that failed."""
        self._poll.register(self._control, select.POLLIN)
        listen = self._config.get("listen")
        if isinstance(listen, int):
            self._poll.register(listen, select.POLLIN)
        record: dict[str, object] = {"k": "start", "t": time.monotonic()}
        record.update(self._config["start"])
        self._journal.write(record)
        if self._config["mode"] == "attach":
            self._main_pid = int(self._config["pid"])
            self._watch(self._main_pid)
            self._floor_b = _high_water_b(self._main_pid)
            self._sample(first=True)
            started_s = time.monotonic()
        else:
            _become_subreaper()
            self._sample(first=True)
            started_s = time.monotonic()
            try:
                self._main_pid = self._spawn()
            except OSError as error:
                self._say(f"failed {error.errno or 0}")
                return False
            self._watch(self._main_pid)
        self._journal.write({"k": "spawn", "t": started_s, "pid": self._main_pid})
        self._say(f"ready {self._main_pid}")
        self._journal.sync(force=True)
        return True

    def _spawn(self) -> int:
        self._floor_b = _own_peak_b()
        command = [str(word) for word in self._config["command"]]
        actions: list[tuple[object, ...]] = []
        for target, key in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
            path = self._config.get(key)
            if isinstance(path, str):
                flags = os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
                actions.append((os.POSIX_SPAWN_OPEN, target, path, flags, 0o600))
            elif isinstance(path, int):
                os.set_inheritable(path, False)
                actions.append((os.POSIX_SPAWN_DUP2, path, target))
        keep = self._config.get("keep_ignored") or ()
        reset = [number for number in _RESET_SIGNALS if number not in keep]
        return os.posix_spawnp(command[0], command, os.environ, file_actions=actions, setsigdef=reset, setsigmask=[])

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Sample until everything that was started has ended, or until told to stop."""
        while not self._stopped:
            now_s = time.monotonic()
            if now_s >= self._next_s:
                self._sample()
                now_s = time.monotonic()
            for fd, _event in self._poll.poll(max(0.0, self._wake_at_s() - now_s) * 1000):
                self._serve(fd)
            self._keep_killing()
            if self._exited is not None and self._orphans_done():
                break
        self._finish()

    def _wake_at_s(self) -> float:
        if self._exited is not None:
            return min(self._next_s, time.monotonic() + _ORPHAN_LOOK_S)
        if self._kill_at_s is not None:
            return min(self._next_s, self._kill_at_s)
        return self._next_s

    def _serve(self, fd: int) -> None:
        if fd in self._watched:
            self._someone_died(fd)
        elif fd == self._control:
            self._command_line_spoke()
        elif fd == self._config.get("listen"):
            self._accept(fd)
        else:
            self._client_spoke(fd)

    # -- life and death of processes -----------------------------------------------------------------------------

    def _watch(self, pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            if self._config["mode"] == "attach":
                self._exited = (None, None)
            return
        self._watched[fd] = pid
        self._poll.register(fd, select.POLLIN)

    def _someone_died(self, fd: int) -> None:
        pid = self._watched.pop(fd)
        self._poll.unregister(fd)
        os.close(fd)
        if self._config["mode"] == "attach":
            self._lose("the watched process ended inside the measured block")
            self._stopped = True
            return
        self._reap(pid)

    def _reap(self, pid: int = -1) -> bool:
        """Wait for one dead child (any with -1) and book what it used; False when there is none."""
        try:
            found, status, usage = os.wait4(pid, 0 if pid > 0 else os.WNOHANG)
        except ChildProcessError:
            return False
        if found == 0:
            return False
        self._tree.reaped((usage.ru_utime, usage.ru_stime, usage.ru_inblock, usage.ru_oublock))
        self._user_s += usage.ru_utime
        self._system_s += usage.ru_stime
        self._peak_process_b = max(self._peak_process_b, usage.ru_maxrss * 1024)
        if found == self._main_pid:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
            signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
            self._exited = (code, signal)
            now_s = time.monotonic()
            self._journal.write({"k": "exit", "t": now_s, "code": code, "signal": signal})
            self._linger_until_s = now_s + float(self._config["linger_s"])
            self._quiet_since = (now_s, -1.0)
            self._sample(exact=True)
        return True

    def _orphans_done(self) -> bool:
        """After the workload's own end: have the processes that it left behind ended, or been given up?"""
        while self._reap():
            pass
        left = children_of(f"/proc/self/task/{os.getpid()}/children")
        if not left:
            return True
        now_s = time.monotonic()
        burnt_s = self._tree.sample(now_s)[0]
        if burnt_s > self._quiet_since[1] + 0.01 * (now_s - self._quiet_since[0]):
            self._quiet_since = (now_s, burnt_s)
        quiet = now_s - self._quiet_since[0] >= _IDLE_GIVE_UP_S
        if now_s < self._linger_until_s and not quiet:
            return False
        if self._config["orphans"] == "kill" and now_s < self._linger_until_s + _TERM_GRACE_S:
            self._kill(_SIGKILL, "left behind by the workload")
            return False
        return True

    def _kill(self, signal: int, why: str) -> None:
        self._killed = why
        self._tree.sample(time.monotonic())
        for pid in self._tree.pids():
            try:
                os.kill(pid, signal)
            except OSError:
                continue  # it died in between

    def _keep_killing(self) -> None:
        """What ignores SIGTERM gets SIGKILL after a grace period, again and again until all are gone."""
        if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
            self._kill_at_s = time.monotonic() + 0.2
            self._kill(_SIGKILL, self._killed or "told to stop")

    # -- wattleak's own command line -----------------------------------------------------------------------------

    def _command_line_spoke(self) -> None:
        try:
            words = os.read(self._control, 4096)
        except OSError:
            words = b""
        if not words:
            self._poll.unregister(self._control)
            if self._config["mode"] == "attach":
                return  # the watched process holds the other end; its death arrives by its pidfd
            self._lose("wattleak's command line was killed")
            if self._config["on_lost"] == "kill":
                self._kill_at_s = time.monotonic()
        elif words.startswith(b"stop"):
            self._stopped = True
        elif words.startswith(b"kill"):
            self._kill(_SIGTERM, words[4:].decode().strip() or "told to stop")
            self._kill_at_s = time.monotonic() + _TERM_GRACE_S

    def _lose(self, what: str) -> None:
        self._lost = what
        self._journal.write({"k": "lost", "t": time.monotonic(), "what": what})

    def _say(self, words: str) -> None:
        try:
            os.write(self._control, words.encode() + b"\n")
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN):
                raise

    # -- spans ---------------------------------------------------------------------------------------------------

    def _accept(self, listen: int) -> None:
        import _socket  # noqa: PLC0415 - only programs that open spans pay for it

        try:
            fd, _address = _socket.socket(fileno=os.dup(listen))._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - `socket` costs 9 ms
        except OSError:
            return
        os.set_blocking(fd, False)
        self._clients[fd] = b""
        self._poll.register(fd, select.POLLIN)

    def _client_spoke(self, fd: int) -> None:
        try:
            data = os.read(fd, 65536)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(fd)
            os.close(fd)
            del self._clients[fd]
            return
        *lines, self._clients[fd] = (self._clients[fd] + data).split(b"\n")
        for line in lines:
            answer = self._span(line.decode("utf-8", "replace"))
            try:
                os.write(fd, answer.encode() + b"\n")
            except OSError:
                break  # the program is gone; its spans stay open in the journal

    def _span(self, line: str) -> str:
        """`open PARENT NAME` gives the id of the new span, `close ID` ends one; anything else is refused."""
        verb, _, rest = line.partition(" ")
        first, _, name = rest.partition(" ")
        self._sample(exact=True)
        if verb == "open" and name:
            self._span_count += 1
            parent = int(first) if first.isdigit() and int(first) in self._spans else None
            self._spans[self._span_count] = name
            self._journal.write(
                {"k": "open", "t": time.monotonic(), "id": self._span_count, "n": name[:200], "p": parent}
            )
            return str(self._span_count)
        if verb == "close" and first.isdigit() and int(first) in self._spans:
            del self._spans[int(first)]
            self._journal.write({"k": "close", "t": time.monotonic(), "id": int(first)})
            return "ok"
        return "error"

    # -- readings ------------------------------------------------------------------------------------------------

    def _sample(self, *, first: bool = False, exact: bool = False) -> None:
        own_s = time.thread_time()
        now_s = time.monotonic()
        raw: dict[str, float] = {}
        thorough = first or exact or self._samples < len(_FIRST_SAMPLES_S)
        for meter, modelled in zip(self._meters, self._modelled, strict=True):
            # A model knows no more than the CPU time that is in the sample anyway: it need not be asked each second.
            if not modelled or thorough or self._samples % _MODELS_EVERY == 0:
                raw.update(meter.read())
        cpu_s, memory_b, read_b, written_b, processes = self._tree.sample(now_s, thorough=thorough)
        if first:
            self._base_cpu_s, self._base_io = cpu_s, (read_b, written_b)
        self._peak_sampled_b = max(self._peak_sampled_b, memory_b)
        record: dict[str, object] = {
            "k": "s",
            "t": now_s,
            "r": raw,
            "c": round(max(0.0, cpu_s - self._base_cpu_s), 6),
            "m": memory_b,
            "i": max(0, read_b - self._base_io[0]),
            "o": max(0, written_b - self._base_io[1]),
            "p": processes,
        }
        busy_s = self._machine_busy_s() if self._config["share_host"] else None
        if busy_s is not None:
            record["b"] = busy_s
        self._journal.write(record)
        if now_s - self._holders_at_s >= _HOLDERS_EVERY_S or first:
            self._note_holders(now_s)
        if self._users and now_s - self._used_at_s >= _USE_EVERY_S:
            self._note_use(now_s, write=not first)  # the first answer tells of the time before the recording
        self._journal.sync()
        self._plan_next(now_s, time.thread_time() - own_s)

    def _plan_next(self, now_s: float, cost_s: float) -> None:
        if self._samples < len(_FIRST_SAMPLES_S):
            due_s = min(self._started_s + _FIRST_SAMPLES_S[self._samples], now_s + self._interval_s)
        else:
            due_s = now_s + max(self._interval_s, cost_s / _MOST_OF_A_CORE)
        self._samples += 1
        self._next_s = max(due_s, now_s + 0.001)

    def _machine_busy_s(self) -> float | None:
        try:
            fields = os.pread(self._stat_fd, 256, 0).split(b"\n", 1)[0].split()
            # cpu user nice system idle iowait irq softirq steal: what this machine's CPUs worked (proc_stat(5))
            ticks = int(fields[1]) + int(fields[2]) + int(fields[3]) + int(fields[6]) + int(fields[7])
        except (OSError, ValueError, IndexError):
            return None
        return ticks / os.sysconf("SC_CLK_TCK")

    def _note_holders(self, now_s: float) -> None:
        self._holders_at_s = now_s
        pids = self._tree.pids()
        for meter in self._meters:
            for channel, holders in meter.holders().items():
                ours = len(holders & pids)
                seen = (ours, len(holders) - ours)
                if self._holding.get(channel) != seen:
                    self._holding[channel] = seen
                    self._journal.write({"k": "hold", "t": now_s, "ch": channel, "ours": seen[0], "others": seen[1]})

    def _note_use(self, now_s: float, *, write: bool) -> None:
        self._used_at_s, before, self._used_by = now_s, self._used_by, self._tree.pids()
        mine = before | self._used_by  # who died since the last look worked in this stretch too
        for meter in self._users:
            for channel, (busy, shares) in meter.use().items():  # an optional member
                ours = None if shares is None else sum(share for pid, share in shares.items() if pid in mine)
                others = None if shares is None else sum(share for pid, share in shares.items() if pid not in mine)
                record = {"k": "use", "t": now_s, "ch": channel, "busy": busy, "ours": ours, "others": others}
                if write:
                    self._journal.write(record)

    # -- end -----------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        self._note_holders(time.monotonic())
        self._sample(exact=True)
        attach = self._config["mode"] == "attach"
        if attach:
            self._peak_process_b = _high_water_b(self._main_pid)
        left = sorted(self._tree.pids()) if not attach else []
        self._journal.write(
            {
                "k": "end",
                "t": time.monotonic(),
                "user_s": None if attach else self._user_s,
                "system_s": None if attach else self._system_s,
                "peak_b": self._peak_b(),
                "left": left,
                "lost": self._lost,
                "killed": self._killed,
                "unwaited_s": self._tree.unwaited_s,
            }
        )
        self._journal.close()
        for meter in self._meters:
            meter.close()
        self._say("end" if self._journal.failure is None else f"end {self._journal.failure}")

    def _peak_b(self) -> int:
        """The most memory seen at once, or the largest single process if that was more.

        A process starts its life as an image of the recorder, and the kernel counts that in its peak; a process that
        we attach to had a peak before. A peak no larger than that floor says nothing about the recording, and only
        the samples do, unless the process was too short for one.
        """
        if self._peak_process_b > self._floor_b or self._peak_sampled_b == 0:
            return max(self._peak_sampled_b, self._peak_process_b)
        return self._peak_sampled_b


def _own_peak_b() -> int:
    """Resident set of this process: the size that a child has at the moment it is started."""
    fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    try:
        return int(os.read(fd, 128).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(fd)


def _high_water_b(pid: int) -> int:
    """The most that a process has had resident since it began (VmHWM); 0 when it is gone."""
    try:
        fd = os.open(f"/proc/{pid}/status", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        for line in os.read(fd, 4096).split(b"\n"):
            if line.startswith(b"VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    finally:
        os.close(fd)
    return 0


def _become_subreaper() -> None:
    """Have orphaned descendants handed to this process rather than to init, so that they can be waited for."""
    import ctypes  # noqa: PLC0415 - the attached recorder does not need it

    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _open_meters(specs: list[tuple[str, dict[str, object]]]) -> list[Meter]:
    """Re-create the probed meters. `module:Class` is what the command line found; its code is light."""
    meters: list[Meter] = []
    for reference, spec in specs:
        module, _, name = reference.partition(":")
        meter: Meter = getattr(__import__(module, fromlist=[name]), name)()
        meter.open(spec)
        meters.append(meter)
    return meters


def _read_config(control: int) -> dict[str, Any]:
    size = int.from_bytes(_read_exactly(control, 8), "little")
    config: dict[str, Any] = marshal.loads(_read_exactly(control, size))  # noqa: S302 - from our own parent, over a private socket
    return config


def _read_exactly(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(fd, size - len(data))
        if not piece:
            raise EOFError("the command line died before it said what to record")
        data += piece
    return data


def main() -> None:
    """Entry point: `python -I -S -c "...sidecar.main()" CONTROL_FD [LISTEN_FD]`."""
    control = int(sys.argv[1])
    os.set_inheritable(control, False)
    config = _read_config(control)
    gc.disable()  # nothing here makes cycles, and looking for them costs as much as a sample
    if config["mode"] == "attach":
        # Leave the tree that is to be measured, and the terminal whose Ctrl-C is meant for it.
        if os.fork():
            os._exit(0)
        os.setsid()
        _read_exactly(control, 3)  # "go": the process that we left has been waited for, so its CPU time is booked
    listen = config.get("listen")
    if isinstance(listen, int):
        os.set_inheritable(listen, False)
    recorder = Recorder(config, control)
    if recorder.start():
        recorder.run()
