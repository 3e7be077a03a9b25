"""Whether backward() has run through the graph of a value: then its saved activations are freed, and nodes remain."""

from __future__ import annotations

import ast
from enum import IntEnum
from typing import TYPE_CHECKING

from wattleak.smells.unreleased_tensor_references.stores import statements
from wattleak.source.referents import Function
from wattleak.source.resolving import referents
from wattleak.source.walking import children, own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_BACKWARD = frozenset({"backward", "manual_backward"})
_KEEPS = frozenset({"retain_graph", "create_graph"})


class Spent(IntEnum):
    """How far backward() got."""

    NO = 0  # nobody calls it on anything made together with the value
    SHARED = 1  # it ran from something made of the value, or beside it
    ROOT = 2  # it ran from the value itself: nothing can run through that graph again


def spent(module: Module, value: ast.expr, loop: ast.For | ast.AsyncFor | ast.While) -> Spent:
    """Return how much of the graph of `value` the same step of `loop` uses up."""
    names = _names(value)
    body = list(statements(loop.body))
    roots: set[str] = set()
    for statement in body:
        for call in _own_calls(statement):
            roots |= _roots(call)
    if names & roots and isinstance(value, ast.Name):
        return Spent.ROOT
    if any(_runs_backward(module, call) for call in _makers(value, names, body)):
        return Spent.ROOT
    return Spent.SHARED if names & _made_together(roots, body) else Spent.NO


def _roots(call: ast.Call) -> set[str]:
    """Return the names that a call of backward() starts from; none, when it keeps the graph."""
    if any(keyword.arg in _KEEPS and not _is_false(keyword.value) for keyword in call.keywords):
        return set()
    match call.func:
        case ast.Attribute(value=start, attr=name) if name in _BACKWARD:
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            return _names(start).union(*(_names(argument) for argument in given))
        case _:
            return set()


def _makers(value: ast.expr, names: set[str], body: list[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls that a value comes from: itself, or those whose result its name is bound to in the loop."""
    if isinstance(value, ast.Call):
        yield value
    for statement in body:
        if isinstance(statement, ast.Assign | ast.AnnAssign) and isinstance(statement.value, ast.Call):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if names & set().union(*(_names(target) for target in targets)):
                yield statement.value


def _runs_backward(module: Module, call: ast.Call) -> bool:
    """Tell whether a call is one of a function of the project that calls backward() on what it returns."""
    known = referents(module, call.func)
    if known is None:
        return False
    return any(isinstance(one, Function) and _returns_a_root(list(own_nodes(one.node))) for one in known)


def _returns_a_root(nodes: list[ast.AST]) -> bool:
    """Tell whether backward() starts from a name that is returned as it is: not from what times are returned beside."""
    roots = set().union(*(_roots(node) for node in nodes if isinstance(node, ast.Call)))
    returned: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Return) and node.value is not None:
            pieces = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            returned |= {piece.id for piece in pieces if isinstance(piece, ast.Name)}
    return bool(roots & returned)


def _made_together(roots: set[str], body: list[ast.stmt]) -> set[str]:
    """Return the names that share a graph with `roots`: what those are made of in the loop, and what else is."""
    links: list[tuple[set[str], set[str]]] = []
    for statement in body:
        match statement:
            case ast.Assign(targets=targets, value=value):
                made = set().union(*(_names(target) for target in targets))
            case ast.AnnAssign(target=target, value=ast.expr() as value) | ast.AugAssign(target=target, value=value):
                made = _names(target)
            case _:
                continue
        links.append((made, _names(value)))
    in_loop = set().union(*(made for made, _ in links)) if links else set()
    together = set(roots)
    while True:
        grown = set(together)
        for made, of in links:
            linked = made | (of & in_loop)
            if linked & grown:
                grown |= linked
        if grown == together:
            return together
        together = grown


def _own_calls(statement: ast.stmt) -> Iterator[ast.Call]:
    for child in children(statement):
        if isinstance(child, ast.expr | ast.withitem):
            yield from (node for node in walk(child) if isinstance(node, ast.Call))


def _names(node: ast.AST) -> set[str]:
    return {piece.id for piece in walk(node) if isinstance(piece, ast.Name)}


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value
