"""Life and death of what is recorded: start it or attach to it, wait for it and for what it leaves behind, end it.

Light on purpose: the recorder imports this before the workload may start.
"""

from __future__ import annotations

import os
import time

from wattleak.recorder.tree import children_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import select
    from typing import Any

    from wattleak.recorder.journal import JournalWriter
    from wattleak.recorder.sampling import Sampler
    from wattleak.recorder.shortage import OutOfMemoryKills
    from wattleak.recorder.tree import ProcessTree

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_RESET_SIGNALS = (1, 2, 3, 13, 15, 25)  # HUP INT QUIT PIPE TERM XFSZ: Python or we ignore them, the workload must not
_SIGTERM, _SIGKILL = 15, 9
_IDLE_GIVE_UP_S = 5.0  # orphans that do nothing for this long are not waited for
_TERM_GRACE_S = 5.0


class Workload:
    """The process that is recorded, a child of ours or (`attached`) one that already runs, and its orphans."""

    def __init__(
        self, config: dict[str, Any], poll: select.poll, journal: JournalWriter, tree: ProcessTree, sampler: Sampler
    ) -> None:
        self._config = config
        self._poll = poll
        self._journal = journal
        self._tree = tree
        self._sampler = sampler
        self._watched: dict[int, int] = {}  # pidfd -> pid
        self._linger_until_s = 0.0
        self._quiet_since: tuple[float, float] = (0.0, 0.0)  # since when the orphans burn nothing: time, CPU-seconds
        self._peak_process_b = 0
        self._floor_b = 0
        self.attached = config["mode"] == "attach"
        self.pid = 0
        self.exited: tuple[int | None, int | None] | None = None  # exit code, signal
        self.kill_at_s: float | None = None
        self.killed: str | None = None
        self.user_s = self.system_s = 0.0
        self._kills: OutOfMemoryKills | None = None

    # -- birth ---------------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """What has to be done before the first reading."""
        if self.attached:
            self.pid = int(self._config["pid"])
            self._watch(self.pid)
            self._floor_b = _high_water_b(self.pid)
        else:
            _become_subreaper()

    def start(self) -> None:
        """Start it, unless we attach. Raises OSError when the system cannot."""
        if self.attached:
            return
        self._floor_b = _own_peak_b()
        command = [str(word) for word in self._config["command"]]
        actions: list[tuple[object, ...]] = []
        for target, key in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
            path = self._config.get(key)
            if isinstance(path, str):
                flags = os.O_RDONLY if target == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
                actions.append((os.POSIX_SPAWN_OPEN, target, path, flags, 0o600))
            elif isinstance(path, int):
                if path > 2:  # a standard stream in place of another one stays what it is as well
                    os.set_inheritable(path, False)
                actions.append((os.POSIX_SPAWN_DUP2, path, target))
        keep = self._config.get("keep_ignored") or ()
        reset = [number for number in _RESET_SIGNALS if number not in keep]
        self.pid = os.posix_spawnp(
            command[0], command, os.environ, file_actions=actions, setsigdef=reset, setsigmask=[]
        )
        self._watch(self.pid)

    def count_kills(self) -> None:
        """From now on: whom the kernel kills for lack of memory."""
        from wattleak.recorder.shortage import OutOfMemoryKills  # noqa: PLC0415 - when the workload runs already

        self._kills = OutOfMemoryKills()

    # -- death ---------------------------------------------------------------------------------------------------

    def watches(self, fd: int) -> bool:
        """Whether a descriptor that became readable tells of a death."""
        return fd in self._watched

    def died(self, fd: int) -> bool:
        """A watched process died: book what it used. True when it was not our child, and so nothing is left to do."""
        pid = self._watched.pop(fd)
        self._poll.unregister(fd)
        os.close(fd)
        if self.attached:
            return True
        self._reap(pid)
        return False

    def all_done(self) -> bool:
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
            self._kill(_SIGKILL, self.killed or "left behind by the workload")
            return False
        return True

    def end(self, why: str) -> None:
        """SIGTERM to the whole tree; SIGKILL after a grace period to what is left."""
        self._kill(_SIGTERM, why)
        self.kill_at_s = time.monotonic() + _TERM_GRACE_S

    def kill_soon(self) -> None:
        self.kill_at_s = time.monotonic()

    def keep_killing(self) -> None:
        """What ignores SIGTERM gets SIGKILL after a grace period, again and again until all are gone."""
        if self.kill_at_s is not None and time.monotonic() >= self.kill_at_s:
            self.kill_at_s = time.monotonic() + 0.2
            self._kill(_SIGKILL, self.killed or "told to stop")

    def left(self) -> list[int]:
        """Pids that still run; for a process that we attached to, that is as it should be."""
        return [] if self.attached else sorted(self._tree.pids())

    def peak_b(self, sampled_b: int) -> int:
        """The most memory seen at once, or the largest single process if that was more.

        A process starts its life as an image of the recorder, and the kernel counts that in its peak; a process that
        we attach to had a peak before. A peak no larger than that floor says nothing about the recording, and only
        the samples do, unless the process was too short for one.
        """
        if self.attached:
            self._peak_process_b = _high_water_b(self.pid)
        if self._peak_process_b > self._floor_b or sampled_b == 0:
            return max(sampled_b, self._peak_process_b)
        return sampled_b

    def _watch(self, pid: int) -> None:
        try:
            fd = os.pidfd_open(pid)
        except OSError:
            if self.attached:
                self.exited = (None, None)
            return
        self._watched[fd] = pid
        self._poll.register(fd, 1)  # POLLIN

    def _reap(self, pid: int = -1) -> bool:
        """Wait for one dead child (any with -1) and book what it used; False when there is none."""
        try:
            found, status, usage = os.wait4(pid, 0 if pid > 0 else os.WNOHANG)
        except ChildProcessError:
            return False
        if found == 0:
            return False
        self._tree.reaped((usage.ru_utime, usage.ru_stime, usage.ru_inblock, usage.ru_oublock))
        self.user_s += usage.ru_utime
        self.system_s += usage.ru_stime
        self._peak_process_b = max(self._peak_process_b, usage.ru_maxrss * 1024)
        if found == self.pid:
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
            signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
            self.exited = (code, signal)
            now_s = time.monotonic()
            record: dict[str, object] = {"k": "exit", "t": now_s, "code": code, "signal": signal}
            kills = self._kills.since() if self._kills is not None else {}
            if kills:
                record["oom"] = kills
            self._journal.write(record)
            self._linger_until_s = now_s + float(self._config["linger_s"])
            self._quiet_since = (now_s, -1.0)
            self._sampler.take(exact=True)
        return True

    def _kill(self, signal: int, why: str) -> None:
        self.killed = why
        self._tree.sample(time.monotonic())
        for pid in self._tree.pids():
            try:
                os.kill(pid, signal)
            except OSError:
                continue  # it died in between


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
