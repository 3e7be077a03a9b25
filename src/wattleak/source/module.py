"""One Python file, parsed: its text, its tree, and where a node stands in the text."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from wattleak.source.lined import Lined, Span
from wattleak.source.scopes import Scopes, build

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wattleak.source.notebook import Notebook
    from wattleak.source.project import Project

__all__ = ["Module", "Problem", "Span"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a file, or a part of it, was not scanned. `line` and `cell` count from 1; a line is one of its cell."""

    path: Path
    message: str
    line: int | None = None
    cell: int | None = None


@dataclass(frozen=True)
class Module(Lined):
    """A file that parsed. `text` has its own line ends and no byte order mark; `encoding` can write it back.

    Of a notebook, `text` is its code cells one below the other, each line where it can be found again; see `notebook`.
    `project` is what the module was scanned with; None: it was read alone.
    """

    path: Path
    text: str
    tree: ast.Module
    encoding: str = "utf-8"
    notebook: Notebook | None = field(default=None, compare=False, repr=False)
    project: Project | None = field(default=None, compare=False, repr=False)

    @cached_property
    def scopes(self) -> Scopes:
        """What each name is bound to."""
        return build(self.tree)

    @cached_property
    def home(self) -> Project:
        """The project that it was scanned with, or one of its own."""
        from wattleak.source.project import Lone  # noqa: PLC0415 - a project is made of modules

        return self.project or Lone(self)

    @cached_property
    def mentions(self) -> Mapping[str, list[ast.Name | ast.Attribute]]:
        """Every place where a name, or an attribute of that name, is read or written, in no particular order."""
        found: dict[str, list[ast.Name | ast.Attribute]] = {}
        for node in self.scopes.scope_of:
            if isinstance(node, ast.Name):
                found.setdefault(node.id, []).append(node)
            elif isinstance(node, ast.Attribute):
                found.setdefault(node.attr, []).append(node)
        return found

    @cached_property
    def froms(self) -> tuple[ast.ImportFrom, ...]:
        """Every `from x import y`."""
        return tuple(node for node in self.scopes.scope_of if isinstance(node, ast.ImportFrom))

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

    def _characters(self, line: int, byte_column: int) -> int:
        text = self.lines[line - 1]
        if text.isascii():
            return byte_column
        return len(text.encode("utf-8", "surrogatepass")[:byte_column].decode("utf-8", "surrogatepass"))
