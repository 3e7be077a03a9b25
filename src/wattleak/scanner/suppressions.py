"""Comments that allow a smell: `# wattleak: allow unnecessary-parallelism` on its line, or alone on the line above."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.source.variables.reading import Kind, VariableFile

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


def suppressions(module: Module | VariableFile) -> tuple[Suppression, ...]:
    """Return the comments of a file that allow something. Strings that look like one do not count."""
    if "wattleak:" not in module.text.lower():
        return ()
    return _in_lines(module) if isinstance(module, VariableFile) else _in_python(module)


def _in_python(module: Module) -> tuple[Suppression, ...]:
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(module.text, newline=None).readline):
            allowed = _ALLOW.match(token.string) if token.type == tokenize.COMMENT else None
            if allowed:
                alone = not token.line[: token.start[1]].strip()
                found.append(_suppression(token.start[0], allowed["names"], alone=alone))
    except (tokenize.TokenError, SyntaxError):
        pass  # a tail that only the parser understands; the comments before it count
    return tuple(found)


def _in_lines(file: VariableFile) -> tuple[Suppression, ...]:
    """Comments of scripts, YAML and TOML. In a Dockerfile one stands alone, and JSON has none."""
    found = []
    for number, line in enumerate(file.lines, 1) if file.kind is not Kind.JSON else ():
        allowed = _ALLOW.search(line)
        if allowed is None:
            continue
        before = line[: allowed.start()]
        alone = not before.strip()
        if alone or (before[-1:].isspace() and file.kind is not Kind.DOCKERFILE):
            found.append(_suppression(number, allowed["names"], alone=alone))
    return tuple(found)


def _suppression(line: int, names: str, *, alone: bool) -> Suppression:
    parts = frozenset(name.strip().lower() for name in names.split(","))
    return Suppression(line, parts, line, line + 1 if alone else line)
