"""Applying edits to text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.errors import UsageError
from wattleak.model import Edit
from wattleak.source.lined import Span
from wattleak.source.module import Module
from wattleak.source.reading import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.lined import Lined
    from wattleak.source.notebook import Notebook


def apply(module: Lined, edits: Iterable[Edit]) -> str:
    """Return the text of `module` with `edits` made. Equal edits are made once.

    Raises:
        UsageError: two edits overlap, or one lies outside the text.
    """
    ordered = sorted({(*_offsets(module, edit), edit.text) for edit in edits})
    pieces: list[str] = []
    position = 0
    for start, end, text in ordered:
        if start < position:
            raise UsageError(
                f"two fixes for {module.path} change the same text", "apply one of them, scan again, apply the other"
            )
        pieces += (module.text[position:start], text)
        position = end
    pieces.append(module.text[position:])
    return "".join(pieces)


def still_parses(module: Module, edits: Iterable[Edit]) -> bool:
    """Tell whether the program is still one when `edits` are made."""
    return isinstance(parse(apply(module, edits), module.path), Module)


def in_cell(notebook: Notebook, edit: Edit) -> Edit | None:
    """Return an edit in lines of the module as one in lines of its cell; None: it crosses cells."""
    place = notebook.within(Span(edit.line, edit.column, edit.end_line, edit.end_column))
    return None if place is None else Edit(*place[1], edit.text, place[0])


def _offsets(module: Lined, edit: Edit) -> tuple[int, int]:
    last = len(module.lines)
    inside = (
        1 <= edit.line <= edit.end_line <= last
        and 0 <= edit.column <= len(module.lines[edit.line - 1])
        and 0 <= edit.end_column <= len(module.lines[edit.end_line - 1])
    )
    start, end = (
        (module.offset(edit.line, edit.column), module.offset(edit.end_line, edit.end_column)) if inside else (0, -1)
    )
    if end < start:
        raise UsageError(f"an edit lies outside the text of {module.path}", "scan the file again: it has changed")
    return start, end
