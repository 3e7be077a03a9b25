"""One Python file, parsed: its text, its tree, and where a node stands in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.scopes import Scopes, build

if TYPE_CHECKING:
    import ast
    from pathlib import Path

_LINE_END = re.compile(r"\r\n|\r|\n")  # what Python ends a line with; str.splitlines would also split at form feeds


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file, or a part of it, was not scanned. `line` counts from 1."""

    path: Path
    message: str
    line: int | None = None


class Span(NamedTuple):
    """A stretch of text: lines from 1, columns from 0 in characters, the end exclusive (as in `model.Edit`)."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class Module:
    """A file that parsed. `text` has its own line ends and no byte order mark; `encoding` can write it back."""

    path: Path
    text: str
    tree: ast.Module
    encoding: str = "utf-8"

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The lines without their ends."""
        return tuple(_LINE_END.split(self.text))

    @cached_property
    def newline(self) -> str:
        """The line end that the file uses first; a newline where it has a single line."""
        found = _LINE_END.search(self.text)
        return found.group() if found else "\n"

    @cached_property
    def scopes(self) -> Scopes:
        """What each name is bound to."""
        return build(self.tree)

    def span(self, node: ast.expr | ast.stmt) -> Span:
        """Return where `node` stands. The parser counts columns in UTF-8 bytes; this counts characters."""
        end_line = node.end_lineno or node.lineno
        end_column = node.end_col_offset if node.end_col_offset is not None else node.col_offset
        return Span(
            node.lineno,
            self._characters(node.lineno, node.col_offset),
            end_line,
            self._characters(end_line, end_column),
        )

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of `node`, with its line ends."""
        span = self.span(node)
        return self.text[self.offset(span.line, span.column) : self.offset(span.end_line, span.end_column)]

    def offset(self, line: int, column: int) -> int:
        """Return the index in `text` of a position (line from 1, column from 0)."""
        return self._line_starts[line - 1] + column

    @cached_property
    def _line_starts(self) -> tuple[int, ...]:
        return (0, *(end.end() for end in _LINE_END.finditer(self.text)))

    def _characters(self, line: int, byte_column: int) -> int:
        text = self.lines[line - 1]
        if text.isascii():
            return byte_column
        return len(text.encode("utf-8", "surrogatepass")[:byte_column].decode("utf-8", "surrogatepass"))
