"""A watched process on one screen: what does not fit is counted, not scrolled."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.text import Text

from wattleak.reports.style import pad, width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.reports.style import Style
    from wattleak.reports.watching import WatchRow, WatchStory

_LABEL = 13
_COLUMNS = 110
_STYLES = {"strong": "bold", "faint": "dim", "warning": "yellow", "bad": "bold red"}


def draw(story: WatchStory, style: Style, columns: int, rows: int | None) -> Text:
    """The lines that fit; all of them where `rows` is None."""
    lines = list(_lines(story, style, max(20, min(_COLUMNS, columns - 1))))
    room = len(lines) if rows is None else max(2, rows - 1)
    if len(lines) > room:
        hidden = len(lines) - room + 1
        lines = [*lines[: room - 1], (style.text(f"… {hidden} more lines: --json has them all"), "faint")]
    shown = Text(no_wrap=True, overflow="crop")
    for place, (text, role) in enumerate(lines):
        shown.append(("\n" if place else "") + text, style=_STYLES.get(role, "") if style.color else "")
    return shown


def _lines(story: WatchStory, style: Style, columns: int) -> Iterator[tuple[str, str]]:
    title = style.text(story.title)
    yield title if len(title) <= columns else title[: columns - 1] + style.text("…"), "strong"
    yield style.text(story.aside), "faint"
    yield "", ""
    for code, message in story.seen:  # first: this is what a small screen must show
        first = f"  {pad(code, _LABEL - 2)}"
        for place, line in enumerate(_wrapped(style.text(message), " " * _LABEL, columns)):
            yield (first + line.lstrip() if place == 0 else line), "bad" if place == 0 else ""
    if story.seen:
        yield "", ""
    values = max((width(row.text) for row in story.rows if row.note), default=0)
    for row in story.rows:
        yield from _row(row, style, min(values, columns // 2), columns)
    yield "", ""
    if not story.seen:
        yield "  nothing of a smell was seen from outside so far", "faint"
    for text in story.closing:
        lines = _wrapped(style.text(text), " " * _LABEL, columns, first="  ")
        yield from ((line, "faint") for line in lines)


def _row(row: WatchRow, style: Style, values: int, columns: int) -> Iterator[tuple[str, str]]:
    head = f"  {pad(style.text(row.label), _LABEL - 2)}{pad(style.text(row.text), values)}"
    text = f"{head}  {style.text(row.note)}".rstrip() if row.note else head.rstrip()
    lines = _wrapped(text, " " * _LABEL, columns, first="")
    yield from ((line, "warning" if row.warns else "") for line in lines)


def _wrapped(text: str, indent: str, columns: int, *, first: str | None = None) -> list[str]:
    found = textwrap.wrap(
        text,
        columns,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        drop_whitespace=True,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return found or [""]
