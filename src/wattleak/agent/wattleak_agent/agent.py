"""What a hook uses: emit facts, know the user's line, be flushed in time, and never be noticed.

    def register(agent):                                    # of a module in hooks.LISTED
        agent.when_imported("torch.optim", install)

    def install(module): ...                                # under guard, after the program imported it

Facts are lines of JSON in $WATTLEAK_SIGNALS/<pid>-<random>.jsonl:

    {"k": kind, "t": seconds on CLOCK_MONOTONIC, "key": ..., ...}

A line with a "key" is cumulative: of the lines of one process with the same "k" and "key", the last one holds. A line
without is an event, and all of them hold. Units end the names of facts: wait_s, live_b.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from _thread import allocate_lock
from importlib import import_module

from .interrupting import is_programs_own
from .places import Places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

FLUSH_S = 5.0  # os._exit and SIGKILL lose no more than this,
SHARE = 0.01  # or than this part of the time so far, in a program that runs for long: a week's notes must fit in MOST_B
MOST_B = 16 << 20  # of one process: a hook that has gone wild must not fill the disk

# A program may replace any of these (freezegun, pyfakefs, gevent, a test runner): we keep the real ones.
_open, _write, _close, _getpid = os.open, os.write, os.close, os.getpid
_monotonic = time.monotonic
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)


class Agent:
    """The agent of one process. Every public method may be called from any thread and raises nothing of its own."""

    def __init__(
        self, target: str, folder: str, name: str, pid: int, waiting: dict[str, list[Callable[[Any], object]]]
    ) -> None:
        self.pid = _getpid()
        self._target = target
        self._name = name
        self._written_b = 0
        self._began_s = _monotonic()
        self._due_s = self._began_s + FLUSH_S
        self._makers: list[tuple[Callable[[], Iterable[dict[str, Any]]], Callable[[], object] | None]] = []
        self._flushing = allocate_lock()
        self._places = Places(folder)
        self._waiting = waiting  # module name -> what to call after its import
        if self.pid != pid:  # forked before the first framework was imported
            self._name = self._new_name()
            self._append([self._forked_from(pid)])
        atexit.register(self.flush)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._in_child)
        # A forked worker of multiprocessing ends by os._exit, after finalizers of its own.
        self.when_imported("multiprocessing.util", self._end_of_workers)

    # -- what hooks use ----------------------------------------------------------------------------------------------

    def emit(self, kind: str, **facts: Any) -> None:
        """Append one line now. Values that JSON has no word for are written as text."""
        try:
            self._append([_line(dict(facts, k=kind))])
        except Exception as error:  # a fact is lost; the program is not
            if is_programs_own(error):
                raise

    def site(self) -> tuple[str, int, str] | None:
        """(file, line, function) of the innermost frame of the user's own code; None: no such frame.

        Not the user's own: the standard library, installed packages, wattleak and its agent, generated code.
        """
        return self._places.innermost(sys._getframe(1))

    def at_flush(
        self, make: Callable[[], Iterable[dict[str, Any]]], *, reset: Callable[[], object] | None = None
    ) -> None:
        """Have `make()` asked for facts (dicts, each with "k" and, being cumulative, "key") at exit and now and then.

        A forked child inherits what was counted before, and would report it twice: there `reset()` is called first,
        and a maker without one is dropped.
        """
        self._makers.append((make, reset))

    def guard(self, hook: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap `hook`: its first failure turns it off and is reported once; the wrapper then returns None.

        What ends a program (KeyboardInterrupt, SystemExit) goes through, and so does what a handler of a signal raises
        that comes while the hook runs. At the end of the stack or of memory the
        hook is only passed over: that is the program's doing.
        """
        kept: Callable[..., Any] | None = hook

        def guarded(*args: Any, **kwargs: Any) -> Any:  # a closure: a call of it takes half as long as one of an object
            nonlocal kept
            if kept is None:
                return None
            try:
                return kept(*args, **kwargs)
            except (RecursionError, MemoryError):
                return None
            except Exception as error:  # whatever a hook of ours does wrong
                if is_programs_own(error):
                    raise
                if kept is not None:
                    kept = None
                    self.failed(hook, error)
                return None

        return guarded

    def when_imported(self, name: str, install: Callable[[Any], object]) -> None:
        """Call `install(module)`, guarded, once the program has imported the module `name`; at once if it has."""
        guarded = self.guard(install)
        module = sys.modules.get(name)
        if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
            guarded(module)
        else:
            self._waiting.setdefault(name, []).append(guarded)

    def tick(self) -> None:
        """Called by hooks as often as they like (0.1 microseconds): flushes when it is time to."""
        if _monotonic() >= self._due_s:
            self.flush()

    def around(
        self,
        owner: Any,
        name: str,
        before: Callable[..., Any] | None = None,
        after: Callable[..., Any] | None = None,
        failed: Callable[..., Any] | None = None,
    ) -> None:
        """Replace the function `owner.name` by one that calls it between two hooks, both guarded.

        before(args, kwargs) -> token; after(token, args, kwargs, result), where the original returned. What it raises
        passes through untouched, after failed(token) was told. For places that have no public hook.
        """
        from .around import surround

        surround(self, owner, name, before, after, failed)

    # -- the rest ----------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Write what the makers have to say. A second call meanwhile, from a thread or a signal, does nothing."""
        now_s = _monotonic()
        self._due_s = now_s + max(FLUSH_S, SHARE * (now_s - self._began_s))
        if not self._flushing.acquire(False):
            return
        try:
            lines = []
            for pair in list(self._makers):
                lines += self._made(pair)
            self._append(lines)
        except Exception as error:  # as in emit
            if is_programs_own(error):
                raise
        finally:
            self._flushing.release()

    def _made(self, pair: tuple[Callable[[], Iterable[dict[str, Any]]], object]) -> list[bytes]:
        try:
            return [_line(facts) for facts in pair[0]()]
        except Exception as error:  # whatever a hook of ours does wrong
            if is_programs_own(error):
                raise
            if pair in self._makers:
                self._makers.remove(pair)
            self.failed(pair[0], error)
            return []

    def failed(self, hook: object, error: BaseException) -> None:
        """Report that a hook was turned off."""
        try:
            trace, where = error.__traceback__, None
            while trace is not None:
                where = f"{trace.tb_frame.f_code.co_filename.rpartition(os.sep)[2]}:{trace.tb_lineno}"
                trace = trace.tb_next
            name = getattr(hook, "__qualname__", None) or type(hook).__qualname__
            self.emit("failure", hook=f"{getattr(hook, '__module__', '')}.{name}", error=repr(error)[:500], where=where)
        except Exception:  # a program that has replaced what even this needs
            pass

    def load(self, module: str) -> None:
        """Have a module of this package register its hooks. One that fails is reported and missed."""
        self.guard(self._load)(module)

    def _load(self, module: str) -> None:
        import_module("." + module, __package__).register(self)

    def _end_of_workers(self, util: Any) -> None:
        util.register_after_fork(self, lambda agent: util.Finalize(None, agent.flush, exitpriority=-(1 << 20)))

    def _append(self, lines: list[bytes]) -> None:
        """Append, one write a line. Opened anew each time: a program may close descriptors it does not know."""
        if not lines or self._written_b >= MOST_B:
            return
        descriptor = _open(os.path.join(self._target, self._name), _FLAGS, 0o600)
        try:
            for line in lines:
                self._written_b += _write(descriptor, line)
            if self._written_b >= MOST_B:
                _write(descriptor, b'{"k":"full"}\n')
        finally:
            _close(descriptor)

    def _new_name(self) -> str:
        return f"{self.pid}-{os.urandom(4).hex()}.jsonl"

    def _forked_from(self, parent: int) -> bytes:
        return _line({"k": "fork", "pid": self.pid, "parent": parent})

    def _in_child(self) -> None:
        """After a fork: another process, another file, nothing counted yet."""
        try:
            parent, self.pid = self.pid, _getpid()
            self._name, self._written_b = self._new_name(), 0
            self._flushing = allocate_lock()  # the old one may be held by a thread that does not exist here
            self._due_s = _monotonic() + FLUSH_S
            kept, self._makers = self._makers, []
            for make, reset in kept:
                if reset is not None:
                    self.guard(reset)()
                    self._makers.append((make, reset))
            self._append([self._forked_from(parent)])
        except Exception:  # a child without an agent is a child
            pass


def _line(facts: dict[str, Any]) -> bytes:
    import json

    facts.setdefault("t", _monotonic())
    return json.dumps(facts, default=str, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
