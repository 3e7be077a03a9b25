"""The process tree of the workload, read from /proc without ever listing all of it.

Light on purpose: the recorder imports this before the workload may start, so only `os` and `time` are imported.

The CPU-seconds of a tree telescope. A living process shows its own time plus that of the children it has waited for
(`utime + stime + cutime + cstime`, proc_pid_stat(5)); what the recorder reaps itself, the workload and the orphans
that the kernel hands to it as their subreaper, it adds from `wait4(2)`, exact to the microsecond. So

    tree = reaped by the recorder + sum over the living

counts every process once. Only a child whose parent ignores SIGCHLD vanishes from both; the loss shows as a total
that falls, and is kept as `unwaited_s`, exact to the last sample before the child died.

Three files are held open for a process while there are many left to open (RLIMIT_NOFILE), then one, then none: the
others are opened each time they are read, and no process is left out.
"""

from __future__ import annotations

import os
import time

# Windows has no sysconf: there this module is imported, and never used.
TICKS_PER_S, PAGE_B = map(os.sysconf, ("SC_CLK_TCK", "SC_PAGE_SIZE")) if hasattr(os, "sysconf") else (1, 1)

_SLOW_EVERY = 5  # samples between looks at storage I/O, and at children forked by other threads than the main one
_SHARED_CHECK_SHARE = 0.01  # of the time, for looking up shared memory; each look wants 5 % more of it, so they end
_SHARED_CHECK_MOST = 64  # processes
_ALL, _STAT, _NONE = 3, 1, 0  # files that are held for a process
_OWN_FILES = 32  # of the recorder: the journal, meters, pipes


class Process:
    """One living process, held by open files of /proc, so that a reused pid is never mistaken for it.

    One that is not held is known again by the moment of its birth.
    """

    __slots__ = (
        "_born",
        "_children_fd",
        "_io_fd",
        "_stat",
        "_stat_fd",
        "cpu_s",
        "held",
        "pid",
        "read_b",
        "rss_b",
        "threads",
        "written_b",
    )

    def __init__(self, pid: int, held: int = _ALL) -> None:
        self.pid = pid
        self.held = held
        self._born = b""
        self._stat_fd = self._children_fd = self._io_fd = -1
        if held >= _STAT:
            self._stat_fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if held == _ALL:
                self._children_fd = os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)
                self._io_fd = os.open(f"/proc/{pid}/io", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            pass  # it is dying, or runs as another user: what cannot be read stays absent from the sums
        self._stat = b""
        self.threads = 1
        self.cpu_s = 0.0
        self.rss_b = 0
        self.read_b = 0
        self.written_b = 0

    def refresh(self, *, io: bool) -> bool:
        """Read it again, its storage I/O only with `io`; False when it is gone (reaped)."""
        try:
            stat = os.pread(self._stat_fd, 1024, 0) if self._stat_fd >= 0 else _content(f"/proc/{self.pid}/stat", 1024)
        except OSError:
            return False
        if stat != self._stat:  # a process that rests reads the same each time, and need not be understood again
            self._stat = stat
            fields = stat[stat.rfind(b")") + 2 :].split(b" ", 23)
            if self._born not in (b"", fields[19]):
                return False  # another process, with the same pid
            self._born = fields[19]
            self.cpu_s = (int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])) / TICKS_PER_S
            self.threads = int(fields[17])
            self.rss_b = max(0, int(fields[21])) * PAGE_B
        if io and (self._io_fd >= 0 or self.held < _ALL):
            try:
                # read_bytes, write_bytes and cancelled_write_bytes are the last three lines of proc_pid_io(5).
                text = os.pread(self._io_fd, 512, 0) if self._io_fd >= 0 else _content(f"/proc/{self.pid}/io", 512)
                lines = text.split(b"\n")
                self.read_b = int(lines[4][12:])
                self.written_b = int(lines[5][13:])
            except (OSError, ValueError, IndexError):
                pass
        return True

    def children(self, *, all_threads: bool) -> list[int]:
        """Pids of its children; of those forked by threads other than the main one only with `all_threads`."""
        pids: list[int] = []
        if self._children_fd >= 0:
            try:
                pids += map(int, os.pread(self._children_fd, 65536, 0).split())
            except OSError:
                return pids
        elif self.held < _ALL:
            pids += children_of(f"/proc/{self.pid}/task/{self.pid}/children")
        if all_threads:
            try:
                tasks = os.listdir(f"/proc/{self.pid}/task")  # noqa: PTH208 - pathlib costs the recorder 6 ms
            except OSError:
                return pids
            for task in tasks:
                if int(task) != self.pid:
                    pids += children_of(f"/proc/{self.pid}/task/{task}/children")
        return pids

    def proportional_b(self) -> int | None:
        """Resident bytes with each shared page divided by the number of processes that share it (PSS)."""
        try:
            fd = os.open(f"/proc/{self.pid}/smaps_rollup", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            for line in os.read(fd, 4096).split(b"\n"):
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
        except OSError:
            return None
        finally:
            os.close(fd)
        return None

    def close(self) -> None:
        for fd in (self._stat_fd, self._children_fd, self._io_fd):
            if fd >= 0:
                os.close(fd)


def children_of(path: str) -> list[int]:
    """Pids in a /proc/PID/task/TID/children file; none when it is gone."""
    try:
        return [int(pid) for pid in _content(path, 65536).split()]
    except OSError:
        return []


def _content(path: str, most_b: int) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, most_b)
    finally:
        os.close(fd)


def allow_many_files() -> None:
    """Let this process open as many files as it may allow itself. What it started before keeps the limit it has."""
    import resource  # noqa: PLC0415 - when the workload runs already

    try:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        return  # then fewer files are held


class ProcessTree:
    """All living descendants of `root`; the root itself too, unless it is the recorder."""

    def __init__(self, root: int, *, include_root: bool, exclude: int) -> None:
        self._root = root
        self._include_root = include_root
        self._exclude = exclude
        self._known: dict[int, Process] = {}
        self._held = 0  # files, for all of them
        self._samples = 0
        self._loadavg_fd = os.open("/proc/loadavg", os.O_RDONLY | os.O_CLOEXEC)
        self._newest = b""  # the pid that was given out last, anywhere on this machine
        self._highest_s = 0.0
        self._shared_ratio = 1.0
        self._shared_rss_b = 0
        self._shared_due_s = float("-inf")
        self.reaped_s = 0.0  # CPU-seconds of what the recorder has waited for
        self.reaped_read_b = 0
        self.reaped_written_b = 0
        self.unwaited_s = 0.0

    def reaped(self, usage: tuple[float, float, int, int]) -> None:
        """Add one process that the recorder has waited for: user s, system s, blocks read and written (512 B)."""
        user_s, system_s, blocks_in, blocks_out = usage
        self.reaped_s += user_s + system_s
        self.reaped_read_b += blocks_in * 512
        self.reaped_written_b += blocks_out * 512

    def sample(self, now_s: float, *, thorough: bool = False) -> tuple[float, int, int, int, int]:
        """CPU-seconds so far, resident bytes, bytes read, bytes written, living processes.

        What costs more than it tells in a second is looked at every few samples, or when `thorough`. Children are
        looked for when the kernel has given out a new pid since the last time.
        """
        newest = os.pread(self._loadavg_fd, 128, 0).rpartition(b" ")[2]
        self._discover(born=newest != self._newest, thorough=thorough or self._samples % _SLOW_EVERY == 0)
        self._newest = newest
        self._samples += 1
        cpu_s, read_b, written_b, rss_b = self.reaped_s, self.reaped_read_b, self.reaped_written_b, 0
        for process in self._known.values():
            cpu_s += process.cpu_s
            read_b += process.read_b
            written_b += process.written_b
            rss_b += process.rss_b
        # A total that falls by more than the 10 ms ticks explain: a child died that nobody waited for.
        total_s = cpu_s + self.unwaited_s
        tolerance_s = (2 + len(self._known)) / TICKS_PER_S
        if total_s < self._highest_s - tolerance_s:
            self.unwaited_s += self._highest_s - total_s
            total_s = self._highest_s
        self._highest_s = max(self._highest_s, total_s)
        return total_s, self._without_shared(rss_b, now_s), read_b, written_b, len(self._known)

    def pids(self) -> frozenset[int]:
        return frozenset(self._known)

    def close(self) -> None:
        for process in self._known.values():
            self._let_go(process)
        self._known.clear()
        os.close(self._loadavg_fd)

    def _roots(self) -> list[int]:
        if self._include_root:
            return [self._root]
        return children_of(f"/proc/{self._root}/task/{self._root}/children")

    def _discover(self, *, born: bool, thorough: bool) -> None:
        """Refresh every process that is still there, and walk down from the roots when some may be new."""
        found: dict[int, Process] = {}
        # An orphan may have moved below the recorder between two looks; a known process is kept while it lives.
        for pid in [*(self._roots() if born or thorough else ()), *self._known]:
            self._visit(pid, found, born=born, thorough=thorough)
        for pid, process in self._known.items():
            if pid not in found:
                self._let_go(process)
        self._known = found

    def _visit(self, pid: int, found: dict[int, Process], *, born: bool, thorough: bool) -> None:
        queue = [pid]
        while queue:
            pid = queue.pop()
            if pid in found or pid == self._exclude:
                continue
            known = self._known.get(pid)
            try:
                process = known or self._hold(pid)
            except OSError:
                continue
            if not process.refresh(io=thorough or known is None):
                if known is None:
                    self._let_go(process)
                continue
            found[pid] = process
            if born or thorough or known is None:
                queue += process.children(all_threads=thorough and process.threads > 1)

    def _hold(self, pid: int) -> Process:
        """What else the recorder opens, such as lines to programs that open spans, keeps a quarter of the room."""
        limit = os.sysconf("SC_OPEN_MAX")
        room = limit * 3 // 4 - _OWN_FILES
        held = _ALL
        if limit >= 0 and self._held >= room // 2:
            held = _STAT if self._held < room else _NONE
        process = Process(pid, held)
        self._held += held
        return process

    def _let_go(self, process: Process) -> None:
        process.close()
        self._held -= process.held

    def _without_shared(self, rss_b: int, now_s: float) -> int:
        """Resident bytes of the tree with pages shared between its processes counted once.

        The ratio of proportional to resident size is looked up when the sum has grown: by half, or by 5 % if that
        takes its part of the time and no more. In between the last ratio holds.
        """
        if len(self._known) < 2:
            return rss_b
        grown = rss_b > (1.05 if now_s >= self._shared_due_s else 1.5) * self._shared_rss_b
        if grown and len(self._known) <= _SHARED_CHECK_MOST:
            began_s = time.thread_time()
            pairs = [(process.proportional_b(), process.rss_b) for process in self._known.values()]
            readable = [(pss_b, own_b) for pss_b, own_b in pairs if pss_b is not None]
            resident_b = sum(own_b for _, own_b in readable)
            if resident_b:
                self._shared_ratio = min(1.0, sum(pss_b for pss_b, _ in readable) / resident_b)
            self._shared_rss_b = rss_b
            self._shared_due_s = now_s + (time.thread_time() - began_s) / _SHARED_CHECK_SHARE
        # A proportional size also divides by strangers that map the same libraries; no process is less than it is.
        return max(round(rss_b * self._shared_ratio), *(process.rss_b for process in self._known.values()))
