"""Under which conditions a statement runs, as far as its file tells."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.names import dotted_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_LEAVES = frozenset({"sys.exit", "os._exit", "builtins.exit", "builtins.quit"})


def conditions(module: Module, node: ast.AST) -> Iterator[ast.expr]:
    """Yield every test that decides whether `node` runs: those around it, and those before it that leave its block.

    Functions are followed outwards to the module; the callers of a function are not looked at.
    """
    parents = module.scopes.parent_of
    child = node
    while child in parents:
        parent = parents[child]
        match parent:
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) if child is not test:
                yield test
            case ast.Match(subject=subject) if child is not subject:
                yield subject
            case ast.match_case(guard=ast.expr() as guard) if child is not guard:
                yield guard
            case ast.BoolOp(values=values) if isinstance(child, ast.expr) and child in values:
                yield from values[: values.index(child)]
            case ast.comprehension(ifs=tests):
                yield from tests
            case _:
                pass
        if isinstance(child, ast.stmt):
            yield from _leaving_before(module, parent, child)
        child = parent


def runs_never(module: Module, node: ast.AST) -> bool:
    """Tell whether `node` stands under a test that is written as false (`if False:`, `if TYPE_CHECKING:`)."""
    parents = module.scopes.parent_of
    child = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.If | ast.While) and child in parent.body:
            match parent.test:
                case ast.Constant(value=value) if not value:
                    return True
                case ast.Name() | ast.Attribute() if dotted_name(module, parent.test) == "typing.TYPE_CHECKING":
                    return True
                case _:
                    pass
        child = parent
    return False


def _leaving_before(module: Module, parent: ast.AST, child: ast.stmt) -> Iterator[ast.expr]:
    """Yield the tests of `if test: return` and of `assert test` that stand before `child` in the same block."""
    for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
        if not isinstance(block, list) or child not in block:
            continue
        for earlier in block[: block.index(child)]:
            match earlier:
                case ast.Assert(test=test):
                    yield test
                case ast.If(test=test, body=body, orelse=orelse) if _leaves(module, body) or _leaves(module, orelse):
                    yield test
                case _:
                    pass


def _leaves(module: Module, block: list[ast.stmt]) -> bool:
    match block[-1] if block else None:
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break():
            return True
        case ast.Expr(value=ast.Call(func=function)):
            return dotted_name(module, function) in _LEAVES
        case _:
            return False
