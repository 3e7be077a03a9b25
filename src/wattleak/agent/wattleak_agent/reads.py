"""Values that a program reads from tensors: each time, the host waits until the device has computed them.

read     by place in the user's own code: how many, in how many steps, how long the calls took, on which device
phase    host-device synchronisation: seconds of all such calls between the first and the last step, wherever the call
         stands; only of values that lay on an accelerator. On a CPU nothing is queued, and nobody waits.

What a library reads (a gradient scaler, a progress bar) is in the phase, but has no place of the user's.
"""

from __future__ import annotations

import functools
import sys
import time
from types import MethodType

from .steps import steps_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .agent import Agent

_MOST = 512
_LENGTH = "an index"  # list(batches) asks for their number, which is a tensor
_FEWEST = 16  # steps in which a place must read before it is noted
_getframe = sys._getframe
_monotonic = time.monotonic


class _Read:
    """One expression that reads."""

    __slots__ = ("asks", "at", "code", "count", "device", "first", "how", "line", "offset", "own", "s", "steps")

    def __init__(self, frame: Any, how: str, device: str, first: int, *, own: bool) -> None:
        self.code = frame.f_code
        self.offset = frame.f_lasti
        self.own = own  # the user's own code asks, and no library
        self.asks = own and how != _LENGTH
        self.line = frame.f_lineno
        self.how = how
        self.device = device
        self.first = first  # steps that had been made when it read for the first time
        self.at = -1  # when it read last
        self.count = self.steps = 0
        self.s = 0.0


class _Watched:
    """A method that is timed when a value is asked for it, and is itself when its class is.

    A framework that hands a method on (`__torch_function__`), a table with it as the key, pickle, inspect: they all
    take it from the class. Values of other classes than `kinds` have it as it is: these may be the program's own.
    """

    __slots__ = ("_kinds", "_original", "_watched")

    def __init__(self, original: Any, watched: Callable[..., Any], kinds: tuple[type, ...] | None) -> None:
        self._original = original
        self._watched = watched
        self._kinds = kinds

    def __get__(self, value: Any, owner: type | None = None) -> Any:
        if value is None or (self._kinds is not None and type(value) not in self._kinds):
            return self._original.__get__(value, owner)
        return MethodType(self._watched, value)


class Reads:
    """Follows what `watch` is told to, of values whose class is one of `kinds`; None: of all.

    `device_of(value, result)`: the name of the accelerator it lay on; None: no value was read.
    """

    def __init__(
        self,
        agent: Agent,
        framework: str,
        device_of: Callable[[Any, Any], str | None],
        kinds: tuple[type, ...] | None = None,
    ) -> None:
        self._agent = agent
        self._kinds = kinds
        self._framework = framework
        self._device_of = device_of
        self._steps = steps_of(agent)
        self._note = agent.guard(self._noted)
        self._undo: list[Callable[[], object]] = []
        self._inside = False  # of a call that is made of others: print(t) reads its values one by one
        self._clear()
        agent.at_flush(self._facts, reset=self._clear)

    def _clear(self) -> None:
        self._reads: dict[tuple[int, int], _Read] = {}
        self._last: _Read | None = None  # that was noted last, where nobody waits for a device
        self._pending_s = self._waited_s = 0.0  # since the last step; before it
        self._step = 0
        self.calls = 0  # from the user's own code

    def watch(self, owner: type, name: str, how: str, *, nested: bool = False) -> None:
        """Time every call of the method `owner.name`, which is put back by `leave`."""
        original = getattr(owner, name, None)
        if original is None:
            return
        held = vars(owner).get(name)
        ask = self._alone(original) if nested else original
        note, steps = self._note, self._steps

        @functools.wraps(original)
        def watched(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return original(*args, **kwargs)
            began_s = _monotonic()
            result = ask(*args, **kwargs)
            frame, read = _getframe(1), self._last
            if read is None or frame.f_code is not read.code or frame.f_lasti != read.offset:
                note(args[0], result, began_s, how, frame)
                return result
            # As `_noted` does, with fewer instructions: most trainings read one value, again and again.
            read.s += _monotonic() - began_s
            self.calls += read.asks
            read.count += 1
            if read.at != steps.total:
                read.at = steps.total
                read.steps += 1
            return result

        ours = _Watched(original, watched, self._kinds)
        setattr(owner, name, ours)

        def put_back() -> None:
            if vars(owner).get(name) is not ours:
                return  # the program has put another one there meanwhile
            if held is None:
                delattr(owner, name)
            else:
                setattr(owner, name, held)

        self._undo.append(put_back)

    def _alone(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def alone(*args: Any, **kwargs: Any) -> Any:
            self._inside = True
            try:
                return original(*args, **kwargs)
            finally:
                self._inside = False

        return alone

    def watch_all(self, owner: type, plain: dict[str, str], of_others: dict[str, str]) -> None:
        """Each method and how it is told; those of `of_others` read by calling others, which are not counted twice."""
        for name, how in plain.items():
            self.watch(owner, name, how)
        for name, how in of_others.items():
            self.watch(owner, name, how, nested=True)

    def leave(self) -> None:
        """Put everything back: a compiler would see what stands around it."""
        undo, self._undo = self._undo, []
        for put_back in undo:
            put_back()

    def _noted(self, value: Any, result: Any, began_s: float, how: str, frame: Any) -> None:
        taken_s = _monotonic() - began_s
        total = self._steps.total
        if not total:
            return
        code = frame.f_code
        key = id(code), frame.f_lasti  # of a code that _Read keeps; its own hash goes through all that it consists of
        read = self._reads.get(key)
        if read is None:
            device = self._device_of(value, result)
            if device is None or len(self._reads) >= _MOST:
                return
            own = self._agent._places.is_own_file(code.co_filename)
            read = self._reads[key] = _Read(frame, how, device, total, own=own)
        self._last = read if read.device == "cpu" else None
        self.calls += read.asks
        read.count += 1
        read.s += taken_s
        if read.at != total:
            read.at = total
            read.steps += 1
        if read.device != "cpu":
            if self._step != total:
                self._step = total
                self._waited_s += self._pending_s
                self._pending_s = 0.0
            self._pending_s += taken_s

    def _facts(self) -> Iterator[dict[str, Any]]:
        total = self._steps.total
        lines: dict[tuple[str, int], dict[str, Any]] = {}
        for read in list(self._reads.values()):
            if read.steps < _FEWEST or not read.own:
                continue
            file, line, function = self._agent._places.named(read.code, read.line)
            fact = lines.setdefault(
                (file, line),
                {
                    "k": "read",
                    "key": f"{file}:{line}",
                    "framework": self._framework,
                    "file": file,
                    "line": line,
                    "function": function,
                    "how": read.how,
                    "device": read.device,
                    "reads": 0,
                    "s": 0.0,
                    "steps": 0,
                    "of_steps": total - read.first + 1,
                },
            )
            fact["reads"] += read.count
            fact["s"] += read.s
            fact["steps"] = max(fact["steps"], read.steps)
        yield from lines.values()
        name = "host-device synchronisation"
        if self._waited_s:
            yield {
                "k": "phase",
                "key": f"{name} {self._framework}",
                "name": name,
                "s": self._waited_s,
                "in": "training",
            }
