"""How text may look where it is printed: with colour or without, in Unicode or in ASCII."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

_COLOURS = {
    "strong": "1",
    "faint": "2",
    "good": "1;32",
    "bad": "1;31",
    "same": "1;36",
    "unsure": "1;33",
    "mixed": "1;35",
    "warning": "33",
}
_ASCII = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "±": "+/-",
        "µ": "u",
        "·": "|",
        "→": "->",
        "\N{MULTIPLICATION SIGN}": "x",
        "∞": "inf",
        "\N{EN DASH}": "-",
        "…": "...",
        "▸": ">",
        "“": '"',
        "”": '"',
        "₂": "2",
        "³": "3",
    }
)


@dataclass(frozen=True, slots=True)
class Style:
    """What the place where text goes can show. Everything printed passes through `text` or `paint`."""

    color: bool = False
    unicode: bool = True

    @classmethod
    def plain(cls) -> Style:
        """No colour, ASCII only: fit for any log."""
        return cls(color=False, unicode=False)

    def text(self, text: str) -> str:
        """`text` as it may be printed: no control character of a command or a name acts on the terminal."""
        shown = "".join(_visible(character) for character in text)
        if self.unicode:
            return shown
        return shown.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")

    def paint(self, text: str, role: str) -> str:
        """`text` in the colour of its role: strong, faint, good, bad, same, unsure, mixed, warning."""
        shown = self.text(text)
        return f"\x1b[{_COLOURS[role]}m{shown}\x1b[0m" if self.color and shown else shown


def width(text: str) -> int:
    """Columns that a terminal gives to a text: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` filled up with blanks to so many columns, on its left when it is to stand right."""
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks


def _visible(character: str) -> str:
    """Control and direction characters as escapes; line ends too, for a name belongs on one line."""
    if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}:
        return character.encode("unicode_escape").decode("ascii")
    return character
