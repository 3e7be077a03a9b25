"""Cleaning up that a program asks for in its steps: the garbage collector, the memory of a device, a session.

    {"k": "cleaning", "key": call and place, "name": "gc.collect()", "calls", "steps": in which it was called,
     "of_steps": since the first time, "s", "file", "line", "function"}

Only what is called after the first step is noted, and not what the collector does by itself. Until then the module gc
is left as it is.
"""

from __future__ import annotations

import gc
import time

from .builtin_calls import time_calls
from .steps import caller, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from .agent import Agent
    from .steps import Loop

_MOST = 128
_monotonic = time.monotonic

_begun: list[Cleaning] = []  # one for one process: several packages load this module


def register(agent: Agent) -> None:
    if _begun:
        return
    cleaning = Cleaning(agent)
    _begun.append(cleaning)
    steps_of(agent).at_first.append(agent.guard(cleaning.listen_to_collector))

    def listen_to_cuda(cuda: Any) -> None:
        for name in ("empty_cache", "synchronize"):
            cleaning.listen(cuda, name, f"torch.cuda.{name}()")

    def listen_to_keras(keras: Any) -> None:
        cleaning.listen(keras.utils, "clear_session", "keras.utils.clear_session()")

    agent.when_imported("torch.cuda", listen_to_cuda)
    agent.when_imported("keras", listen_to_keras)


class Cleaning:
    """Counts calls by place, and the steps that they came after."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._steps = steps_of(agent)
        self._calls: dict[Any, dict[str, Any]] = {}
        agent.at_flush(self._facts, reset=self._calls.clear)

    def listen(self, owner: Any, function: str, name: str) -> None:
        """Time every call of `owner.function`."""

        def after(began_s: float, _args: Any, _kwargs: Any, _result: Any) -> None:
            self._count(name, _monotonic() - began_s, caller(2))

        self._agent.around(owner, function, lambda _args, _kwargs: _monotonic(), after)

    def listen_to_collector(self, _loop: Loop) -> None:
        """Time every call of gc.collect from now on. In a fork it is called again, and listens already."""
        time_calls(self._agent, gc, "collect", lambda taken_s, frame: self._count("gc.collect()", taken_s, frame))

    def _count(self, name: str, taken_s: float, frame: FrameType | None) -> None:
        total = self._steps.total
        if not total:
            return
        site = self._agent._places.innermost(frame)
        fact = self._calls.get((name, site))
        if fact is None:
            if site is None or len(self._calls) >= _MOST:
                return
            file, line, function = site
            fact = {"k": "cleaning", "key": f"{name} {file}:{line}", "name": name, "file": file, "line": line}
            fact.update(function=function, calls=0, steps=0, of_steps=0, s=0.0, first=total, last=0)
            self._calls[name, site] = fact
        fact["calls"] += 1
        fact["s"] += taken_s
        if fact["last"] != total:
            fact["last"] = total
            fact["steps"] += 1

    def _facts(self) -> list[dict[str, Any]]:
        total = self._steps.total
        return [{**fact, "of_steps": total - fact["first"] + 1} for fact in list(self._calls.values())]
