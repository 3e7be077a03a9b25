"""What a program says about its own result: figures of quality, and hashes of outputs.

A report is a JSON object on one line, in the file `$WATTLEAK_METRICS` or behind the word WATTLEAK on standard output:

    {"accuracy": 0.91, "predictions_sha256": "9f86d081884c7d65..."}

Numbers are figures of quality. A text whose name ends in `_sha256` or `_hash` is the hash of an output: two runs with
the same one have the same result, which is more than any test of figures can say. The last value of a name wins.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MARK = "WATTLEAK "
_HASH_ENDINGS = ("_sha256", "_hash")
_LONGEST_HASH = 256  # characters; SHA-512 in hexadecimal has 128


@dataclass(frozen=True, slots=True)
class Reported:
    """Figures by name, and hashes of outputs by name."""

    quality: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)

    def then(self, later: Reported) -> Reported:
        """Both; what was said later wins."""
        return Reported({**self.quality, **later.quality}, {**self.outputs, **later.outputs})


def read_reported(path: Path) -> Reported:
    """Everything in a file of JSON objects, one a line; lines that are none are passed over."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return Reported()
    return _together(map(reported_in, text.splitlines()))


def reported_in(text: str) -> Reported:
    """The figures and hashes of one JSON object; empty when the text is no such object."""
    try:
        values = json.loads(text)
    except ValueError:
        return Reported()
    if not isinstance(values, dict):
        return Reported()
    return Reported(
        quality={
            name: float(value)
            for name, value in values.items()
            if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value)
        },
        outputs={
            name: value
            for name, value in values.items()
            if isinstance(value, str) and name.endswith(_HASH_ENDINGS) and 0 < len(value) <= _LONGEST_HASH
        },
    )


def reported_on_stdout(path: Path, regex: str | None) -> Reported:
    """What a program printed: `WATTLEAK {"accuracy": 0.91}`, and the figures that `regex` finds.

    The regex names its figures by its groups, `acc=(?P<accuracy>[0-9.]+)`; an unnamed first group is `quality`.
    """
    with path.open(encoding="utf-8", errors="replace") as lines:
        return _together(reported for _, reported in telling_lines(lines, regex))


def telling_lines(lines: Iterable[str], regex: str | None) -> Iterator[tuple[str, Reported]]:
    """The lines that report something, and what."""
    pattern = re.compile(regex) if regex else None
    for line in lines:
        at = line.find(_MARK)
        reported = reported_in(line[at + len(_MARK) :]) if at >= 0 else Reported()
        quality = dict(reported.quality)
        for match in pattern.finditer(line) if pattern else ():
            found = match.groupdict() or {"quality": match[1] if match.re.groups else match[0]}
            numbers = ((name, _number(text)) for name, text in found.items())
            quality.update((name, number) for name, number in numbers if number is not None)
        if quality or reported.outputs:
            yield line, Reported(quality, reported.outputs)


def _together(all_reported: Iterable[Reported]) -> Reported:
    quality: dict[str, float] = {}
    outputs: dict[str, str] = {}
    for reported in all_reported:
        quality.update(reported.quality)
        outputs.update(reported.outputs)
    return Reported(quality, outputs)


def _number(text: str | None) -> float | None:
    """A figure as people print it, 91.2 or 91.2 %; None when it is no number."""
    try:
        return float((text or "").strip().removesuffix("%"))
    except ValueError:
        return None
