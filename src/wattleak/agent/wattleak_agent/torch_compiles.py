"""PyTorch: what torch.compile compiled, how often again and why, and how long it took.

Where compilations begin and end is heard from the callbacks of torch._dynamo, why one was made again from the metrics
that it keeps of them (PyTorch 2.6 and later). Where a version has neither, nothing is noted.
"""

from __future__ import annotations

import sys
import time
from types import CodeType

from .spent import Prepared
from .steps import caller, steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .agent import Agent
    from .steps import Site

_MOST = 128
_SETTLE = 8  # compilations after which the metrics are read: PyTorch keeps the last 64
_LONGEST = 120  # characters of a reason
# What another model, or another mode of the same one, has to be compiled for.
_NEEDED = (
    "._parameters[",
    "._buffers[",
    "_modules)",
    "GLOBAL_STATE",
    ".training",
    "obj_id",
    "type_id",
    "type mismatch",
)
_LIMIT = "recompile_limit"
_monotonic = time.monotonic


class Compiles:
    """Follows the compilations of this process."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._steps = steps_of(agent)
        self._prepared = Prepared("compiling")
        self._clear()
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._codes: dict[Any, dict[str, Any]] = {}  # by code, or by site where the code is not known
        self._running: tuple[float, Any, str] | None = None
        self._by_frame: dict[str, Any] = {}  # number of a frame, as in compile ids -> key of its fact
        self._unsettled: dict[str, float] = {}  # compile id -> seconds
        self._prepared.clear()

    def install(self, callback: Any) -> None:
        """torch._dynamo.callback was imported. Its handler forgets callbacks at every reset(); its methods stay."""
        handler = callback.CompilationCallbackHandler
        self._agent.around(handler, "run_start_callbacks", before=self._begin)
        self._agent.around(handler, "run_end_callbacks", before=self._end)

    def _begin(self, args: Any, kwargs: Any) -> None:
        told = args[1] if len(args) > 1 else kwargs.get("args")
        code, frame = None, caller(2)
        while frame is not None and code is None:
            if frame.f_code.co_filename.endswith("convert_frame.py"):
                found = frame.f_locals.get("code")
                code = found if isinstance(found, CodeType) else None
            frame = frame.f_back
        site = self._agent._places.innermost(frame or caller(2))
        own = code is not None and self._agent._places.is_own_file(code.co_filename)
        key = code if own else site
        if key not in self._codes and len(self._codes) < _MOST:
            where = self._agent._places.named(code, code.co_firstlineno) if own and code is not None else site
            self._codes[key] = self._new(where, code)
        self._running = _monotonic(), key, str(getattr(told, "compile_id", ""))

    def _new(self, where: Site | None, code: Any) -> dict[str, Any]:
        file, line, function = where or (None, None, None)
        fact = {"k": "recompiled", "key": f"{file}:{line}:{len(self._codes)}", "file": file, "line": line}
        fact.update(function=function, name=code.co_name if code is not None else function)
        return {**fact, "compiled": 0, "s": 0.0, "again": 0, "again_s": 0.0, "gave_up": False, "reason": None}

    def _end(self, _args: Any, _kwargs: Any) -> None:
        if self._running is None:
            return
        (began_s, key, compile_id), self._running = self._running, None
        now_s = _monotonic()
        fact = self._codes.get(key)
        if fact is not None:
            fact["compiled"] += 1
            fact["s"] += now_s - began_s
            self._by_frame[compile_id.partition("/")[0]] = key
            self._unsettled[compile_id] = now_s - began_s
        self._prepared.add(began_s, now_s)
        if len(self._unsettled) >= _SETTLE:
            self._settle()
        self._agent.tick()

    def _settle(self) -> None:
        """Ask why: of those since the last time, which were made again without need."""
        metrics = getattr(sys.modules.get("torch._dynamo.utils"), "get_compilation_metrics", None)
        if metrics is None:
            self._unsettled.clear()
            return
        for record in metrics():
            compile_id = str(getattr(record, "compile_id", None))
            reason = getattr(record, "recompile_reason", None)
            fact = self._codes.get(self._by_frame.get(compile_id.partition("/")[0]))
            if fact is None or not (reason or getattr(record, "co_name", None)):
                continue  # of a backward pass, which has no reason of its own
            if _LIMIT in str(getattr(record, "fail_reason", None)):
                fact["gave_up"] = True
            taken_s = self._unsettled.pop(compile_id, None)
            if taken_s is not None and reason and not any(word in reason for word in _NEEDED):
                fact["again"] += 1
                fact["again_s"] += taken_s
                fact["reason"] = _short(reason)
        # The record of one that has only just ended comes later.
        if len(self._unsettled) > _MOST:
            self._unsettled.clear()

    def _facts(self) -> Iterator[dict[str, Any]]:
        if not self._codes:
            return
        self._settle()
        yield from [dict(fact) for fact in self._codes.values()]
        yield from self._prepared.facts(self._steps.first_s, self._steps.last_s)


def _short(reason: str) -> str:
    """`2/3: k == 'aaa'      # def hh(x,k): ...` without the number and what follows the condition."""
    first = reason.split("\n", 1)[0].partition("  #")[0]
    number, colon, rest = first.partition(": ")
    told = rest if colon and "/" in number else first
    return told.partition(". Guard failed")[0].strip()[:_LONGEST]
