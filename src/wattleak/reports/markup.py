"""Pieces of HTML. Whatever is not already HTML is escaped, so a name can never become mark-up."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from wattleak.reports.style import Style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_VISIBLE = Style()


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def safe(text: str) -> Html:
    """`text` as HTML that shows it; control characters become visible."""
    return text if isinstance(text, Html) else Html(html.escape(_VISIBLE.text(text), quote=True))


def safe_lines(text: str) -> Html:
    """As `safe`, of a text with lines of its own."""
    return Html(html.escape(text, quote=True))


def tag(name: str, *children: str, **attributes: str | None) -> Html:
    """An element. `class_` and `data_x` stand for the attributes class and data-x; None leaves one out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{safe(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(parts: Iterable[str], between: str = "") -> Html:
    return Html(between.join(safe(part) for part in parts))


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Iterable[int] = (),
    classes: Sequence[str | None] = (),
    caption: str | None = None,
    label: str = "table",
    kind: str = "",
) -> Html:
    """A table in a box that scrolls by itself when it is too wide. `numbers` are the columns that stand right.

    `label` names the table to those who do not see it, where there is no caption.
    """
    right = frozenset(numbers)

    def cells(row: Sequence[str], name: str, scope: str | None) -> Html:
        return join(
            tag(name if column or name == "th" else "th", cell, class_="number" if column in right else None,
                scope=scope or (None if column else "row"))
            for column, cell in enumerate(row)
        )  # fmt: skip

    body = [
        tag("tr", cells(row, "td", None), class_=classes[place] if place < len(classes) else None)
        for place, row in enumerate(rows)
    ]
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption) if caption else Html(""),
            tag("thead", tag("tr", cells(head, "th", "col"))),
            tag("tbody", join(body, "\n")),
        ),
        class_=f"scroll {kind}".strip(),
        tabindex="0",
        role="region",
        aria_label=caption or label,
    )


def figure(identity: str, spec: dict[str, Any], caption: str, data: Html) -> Html:
    """A chart with its data: drawn from JSON by a script, readable as a table without one."""
    return tag(
        "figure",
        tag("figcaption", caption),
        tag("div", class_="chart", data_spec=f"{identity}-spec", role="img", aria_label=caption),
        json_script(f"{identity}-spec", spec),
        tag("details", tag("summary", "the numbers of this chart"), data, open=""),
        id=identity,
    )


def json_script(identity: str, value: object) -> Html:
    """Data for a script. No `<` is left in it, so no string can end the element or begin another."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Html(
        f'<script type="application/json" id="{safe(identity)}">{text.replace("<", chr(92) + "u003c")}</script>'
    )
