"""What every kind of file says alike: this variable gets this value, here, for this command, on so many CPUs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.source.lined import Span


@dataclass(frozen=True, slots=True)
class Grant:
    """CPUs that a file gives to a command or container. `written` is how a message calls it."""

    cpus: float
    written: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """One place where an environment variable gets a value.

    Attributes:
        name: of the variable.
        value: the text that it gets; None: it depends on something that the file does not spell out.
        written: the text as it stands there, without quotes, with what is to be put in for `$NAME`.
        span: where the value stands, quotes included.
        scope: what it holds for, in words: "this script", "service web", "container main".
        command: the command that gets it, where it is for one command alone.
        granted: the CPUs that the same file gives to what `scope` names; None: it does not say.
        is_elsewhere: what it holds for runs in a container or a batch job, which has CPUs of its own.
        is_conditional: it is made under a condition, so that nobody knows whether it is.
    """

    name: str
    value: str | None
    written: str
    span: Span
    scope: str
    command: str | None = None
    granted: Grant | None = None
    is_elsewhere: bool = False
    is_conditional: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A value of a configuration file: `path` are the keys that lead to it, of a list its index."""

    path: tuple[str | int, ...]
    value: str
    span: Span


def cpu_list(text: str) -> int | None:
    """Return how many CPUs a list such as `0-3,8` names; None: it is no list of numbers."""
    cpus: set[int] = set()
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()) or len(low + high) > 12:
            return None
        first, last = int(low), int(high or low)
        if not first <= last < first + 100_000:
            return None
        cpus.update(range(first, last + 1))
    return len(cpus)


def cpu_quantity(text: str) -> float | None:
    """Return the CPUs of a Kubernetes quantity or of Docker's --cpus: `2`, `1.5`, `500m`. None: it is none."""
    text = text.strip()
    milli = text.endswith("m")
    try:
        number = float(text[:-1] if milli else text) / (1000 if milli else 1)
    except ValueError:
        return None
    return number if 0 < number < 1_000_000 else None
