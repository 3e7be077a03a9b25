"""An experiment that is asked to end between two of its runs says so as it does within one (executors.local)."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from wattleak.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_ENDING = ("SIGTERM", "SIGHUP")  # SIGINT raises KeyboardInterrupt by itself


@contextmanager
def told_between_runs(experiment: str) -> Iterator[None]:
    """Raise Interrupted, with the way to go on, when SIGINT, SIGTERM or SIGHUP arrives inside."""
    told = signal.SIGINT

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal told
        told = signal.Signals(number)
        raise KeyboardInterrupt

    before = {}
    if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
        for name in _ENDING:
            number = getattr(signal, name, None)  # Windows has no SIGHUP
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted by {told.name} between two runs",
            f"what was finished is kept: wattleak compare --resume {experiment}",
        ) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
