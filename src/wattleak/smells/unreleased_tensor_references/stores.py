"""The statements that put a value into something: into a list, under a key, into a running total."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.walking import children

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PUTS = {"append": 0, "appendleft": 0, "add": 0, "insert": 1, "extend": 0}
"""Methods of containers that keep what they are given, and where they are given it."""

_APART = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Way(Enum):
    """How a value is kept."""

    COLLECTED = "collected"  # it becomes an element
    ADDED = "added"  # it becomes a part of a sum


@dataclass(frozen=True, slots=True, eq=False)
class Store:
    """One such statement."""

    statement: ast.stmt
    holder: ast.Name | ast.Attribute  # `losses`, `self.losses`
    written: ast.expr  # what it is put into, as written: `history["loss"]`
    values: tuple[ast.expr, ...]  # what is kept: of a tuple or dict that is written out, its pieces
    way: Way
    key: ast.expr | None = None  # `holder[key] = value`: a key that comes again replaces what it held


def stores(block: Iterable[ast.stmt]) -> Iterator[Store]:
    """Yield every store in a block, without those of functions and classes that are defined in it."""
    for statement in statements(block):
        found = store_of(statement)
        if found is not None:
            yield found


def statements(block: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a block and of the blocks in it, in order, without functions and classes."""
    waiting = list(block)[::-1]
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, _APART):
            continue
        yield statement
        inner = [child for child in children(statement) if isinstance(child, ast.stmt)]
        for part in children(statement):
            if isinstance(part, ast.ExceptHandler | ast.match_case):
                inner += part.body
        waiting += inner[::-1]


def store_of(statement: ast.stmt) -> Store | None:  # noqa: PLR0911 - one return for each kind
    """Return the store that a statement is."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=container, attr=method), args=arguments)):
            position = _PUTS.get(method)
            if position is None or len(arguments) != position + 1:
                return None
            return _collected(statement, container, arguments[position], in_bulk=method == "extend")
        case ast.AugAssign(target=target, op=ast.Add(), value=ast.List() | ast.Tuple() as several):
            return _collected(statement, target, several, in_bulk=True)
        case ast.AugAssign(target=target, op=ast.Add() | ast.Sub(), value=value):
            return _added(statement, target, (value,))
        case ast.Assign(targets=[ast.Subscript(value=container, slice=key) as target], value=value):
            others = _besides(target, value)
            if others is not None:
                return _added(statement, target, others)
            return _collected(statement, container, value, key=key)
        case ast.Assign(targets=[ast.Name() | ast.Attribute() as target], value=ast.BinOp() as value):
            others = _besides(target, value)
            if others is None:
                return None
            if len(others) == 1 and isinstance(others[0], ast.List):
                return _collected(statement, target, others[0], in_bulk=True)
            return _added(statement, target, others)
        case _:
            return None


def _collected(
    statement: ast.stmt,
    container: ast.expr,
    value: ast.expr,
    *,
    in_bulk: bool = False,
    key: ast.expr | None = None,
) -> Store | None:
    holder = root(container)
    if in_bulk and not isinstance(value, ast.List | ast.Tuple):
        return None
    if holder is None:
        return None
    return Store(statement, holder, container, tuple(_pieces(value)), Way.COLLECTED, key)


def _added(statement: ast.stmt, target: ast.expr, values: tuple[ast.expr, ...]) -> Store | None:
    holder = root(target)
    return Store(statement, holder, target, values, Way.ADDED) if holder is not None else None


def root(container: ast.expr) -> ast.Name | ast.Attribute | None:
    """Return what holds a container: the `history` of `history["train"].setdefault("loss", [])`."""
    while True:
        match container:
            case ast.Subscript(value=inner):
                container = inner
            case ast.Call(func=ast.Attribute(value=inner, attr="setdefault" | "get")):
                container = inner
            case ast.Name() | ast.Attribute(value=ast.Name()):
                return container
            case _:
                return None


def _pieces(value: ast.expr) -> Iterator[ast.expr]:
    match value:
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            for element in elements:
                yield from _pieces(element)
        case ast.Dict(values=values):
            for each in values:
                yield from _pieces(each)
        case ast.Starred():
            return
        case _:
            yield value


def _besides(target: ast.expr, value: ast.expr) -> tuple[ast.expr, ...] | None:
    """`total = 0.9 * total + loss`: return what stands beside `total`; None: `total` is not in the sum."""
    leaves = list(_leaves(value))
    same = ast.dump(target).replace("Store()", "Load()")
    others = tuple(leaf for leaf in leaves if ast.dump(leaf) != same)
    return others if len(others) < len(leaves) else None


def _leaves(value: ast.expr) -> Iterator[ast.expr]:
    waiting = [value]  # a sum may be written with thousands of terms: no recursion
    while waiting:
        match node := waiting.pop():
            case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div()):
                waiting += [right, left]
            case _:
                yield node
