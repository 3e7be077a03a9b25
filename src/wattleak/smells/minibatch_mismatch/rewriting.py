"""The edits that take an argument out of a call, put one in, or change one."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module


def without(module: Module, call: ast.Call, name: str) -> Edit | None:
    """Return the edit that takes the keyword `name` out of `call`; None: it is not written there."""
    keyword = next((item for item in call.keywords if item.arg == name), None)
    if keyword is None:
        return None
    start, end = _place(module, keyword)
    text = module.text
    following = re.match(r"[ \t]*,", text[end:])
    if following is not None:
        end += following.end()
        line = text.rfind("\n", 0, start) + 1
        rest = re.match(r"[ \t]*\r?\n", text[end:])
        if rest is not None and not text[line:start].strip():
            return _edit(module, line, end + rest.end(), "")  # it stands on a line of its own
        spaces = re.match(r"[ \t]*(?=[^\s#])", text[end:])
        return _edit(module, start, end + (spaces.end() if spaces else 0), "")
    before = [_place(module, item)[1] for item in _arguments(call) if item is not keyword]
    last = max((place for place in before if place <= start), default=None)
    if last is not None and text[last:start].strip() == ",":
        start = last
    return _edit(module, start, end, "")


def with_keyword(module: Module, call: ast.Call, name: str, value: str) -> Edit | None:
    """Return the edit that gives `name=value` in `call`, which does not give it yet; None: there is no place."""
    end = module.offset(*module.span(call)[2:]) - 1
    if module.text[end : end + 1] != ")" or any(item.arg is None for item in call.keywords):
        return None
    inside = [_place(module, item)[1] for item in _arguments(call)]
    if not inside:
        return _edit(module, end, end, f"{name}={value}")
    after = module.text[max(inside) : end]
    if "#" in after:
        return None
    closed = after.rstrip()
    comma = closed.endswith(",")
    place = max(inside) + len(closed)
    alone = comma and "\n" in after  # a trailing comma, and the bracket on a line of its own: one argument a line
    if alone:
        first = _place(module, _arguments(call)[-1])[0]
        line = module.text.rfind("\n", 0, first) + 1
        indent = re.match(r"[ \t]*", module.text[line:])
        return _edit(module, place, place, f"{module.newline}{indent.group() if indent else ''}{name}={value},")
    return _edit(module, place, place, f" {name}={value}" if comma else f", {name}={value}")


def replaced(module: Module, node: ast.expr, text: str) -> Edit:
    """Return the edit that puts `text` in the place of `node`."""
    return Edit(*module.span(node), text)


def can_stand_at(module: Module, expression: ast.expr, place: ast.expr) -> bool:
    """Tell whether `expression` means at `place`, which is earlier or later in its scope, what it means where it is."""
    if any(isinstance(node, ast.Call | ast.NamedExpr | ast.Await) for node in walk(expression)):
        return False
    table = module.scopes
    for name in _names(expression):
        found = table.bindings(name.id, table.scope_of[name])
        if not found or table.bindings(name.id, table.scope_of[place]) is not found:
            return False
        if any(getattr(binding.node, "lineno", place.lineno) >= place.lineno for binding in found):
            return False
    return True


def _names(expression: ast.expr) -> Iterator[ast.Name]:
    return (node for node in walk(expression) if isinstance(node, ast.Name))


def _arguments(call: ast.Call) -> list[ast.expr | ast.keyword]:
    return [*call.args, *call.keywords]


def _place(module: Module, item: ast.expr | ast.keyword) -> tuple[int, int]:
    """Return where an argument begins and ends, as indices of the text."""
    if isinstance(item, ast.keyword):
        end = module.offset(*module.span(item.value)[2:])
        first = module.span(ast.copy_location(ast.Name("", ast.Load()), item))
        # The keyword ends behind the brackets that stand around its value.
        return module.offset(first.line, first.column), max(end, module.offset(first.end_line, first.end_column))
    span = module.span(item)
    return module.offset(span.line, span.column), module.offset(span.end_line, span.end_column)


def _edit(module: Module, start: int, end: int, text: str) -> Edit:
    return Edit(*module.between(start, end), text)
