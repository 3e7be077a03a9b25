"""Comments that allow a smell: `# wattleak: allow unnecessary-parallelism` on its line, or alone on the line above."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wattleak.model import Finding
    from wattleak.source.module import Module

_ALLOW = re.compile(r"#\s*wattleak:\s*allow\s+(?P<names>[\w-]+(?:\s*,\s*[\w-]+)*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Suppression:
    """One comment that allows smells. `names` are in lower case; `first` and `last` are the lines it speaks for."""

    line: int
    names: frozenset[str]
    first: int
    last: int

    def covers(self, finding: Finding) -> bool:
        """Tell whether the comment allows `finding`, which may stretch over several lines."""
        named = not self.names.isdisjoint({finding.code.lower(), finding.name.lower()})
        return named and self.first <= finding.end_line and finding.line <= self.last


def suppressions(module: Module) -> tuple[Suppression, ...]:
    """Return the comments of `module` that allow something. Strings that look like one do not count."""
    if "wattleak:" not in module.text.lower():
        return ()
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(module.text, newline=None).readline):
            allowed = _ALLOW.match(token.string) if token.type == tokenize.COMMENT else None
            if allowed:
                line = token.start[0]
                names = frozenset(name.strip().lower() for name in allowed["names"].split(","))
                alone = not token.line[: token.start[1]].strip()
                found.append(Suppression(line, names, line, line + 1 if alone else line))
    except (tokenize.TokenError, SyntaxError):
        pass  # a tail that only the parser understands; the comments before it count
    return tuple(found)
