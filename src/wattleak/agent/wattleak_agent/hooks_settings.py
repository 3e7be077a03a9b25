"""Settings that a program makes for itself: how many threads it asks for, and variables that somebody reads only once.

    {"k": "threads", "key": setter and place, "name": "torch.set_num_threads", "number": 16, "file", "line", "function"}
    {"k": "environment", "key": variable, "name": variable, "born": value at the start, "now": value,
     "children": processes that this one had or has, "file", "line", "function"}

A variable that was set before the first framework is imported is found by comparing with what the process began with
(proc_pid_environ(5)); its line is the last one above the import, in a file of the user's own that is being run, which
names the variable and the environment. After that, a variable is seen when os.environ is written to.
"""

from __future__ import annotations

import os
import sys

from . import children_before

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from types import FrameType
    from typing import Any

    from .agent import Agent

VARIABLES = (
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_MOST_SITES = 100
_LARGEST_B = 1 << 20
_DEEPEST = 200

_begun: list[_Settings] = []  # one for one process: several packages load this module


def register(agent: Agent) -> None:
    """Compare the environment with what it was at the start, and listen from here on."""
    if _begun:
        return
    settings = _Settings(agent)
    _begun.append(settings)
    settings.begin(sys._getframe(0))
    agent.when_imported("torch", settings.listen_to_torch)
    agent.when_imported("threadpoolctl", settings.listen_to_limits)
    agent.when_imported("tensorflow", settings.listen_to_tensorflow)


class _Settings:
    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._asked: dict[str, dict[str, Any]] = {}
        self._set: dict[str, dict[str, Any]] = {}
        self._born: dict[str, str] = {}
        self._children_before = children_before

    def begin(self, frame: FrameType | None) -> None:
        self._born = _environment_at_start()
        for name in VARIABLES:
            now = os.environ.get(name)
            if now is not None and now != self._born.get(name):
                self._note_variable(name, now, _line_that_sets(self._agent, name, frame))
        # Not os.putenv itself: it is a builtin, and a function in Python in its place could not be pickled by name.
        self._agent.around(type(os.environ), "__setitem__", after=self._put)
        self._agent.at_flush(self._facts, reset=self._forget_children)

    def listen(self, owner: Any, prefix: str, name: str) -> None:
        """Have every call of `owner.name(number)` noted with its line."""

        def before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            number = args[0] if args else next(iter(kwargs.values()), None)
            if isinstance(number, int) and not isinstance(number, bool):
                self._note_threads(prefix + "." + name, number)

        self._agent.around(owner, name, before=before)

    def listen_to_torch(self, torch: Any) -> None:
        self.listen(torch, "torch", "set_num_threads")

    def listen_to_tensorflow(self, tensorflow: Any) -> None:
        threading = tensorflow.config.threading
        for name in ("set_intra_op_parallelism_threads", "set_inter_op_parallelism_threads"):
            self.listen(threading, "tf.config.threading", name)

    def listen_to_limits(self, threadpoolctl: Any) -> None:
        def before(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            limits = args[1] if len(args) > 1 else kwargs.get("limits")
            if isinstance(limits, int) and self._agent.site() is not None:
                self._note_threads("threadpoolctl.threadpool_limits", limits, only_own=True)

        self._agent.around(threadpoolctl.threadpool_limits, "__init__", before=before)

    def _note_threads(self, name: str, number: int, *, only_own: bool = False) -> None:
        site = self._agent.site()
        if len(self._asked) >= _MOST_SITES or (only_own and site is None):
            return
        key = f"{name} {site} {number}"
        if key not in self._asked:
            self._asked[key] = {"k": "threads", "key": key, "name": name, "number": number, **_of(site)}

    def _put(self, _token: object, args: tuple[Any, ...], _kwargs: dict[str, Any], _result: object) -> None:
        if args[0] is not os.environ and args[0] is not getattr(os, "environb", None):
            return
        name, now = (os.fsdecode(word) for word in args[1:3])
        if name in VARIABLES and now != self._born.get(name):
            self._note_variable(name, now, self._agent.site())

    def _note_variable(self, name: str, now: str, site: tuple[str, int, str] | None) -> None:
        born = self._born.get(name)
        self._set[name] = {"k": "environment", "key": name, "name": name, "born": born, "now": now, **_of(site)}

    def _facts(self) -> list[dict[str, Any]]:
        children = _children(self._children_before) if self._set else 0
        return [*self._asked.values(), *(dict(fact, children=children) for fact in self._set.values())]

    def _forget_children(self) -> None:
        """A forked process did not set these: its parent did, and says so."""
        self._set = {}
        self._asked = {}
        self._children_before = 0


def _of(site: tuple[str, int, str] | None) -> dict[str, Any]:
    return {} if site is None else {"file": site[0], "line": site[1], "function": site[2]}


def _environment_at_start() -> dict[str, str]:
    """What Linux keeps of it; elsewhere as it is now, so that nothing has been set."""
    try:
        with open("/proc/self/environ", "rb") as file:
            pairs = [entry.partition(b"=") for entry in file.read().split(b"\0")]
    except OSError:
        return dict(os.environ)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def _children(before: int) -> int:
    """How many times a process was started that got the variables, as far as it shows: waited for, or alive now."""
    import resource

    # Every process has page faults. Those before us are of a shell that became this Python by exec.
    waited_for = int(resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt > before)
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return waited_for + len(file.read().split())
    except OSError:
        return waited_for


def _line_that_sets(agent: Agent, name: str, frame: FrameType | None) -> tuple[str, int, str] | None:
    """The last line above the running one, in the innermost file of the user's own that has one."""
    import re

    wanted = re.compile("(environ|putenv).*" + name)
    tried = set()
    for _ in range(_DEEPEST):
        site = agent._places.innermost(frame)
        if site is None or frame is None:
            return None
        if site not in tried:
            tried.add(site)
            line = _last_line(site[0], site[1], wanted)
            if line is not None:
                return site[0], line, site[2]
        frame = frame.f_back
    return None


def _last_line(path: str, before: int, wanted: re.Pattern[str]) -> int | None:
    try:
        if os.path.getsize(path) > _LARGEST_B:
            return None
        with open(path, encoding="utf-8", errors="replace") as file:
            lines = file.read().split("\n")[:before]
    except OSError:
        return None
    numbers = [number for number, line in enumerate(lines, 1) if wanted.search(line)]
    return numbers[-1] if numbers else None
