"""Timing the calls `module.function()` of a builtin, which stays what it is for everybody who does not call it there.

In the place of a builtin, a function in Python would be found out: pickle compares what a program imported with what
the module has now, and as the attribute of a class it would be bound. So the module gets a class that answers when it
is asked for the function: with a watch, where the very next thing is the call, else with the builtin itself.

For gc.collect there would be gc.callbacks. But what a handler of a signal raises in one of these (Ctrl-C, a time
limit), Python prints and forgets, and a signal that comes during a collection is handled in just these.
"""

from __future__ import annotations

import dis
import sys
import time
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

    from .agent import Agent

_MOST = 1024
_LOADS = ("LOAD_ATTR", "LOAD_METHOD")
_BETWEEN = ("CACHE", "EXTENDED_ARG", "KW_NAMES", "LOAD_CONST", "LOAD_SMALL_INT", "NOP", "PRECALL", "PUSH_NULL")
_monotonic = time.monotonic


def time_calls(agent: Agent, module: ModuleType, name: str, called: Callable[[float, FrameType], object]) -> None:
    """Have `called(seconds, frame of the caller)` told, guarded, of each call of `module.name` in Python code.

    A module whose class is not the usual one is left alone.
    """
    if type(module) is ModuleType and type(vars(module).get(name)) is type(len):
        module.__class__ = type("module", (_Watching,), {name: _Handed(agent, module, name, called)})


class _Watching(ModuleType):
    """A module that a function is watched of."""

    def __reduce__(self) -> tuple[Any, ...]:  # as cloudpickle sends modules
        return import_module, (self.__name__,)


class _Handed:
    """The attribute: what lies in the module, or a watch around it."""

    def __init__(
        self, agent: Agent, module: ModuleType, name: str, called: Callable[[float, FrameType], object]
    ) -> None:
        self._name = name
        self._builtin = vars(module)[name]
        self._called = agent.guard(called)
        self._is_called = agent.guard(self._asked_for_a_call)
        self._calls: dict[tuple[CodeType, int], bool] = {}

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self
        try:
            held = vars(module)[self._name]
        except KeyError:
            raise AttributeError(f"module {module.__name__!r} has no attribute {self._name!r}") from None
        if held is not self._builtin or not self._is_called(sys._getframe(1)):
            return held
        return self._timed

    def __set__(self, module: Any, value: Any) -> None:
        vars(module)[self._name] = value

    def __delete__(self, module: Any) -> None:
        try:
            del vars(module)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None

    def _timed(self, *args: Any, **kwargs: Any) -> Any:
        began_s = _monotonic()
        result = self._builtin(*args, **kwargs)
        self._called(_monotonic() - began_s, sys._getframe(1))
        return result

    def _asked_for_a_call(self, frame: FrameType) -> bool:
        key = frame.f_code, frame.f_lasti
        known = self._calls.get(key)
        if known is None:
            if len(self._calls) >= _MOST:
                self._calls.clear()
            known = self._calls[key] = _calls_at_once(*key, self._name)
        return known


def _calls_at_once(code: CodeType, at: int, name: str) -> bool:
    """Whether the instruction at `at` asks for the attribute `name`, and the next one of any weight is a call of it."""
    following = (each for each in dis.get_instructions(code) if each.offset >= at)
    first = next(following, None)
    if first is None or first.offset != at or first.opname not in _LOADS or first.argval != name:
        return False
    return next((each.opname for each in following if each.opname not in _BETWEEN), "").startswith("CALL")
