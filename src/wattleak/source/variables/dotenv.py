"""`.env` files: one NAME=value a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wattleak.source.variables.assignment import Assignment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.lined import Lined

_LINE = re.compile(
    r"\s*(?:export\s+)?(?P<name>[A-Za-z_]\w*)\s*=[ \t]*"
    r"(?P<value>\"(?:\\.|[^\"\\])*\"|'[^']*'|[^#\n]*?)[ \t]*(?:\s#.*)?$"
)


def read_dotenv(lined: Lined) -> Iterator[Assignment]:
    """Yield what a `.env` file sets. Who reads it, and on how many CPUs, it does not say."""
    for number, line in enumerate(lined.lines, 1):
        found = _LINE.match(line)
        if found is None:
            continue
        written = found["value"]
        quoted = written[:1] in {"'", '"'}
        text = written[1:-1] if quoted else written
        expands = "$" in text and not written.startswith("'")
        start = lined.offset(number, found.start("value"))
        yield Assignment(
            found["name"],
            None if expands else text,
            text,
            lined.between(start, start + len(written)),
            "this file",
            is_elsewhere=True,
        )
