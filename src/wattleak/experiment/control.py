"""The reference program: the same work each time, so that whatever moves is the machine.

An integer loop in a fresh interpreter that reads nothing from the user's environment (`-I -S`): about a second on a
server of 2020 (an assumption; nobody needs it to be exact). Its number of turns never changes, so that its runs can be
compared over weeks.
"""

from __future__ import annotations

import sys

from wattleak.model import CONTROL, PlannedRun, Variant

_TURNS = 8_000_000
_PROGRAM = f"s = 0\nfor i in range({_TURNS}):\n    s = (s * 31 + i) % 1000003"

EVERY = 10
"""Blocks between two runs of the reference program, unless the user says otherwise (as methodology P10)."""


def control_variant() -> Variant:
    """The reference program as a variant that no user can name."""
    return Variant(CONTROL, (sys.executable, "-I", "-S", "-c", _PROGRAM))


def control_run(block: int, session: int) -> PlannedRun:
    """A run of it before the first run of a block, or after the last block."""
    return PlannedRun(block=block, position=-1, variant=CONTROL, seed=0, session=session)


class ControlClock:
    """Says when the reference program is due: at the start of a try, after every so many blocks, and at its end."""

    def __init__(self, every: int) -> None:
        self._every = every
        self._since: int | None = None  # blocks since the last one; None: there was none yet

    def is_due(self) -> bool:
        """Before a block is run."""
        return self._every > 0 and (self._since is None or self._since >= self._every)

    def is_due_at_end(self) -> bool:
        return self._every > 0 and self._since is not None and self._since > 0

    def ran(self) -> None:
        self._since = 0

    def block_done(self) -> None:
        if self._since is not None:
            self._since += 1
