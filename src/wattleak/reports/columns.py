"""Rows whose columns line up in a terminal: the one table of all text that is printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wattleak.reports.style import pad, width

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from wattleak.reports.style import Style


def columns(
    rows: Iterable[Sequence[str]],
    style: Style,
    *,
    head: Sequence[str] | None = None,
    right: Collection[int] = (),
    roles: Sequence[str] | None = None,
    indent: str = "  ",
) -> list[str]:
    """One line for each row, the faint head first if there is one.

    `right`: columns, from 0, that stand to the right. `roles`: one for each row; its last cell is painted so.
    """
    shown = [[style.text(cell) for cell in row] for row in (*(() if head is None else (head,)), *rows)]
    widths = [max(width(row[place]) for row in shown) for place in range(len(shown[0]))] if shown else []
    lines = []
    for number, row in enumerate(shown, 0 if head is None else -1):
        cells = [pad(cell, widths[place], right=place in right) for place, cell in enumerate(row)]
        if roles is not None and number >= 0:
            cells[-1] = style.paint(row[-1], roles[number])
        lines.append(indent + "  ".join(cells).rstrip())
    if head is not None:
        lines[0] = style.paint(lines[0], "faint")
    return lines
