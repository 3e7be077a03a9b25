"""JSON with the places of its values, so that one of them can be replaced without touching the rest of the text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")


def decoded(text: str, start: int) -> tuple[object, int]:
    """Return the value that starts at index `start`, and the index behind it.

    Raises:
        ValueError: it is no JSON. RecursionError: it is nested deeper than Python reads.
    """
    value: object
    value, end = _DECODER.raw_decode(text, start)
    return value, end


def first(text: str) -> int:
    """Return where the document begins."""
    return _past_space(text, 0)


def members(text: str, start: int) -> Iterator[tuple[str, int, int]]:
    """Yield key, start and end of every value in the object that starts at `start`. Raises as `decoded`."""
    position = _past_space(text, start + 1)
    while text[position : position + 1] not in {"}", ""}:
        key, position = decoded(text, position)
        position = _past_space(text, _past_space(text, position) + 1)  # the colon
        _, end = decoded(text, position)
        yield str(key), position, end
        position = _past_comma(text, end)


def elements(text: str, start: int) -> Iterator[tuple[int, int]]:
    """Yield start and end of every value in the array that starts at `start`. Raises as `decoded`."""
    position = _past_space(text, start + 1)
    while text[position : position + 1] not in {"]", ""}:
        _, end = decoded(text, position)
        yield position, end
        position = _past_comma(text, end)


def _past_comma(text: str, position: int) -> int:
    position = _past_space(text, position)
    return _past_space(text, position + 1) if text[position : position + 1] == "," else position


def _past_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position
