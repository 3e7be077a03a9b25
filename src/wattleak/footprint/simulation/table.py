"""A table of a scenario file: its known keys, and values as they must be, or an error that names the key."""

from __future__ import annotations

from difflib import get_close_matches
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

from wattleak.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping


class Table:
    """A table of the file: its known keys, and values as they must be."""

    """`values` of the table called `title` in `file`. Raises UsageError for a key that is not among the known ones."""

    def __init__(self, file: str, title: str, values: Mapping[str, Any], known: tuple[str, ...]) -> None:
        self._file, self._title, self.values = file, title, values
        for key in values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
                raise UsageError(f"{file}: unknown key {self._named(key)}", hint)

    def error(self, key: str, what: str, remedy: str) -> UsageError:
        return UsageError(f"{self._file}: {self._named(key)}: {what}", remedy)

    def table(self, key: str) -> Mapping[str, Any]:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.error(key, "not a table", f"write [{key}] and its keys below it")
        return value

    def tables(self, key: str) -> list[Mapping[str, Any]]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.error(key, "not written as [[place]]", "one [[place]] for each")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self.error(key, "no text" if key in self.values else "missing", "give it in quotes")
        return value

    def number(self, key: str, default: float | None) -> float:
        """0 or more."""
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "missing", "wattleak simulate --example shows it")
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
            raise self.error(key, f"{value!r} is no number of 0 or more", "a plain number in the unit of its name")
        if key in self.values and not isfinite(value):
            raise self.error(key, f"{value!r} is no finite number", "a plain number in the unit of its name")
        return float(value)

    def positive(self, key: str, default: float | None = None) -> float:
        value = self.number(key, default)
        if not 0 < value < inf:
            raise self.error(key, "must be more than 0", "a plain number in the unit of its name")
        return value

    def numbers(self, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        value = self.values.get(key, default)
        if not isinstance(value, list | tuple) or not all(
            isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each < inf for each in value
        ):
            raise self.error(key, "not a list of numbers of 0 or more", "as [1, 1, 2, 4]")
        return tuple(float(each) for each in value)

    def whole(self, key: str, default: int | None, *, least: int) -> int:
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "missing", "wattleak simulate --example shows it")
        if isinstance(value, bool) or not isinstance(value, int) or (key in self.values and value < least):
            raise self.error(key, f"{value!r} does not fit", f"a whole number of at least {least}")
        return value

    def _named(self, key: str) -> str:
        return f"{key!r}" if not self._title else f"{key!r} of {self._title}"
