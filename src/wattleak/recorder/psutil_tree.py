"""The process tree of the workload as psutil shows it: for macOS, Windows, and a Linux without pidfd.

Only what is alive can be looked at. What a process used before it died is known

- from the platform, where a living parent shows the CPU time of children that it has waited for (Linux);
- from `wait4`, for the workload itself and everything that was waited for below it, once it has ended (POSIX);
- else from the last look: what it used afterwards is missing, and so is a child that lived between two looks.

So each process carries its own CPU-seconds plus those of its dead children, as shown by the platform or as seen by us,
whichever is more:

    tree = sum over the living (own + max(waited for, seen to die)) + orphans seen to die

What may be missing is bounded: all processes of the machine together used `busy` CPU-seconds, of which the tree used
those that were seen. The rest was somebody else's work, or is missing: never more than that.
"""

from __future__ import annotations

import os
import time
from typing import NamedTuple

import psutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.recorder.portable_platforms import Platform

MARK = "WATTLEAK_RUN_ID"
_STRAYS_EVERY_S = 5.0
_SHARED_CHECK_SHARE = 0.01  # of the time, for looking up shared memory; each look wants 5 % more of it, so they end
_SHARED_CHECK_MOST = 64  # processes
_BUSY = ("user", "nice", "system", "irq", "softirq")  # of psutil.cpu_times; Windows has interrupts in `system`


class TreeReading(NamedTuple):
    """The tree at one moment. None: the platform does not say."""

    cpu_s: float
    unseen_s: float  # CPU-seconds that may be missing from `cpu_s`, at most
    memory_b: int
    read_b: int | None
    written_b: int | None
    processes: int


class _Seen:
    """A process that was seen alive."""

    __slots__ = (
        "born_s",
        "dead_below_s",
        "gone",
        "own_s",
        "parent",
        "process",
        "read_b",
        "rss_b",
        "waited_s",
        "written_b",
    )

    def __init__(self, process: psutil.Process, parent: _Seen | None) -> None:
        self.process = process
        self.parent = parent  # None: of the root, of an orphan, of what was found by its mark
        self.born_s = process.create_time()
        self.own_s = self.waited_s = self.dead_below_s = 0.0
        self.rss_b = self.read_b = self.written_b = 0
        self.gone = False

    @property
    def cpu_s(self) -> float:
        return self.own_s + max(self.waited_s, self.dead_below_s)


class PsutilTree:
    """`root` and all its descendants, orphans included as far as they were seen before, or carry `mark`.

    `mark` is the value of $WATTLEAK_RUN_ID in the environment of the workload; `exclude` are processes of our own.
    """

    def __init__(self, platform: Platform, *, exclude: Iterable[int], mark: str | None) -> None:
        self._platform = platform
        self._exclude = set(exclude)
        self._mark = mark
        self._root: _Seen | None = None
        self._known: dict[int, _Seen] = {}
        self._examined = set(psutil.pids()) if mark else set()
        self._strays_at_s = time.monotonic()
        self._looked_at_s = time.monotonic()
        self._orphans_s = 0.0
        self._dead_io = [0, 0]
        self._highest_s = 0.0
        self._exact_end = False
        self._base_busy_s = machine_busy_s() - own_cpu_s()
        self._base_s = 0.0
        self._others_s = 0.0  # what everybody else used so far, at the last look
        self._bound_s = 0.0
        self._tail_s = 0.0
        self._unique_ratio = 1.0
        self._unique_rss_b = 0
        self._unique_due_s = float("-inf")
        self.peak_process_b = 0  # the largest process, where the platform keeps it (Windows)

    def root(self, pid: int, *, newborn: bool) -> None:
        """Begin with this process: all of it (`newborn`), or from now on. Raises psutil.NoSuchProcess."""
        self._root = _Seen(psutil.Process(pid), None)
        self._known[pid] = self._root
        self._refresh(self._root)
        if not newborn:
            self._base_busy_s = machine_busy_s() - own_cpu_s()
            self._base_s = self._root.cpu_s

    @property
    def root_gone(self) -> bool:
        return self._root is not None and self._root.gone

    def settle(self, usage_s: float | None, *, own_s: float | None = None) -> None:
        """The root has ended.

        `usage_s` is what it and everything that it had waited for have used (wait4), `own_s` what it has used itself.
        """
        root = self._root
        if root is None:
            self._orphans_s += usage_s or own_s or 0.0  # it ended before it could be looked at
        else:
            root.own_s = max(root.own_s, own_s or 0.0)
            if usage_s is not None:
                root.dead_below_s = max(root.dead_below_s, usage_s - root.own_s)
            self._orphans_s += root.cpu_s
            self._dead_io[0] += root.read_b
            self._dead_io[1] += root.written_b
            self._known.pop(root.process.pid, None)
            root.gone = True
            self._root = None
        self._exact_end = usage_s is not None

    def waited_for(self, usage_s: float) -> None:
        """The root itself says what the children that it waited for have used since the start (attached)."""
        if self._root is not None and not self._platform.children_times:
            self._root.waited_s = max(self._root.waited_s, usage_s)
            self._exact_end = True

    def sample(self, now_s: float, *, thorough: bool = False) -> TreeReading:
        """Look at everything that lives."""
        before_s, before_others_s = self._looked_at_s, self._others_s
        self._looked_at_s = now_s
        vanished = [seen for seen in list(self._known.values()) if not self._refresh(seen)]
        lonely = self._bury(vanished)
        self._discover()
        if self._mark and (thorough or now_s - self._strays_at_s >= _STRAYS_EVERY_S):
            self._strays_at_s = now_s
            self._find_strays()
        living = [seen for seen in self._known.values() if not seen.gone]
        kept = [self._root] if self._root is not None and self._root.gone else []  # until it is settled
        cpu_s = self._orphans_s + sum(seen.cpu_s for seen in (*living, *kept))
        self._highest_s = cpu_s = max(self._highest_s, cpu_s)
        self._bound(cpu_s)
        if lonely:
            self._tail_s += max(0.0, min(self._others_s - before_others_s, (now_s - before_s) * (os.cpu_count() or 1)))
        exact = self._platform.children_times or self._exact_end
        read_b = self._dead_io[0] + sum(seen.read_b for seen in (*living, *kept))
        written_b = self._dead_io[1] + sum(seen.written_b for seen in (*living, *kept))
        return TreeReading(
            cpu_s,
            self._tail_s if exact else self._bound_s,
            self._resident_b(living, now_s),
            read_b if self._platform.io else None,
            written_b if self._platform.io else None,
            len(living),
        )

    def pids(self) -> frozenset[int]:
        return frozenset(pid for pid, seen in self._known.items() if not seen.gone)

    def processes(self) -> list[psutil.Process]:
        """The living, children before their parents."""
        living = (seen for seen in self._known.values() if not seen.gone)
        return [seen.process for seen in sorted(living, key=lambda seen: -seen.born_s)]

    # -- one look ------------------------------------------------------------------------------------------------

    def _refresh(self, seen: _Seen) -> bool:
        """Read a process again; False when it is gone, its last figures then stay."""
        process = seen.process
        try:
            if not process.is_running():  # false too when the pid has been given to somebody else
                seen.gone = True
                return False
            with process.oneshot():
                times = process.cpu_times()
                seen.own_s = times.user + times.system
                if self._platform.children_times:
                    seen.waited_s = times.children_user + times.children_system
                memory = process.memory_info()
                seen.rss_b = memory.rss
                self.peak_process_b = max(self.peak_process_b, getattr(memory, "peak_wset", 0))
                if self._platform.io:
                    io = process.io_counters()  # type: ignore[attr-defined, unused-ignore]  # not on macOS
                    seen.read_b, seen.written_b = io.read_bytes, io.write_bytes
                dead = process.status() == psutil.STATUS_ZOMBIE
        except psutil.AccessDenied:
            return True  # it became another user's: what was seen of it stays
        except psutil.NoSuchProcess:  # also: a zombie that shows nothing (macOS)
            seen.gone = True
            return False
        if dead and (seen.parent is None or not self._platform.children_times) and seen is not self._root:
            # Nobody will show its times any more: these are its last. Whose parent lives stays until it is waited for.
            seen.gone = True
            return False
        return True

    def _bury(self, vanished: list[_Seen]) -> bool:
        """Book the dead on their parents, the youngest first; True when one had no parent left to wait for it."""
        lonely = False
        for seen in sorted(vanished, key=lambda seen: -seen.born_s):
            if seen is self._root:
                continue  # kept until somebody says what it used
            del self._known[seen.process.pid]
            self._dead_io[0] += 0 if self._platform.children_times and seen.parent else seen.read_b
            self._dead_io[1] += 0 if self._platform.children_times and seen.parent else seen.written_b
            if seen.parent is None:
                self._orphans_s += seen.cpu_s
                lonely = True
            else:
                seen.parent.dead_below_s += seen.cpu_s
        for seen in self._known.values():
            if seen.parent is not None and seen.parent.gone:
                seen.parent = None
        return lonely

    def _discover(self) -> None:
        """Find descendants of the root, and of what was cut off from it by the death of a process between them."""
        tops = [seen for seen in self._known.values() if not seen.gone and seen.parent is None]
        for top in tops:
            try:
                children = top.process.children(recursive=True)
            except psutil.Error:
                continue
            for child in children:
                if child.pid not in self._known and child.pid not in self._exclude:
                    self._meet(child)

    def _meet(self, process: psutil.Process) -> None:
        """Take a new process in, unless a meter of ours has started it. Parents come before their children."""
        try:
            parent = process.ppid()
            if parent in self._exclude:
                self._exclude.add(process.pid)
                return
            seen = _Seen(process, self._known.get(parent))
        except psutil.Error:
            return
        if self._refresh(seen):
            self._known[process.pid] = seen

    def _find_strays(self) -> None:
        """Processes that left the tree unseen are known by the environment that they were started with."""
        now = set(psutil.pids())
        new = now - self._examined - self._known.keys() - self._exclude
        self._examined = now
        for pid in new:
            try:
                process = psutil.Process(pid)
                if process.environ().get(MARK) == self._mark:
                    self._meet(process)
            except (psutil.Error, OSError):
                continue  # gone, or not ours to read

    # -- sums ----------------------------------------------------------------------------------------------------

    def _bound(self, cpu_s: float) -> None:
        self._others_s = machine_busy_s() - own_cpu_s() - self._base_busy_s - (cpu_s - self._base_s)
        self._bound_s = max(self._bound_s, self._others_s)

    def _resident_b(self, living: list[_Seen], now_s: float) -> int:
        """Resident bytes: what each process has for itself, and the largest shared part once.

        The ratio to the sum of the resident sizes is looked up when that sum has grown: by half, or by 5 % if that
        takes its part of the time and no more. In between the last ratio holds.
        """
        rss_b = sum(seen.rss_b for seen in living)
        if len(living) < 2:
            return rss_b
        grown = rss_b > (1.05 if now_s >= self._unique_due_s else 1.5) * self._unique_rss_b
        if grown and len(living) <= _SHARED_CHECK_MOST:
            began_s = time.thread_time()
            pairs = [(seen.rss_b, unique) for seen in living if (unique := _unique_b(seen.process)) is not None]
            if pairs and sum(own for own, _ in pairs):
                shared_b = max(max(0, own - unique) for own, unique in pairs)
                self._unique_ratio = min(
                    1.0, (sum(unique for _, unique in pairs) + shared_b) / sum(own for own, _ in pairs)
                )
            self._unique_rss_b = rss_b
            self._unique_due_s = now_s + (time.thread_time() - began_s) / _SHARED_CHECK_SHARE
        return max(round(rss_b * self._unique_ratio), *(seen.rss_b for seen in living))


def _unique_b(process: psutil.Process) -> int | None:
    """Bytes that no other process has (USS)."""
    try:
        return int(process.memory_full_info().uss)
    except (psutil.Error, OSError):
        return None


def machine_busy_s() -> float:
    """CPU-seconds that the machine's CPUs have worked since it was started, for anybody."""
    times = psutil.cpu_times()
    return float(sum(getattr(times, field, 0.0) for field in _BUSY))


def own_cpu_s() -> float:
    """CPU-seconds of this process, the recorder."""
    return time.process_time()


def marked(name: str, value: str) -> list[psutil.Process]:
    """Processes of this user whose environment, at their start, had `name` at `value`; never this process itself."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(name) == value:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone, or not ours to read
    return found
