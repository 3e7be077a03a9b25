"""Whose exception is it? A handler of a signal runs wherever the program is, be it in one of our hooks."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


def is_programs_own(error: BaseException) -> bool:
    """Whether `error` was raised by a handler of a signal, as in a program that limits its own time. Raises nothing."""
    try:
        codes = _codes_of_handlers()
        trace = error.__traceback__
        while codes and trace is not None:
            if trace.tb_frame.f_code in codes:
                return True
            trace = trace.tb_next
    except Exception:  # a program that has replaced what this needs
        pass
    return False


def _codes_of_handlers() -> set[CodeType]:
    signal = sys.modules.get("signal")
    if signal is None:
        return set()
    found = set()
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        while hasattr(handler, "func"):  # functools.partial
            handler = handler.func
        if not callable(handler) or handler is signal.default_int_handler:
            continue
        for function in (handler, getattr(handler, "__func__", None), type(handler).__call__):
            code = getattr(function, "__code__", None)
            if code is not None:
                found.add(code)
    return found
