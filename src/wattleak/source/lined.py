"""Text with lines: what every file that is scanned has, whatever it is written in."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

LINE_END = re.compile(r"\r\n|\r|\n")  # what Python ends a line with; str.splitlines would also split at form feeds


class Span(NamedTuple):
    """A stretch of text: lines from 1, columns from 0 in characters, the end exclusive (as in `model.Edit`)."""

    line: int
    column: int
    end_line: int
    end_column: int


class Lined:
    """What can be asked of a text by line and column. A class that mixes this in has a `path` and a `text`."""

    path: Path
    text: str

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines without their ends."""
        return tuple(LINE_END.split(self.text))

    @cached_property
    def newline(self) -> str:
        """The line end that the file uses first; a newline where it has a single line."""
        found = LINE_END.search(self.text)
        return found.group() if found else "\n"

    def offset(self, line: int, column: int) -> int:
        """Return the index in `text` of a position (line from 1, column from 0)."""
        return self._line_starts[line - 1] + column

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column of an index in `text`: the inverse of `offset`."""
        starts = self._line_starts
        line = bisect_right(starts, offset)
        return line, offset - starts[line - 1]

    def between(self, start: int, end: int) -> Span:
        """Return the span of the text from index `start` to index `end`."""
        return Span(*self.place(start), *self.place(end))

    @cached_property
    def _line_starts(self) -> tuple[int, ...]:
        return (0, *(end.end() for end in LINE_END.finditer(self.text)))
