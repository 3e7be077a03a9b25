"""Everything that wattleak itself can fail with.

    WattleakError                what happened + what to type next; knows its exit code
    ├── UsageError               2    the command line or the configuration is wrong
    ├── MeasurementError         3    what was measured cannot be trusted
    ├── OwnFailure             125    wattleak could not do its part (disk full, store unreadable)
    ├── NotExecutable          126    the command exists and cannot be run
    └── NotFound               127    the command does not exist

`cli.main` is the only place that turns them into exit codes; a library caller catches them.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every verb. `measure` passes the code of the measured command through instead."""

    DONE = 0
    FINDINGS = 1  # also: --require or check not met
    USAGE = 2
    NOT_TRUSTWORTHY = 3
    NOT_ENOUGH_RUNS = 4  # --require, check: too few runs to say
    OWN_FAILURE = 125
    NOT_EXECUTABLE = 126
    NOT_FOUND = 127
    INTERRUPTED = 130


class WattleakError(Exception):
    """A failure that a user can act on: `message` says what and where, `remedy` what to type next."""

    exit_code = ExitCode.OWN_FAILURE

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(WattleakError):
    exit_code = ExitCode.USAGE


class MeasurementError(WattleakError):
    exit_code = ExitCode.NOT_TRUSTWORTHY


class Interrupted(WattleakError):
    """Somebody asked the whole to end, not one of its parts."""

    exit_code = ExitCode.INTERRUPTED


class OwnFailure(WattleakError):
    exit_code = ExitCode.OWN_FAILURE


class NotExecutable(WattleakError):
    exit_code = ExitCode.NOT_EXECUTABLE


class NotFound(WattleakError):
    exit_code = ExitCode.NOT_FOUND
