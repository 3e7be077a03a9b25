"""YAML and JSON as one kind of tree with places, and the leaves of TOML. Safe: no tag is ever made into an object."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wattleak.source import json_text
from wattleak.source.variables.assignment import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

    from wattleak.source.lined import Lined, Span

_MOST_NODES = 50_000  # of one document, aliases counted wherever they are used: a few lines can name millions
_DEPTH = 100


class NotReadable(Exception):
    """The text is none of its kind: `message` says why, `line` where."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place: a mapping, a list, or a text (numbers too are what is written)."""

    span: Span
    text: str | None = None
    is_plain: bool = False  # a text that stands without quotes
    mapping: dict[str, Node] = field(default_factory=dict)
    items: tuple[Node, ...] = ()

    def get(self, *keys: str) -> Node | None:
        """Return the value below these keys."""
        node: Node | None = self
        for key in keys:
            node = node.mapping.get(key) if node is not None else None
        return node


def entries(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[Entry]:
    """Yield every text below `node`."""
    if node.text is not None:
        yield Entry(path, node.text, node.span)
    for key, child in node.mapping.items():
        yield from entries(child, (*path, key))
    for number, child in enumerate(node.items):
        yield from entries(child, (*path, number))


def yaml_documents(lined: Lined) -> list[Node]:
    """Return the documents of a YAML text.

    Raises:
        NotReadable: it is no YAML, or a template of YAML.
    """
    import yaml  # noqa: PLC0415 - only for files of this kind

    try:
        return [
            _Yaml(lined).node(composed, 0) for composed in yaml.compose_all(lined.text, yaml.SafeLoader) if composed
        ]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        template = "{{" in lined.text or "{%" in lined.text
        problem = "is a template of YAML" if template else f"is not YAML: {error.problem or error.context}"
        raise NotReadable(problem, mark.line + 1 if mark else None) from error
    except (yaml.YAMLError, ValueError) as error:
        raise NotReadable(f"is not YAML: {' '.join(str(error).split())[:200]}") from error
    except RecursionError as error:
        raise NotReadable("is nested too deeply to be parsed") from error


class _Yaml:
    def __init__(self, lined: Lined) -> None:
        self.lined = lined
        self.count = 0

    def node(self, composed: yaml.Node, depth: int) -> Node:
        self.count += 1
        if self.count > _MOST_NODES or depth > _DEPTH:
            raise NotReadable("has more values than a configuration file", composed.start_mark.line + 1)
        span = self.lined.between(composed.start_mark.index, composed.end_mark.index)
        if isinstance(composed.value, str):
            return Node(span, text=composed.value, is_plain=composed.style is None)
        if composed.id == "sequence":
            return Node(span, items=tuple(self.node(item, depth + 1) for item in composed.value))
        merged: dict[str, Node] = {}
        own: dict[str, Node] = {}
        for key, value in composed.value:
            if not isinstance(key.value, str):
                continue
            child = self.node(value, depth + 1)
            if key.value == "<<":
                for base in reversed(child.items or (child,)):
                    merged.update(base.mapping)
            else:
                own[key.value] = child
        return Node(span, mapping={**merged, **own})


def json_document(lined: Lined) -> Node:
    """Return the value of a JSON text.

    Raises:
        NotReadable: it is no JSON, or not the plain one (comments).
    """
    try:
        json_text.decoded(lined.text, json_text.first(lined.text))
        return _Json(lined).node(json_text.first(lined.text), 0)
    except ValueError as error:
        raise NotReadable(f"is not JSON: {getattr(error, 'msg', error)}", getattr(error, "lineno", None)) from error
    except RecursionError as error:
        raise NotReadable("is nested too deeply to be parsed") from error


class _Json:
    def __init__(self, lined: Lined) -> None:
        self.lined = lined
        self.count = 0

    def node(self, start: int, depth: int) -> Node:
        self.count += 1
        text = self.lined.text
        value, end = json_text.decoded(text, start)
        span = self.lined.between(start, end)
        if self.count > _MOST_NODES or depth > _DEPTH:
            raise NotReadable("has more values than a configuration file", span.line)
        if isinstance(value, dict):
            return Node(span, mapping={key: self.node(at, depth + 1) for key, at, _ in json_text.members(text, start)})
        if isinstance(value, list):
            return Node(span, items=tuple(self.node(at, depth + 1) for at, _ in json_text.elements(text, start)))
        return Node(
            span, text=value if isinstance(value, str) else text[start:end], is_plain=not isinstance(value, str)
        )


_TABLE = re.compile(r"\s*\[(?P<many>\[?)\s*(?P<keys>[^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_PAIR = re.compile(
    r"(?P<keys>(?:[\w-]+|\"[^\"]*\"|'[^']*')(?:\s*\.\s*(?:[\w-]+|\"[^\"]*\"|'[^']*'))*)\s*=\s*"
    r"(?P<value>\"(?:\\.|[^\"\\])*\"|'[^']*'|[^\s,#\[\]{}\"']+)"
)
_INLINE = re.compile(r"\s*(?P<keys>[^=#\[\]{}]+?)\s*=\s*\{")
_KEY = re.compile(r"[\w-]+|\"[^\"]*\"|'[^']*'")


def toml_entries(lined: Lined) -> list[Entry]:
    """Return the texts, numbers and booleans of a TOML text that stand on one line, inline tables included.

    `tomllib` says what the text means and nothing about places; a place is believed only where both agree.

    Raises:
        NotReadable: it is no TOML.
    """
    try:
        document = tomllib.loads(lined.text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        line = re.search(r"at line (\d+)", str(error))
        raise NotReadable(f"is not TOML: {str(error).partition(' (at')[0]}", int(line[1]) if line else None) from error
    found: list[Entry] = []
    table: tuple[str | int, ...] = ()
    arrays: dict[tuple[str | int, ...], int] = {}
    for number, row in enumerate(lined.lines, 1):
        header = _TABLE.match(row)
        if header:
            table = _keys(header["keys"])
            if header["many"]:
                arrays[table] = arrays.get(table, -1) + 1
                table = (*table, arrays[table])
            continue
        inline = _INLINE.match(row)
        below, begin = ((*table, *_keys(inline["keys"])), inline.end()) if inline else (table, 0)
        for pair in _PAIR.finditer(row, begin):
            path = (*below, *_keys(pair["keys"]))
            written = pair["value"]
            text = written[1:-1] if written[0] in "\"'" else written
            if _agrees(_at(document, path), text):
                start = lined.offset(number, pair.start("value"))
                found.append(Entry(path, text, lined.between(start, start + len(written))))
    return found


def _agrees(value: object, text: str) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    if not isinstance(value, str | int | float):
        return False
    return text.replace("_", "") == str(value) or text == str(value)


def _keys(text: str) -> tuple[str, ...]:
    return tuple(found.strip("\"'") for found in _KEY.findall(text))


def _at(document: object, path: tuple[str | int, ...]) -> object:
    for key in path:
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and isinstance(key, int) and key < len(document):
            document = document[key]
        else:
            return None
    return document
