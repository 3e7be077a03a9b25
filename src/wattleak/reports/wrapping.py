"""Sentences for the terminal, broken where a line is full."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.reports.style import Style

COLUMNS = 110


def wrapped(
    text: str, style: Style, indent: str = "  ", *, first: str | None = None, role: str | None = None
) -> list[str]:
    """Lines of at most so many columns; words that are longer (paths, commands) stay whole.

    `first` stands before the first line in the place of `indent`, and is as wide.
    """
    found = textwrap.wrap(style.text(text), COLUMNS - len(indent), break_long_words=False, break_on_hyphens=False)
    painted = [style.paint(line, role) if role else line for line in found or [""]]
    return [(indent if place or first is None else first) + line for place, line in enumerate(painted)]
