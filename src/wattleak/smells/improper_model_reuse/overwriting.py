"""A model that is made, and replaced or deleted before anything has used it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source import standing
from wattleak.source.learning import builds_model
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module


def unused(module: Module) -> Iterator[tuple[ast.Assign, ast.stmt]]:
    """Yield every `name = build()` with the statement of the same block that replaces or deletes `name` unused."""
    for block in _blocks(module.tree):
        for number, statement in enumerate(block):
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
                    end = _end(name, block[number + 1 :])
                    if end is None or not _is_local_enough(module, statement, name, block[number + 1 :], end):
                        continue
                    if _calls_the_same(block, end, call) and builds_model(module, call):
                        yield statement, end
                case _:
                    pass


def _blocks(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _mentions(statement: ast.AST, name: str) -> bool:
    return any(isinstance(node, ast.Name) and node.id == name for node in walk(statement))


def _end(name: str, following: list[ast.stmt]) -> ast.stmt | None:
    """Return the first statement that names it again, if that gives it another value or deletes it."""
    for statement in following:
        match statement:
            case ast.Assign(targets=[ast.Name(id=same)], value=value) if same == name and not _mentions(value, name):
                return statement
            case ast.Delete(targets=[ast.Name(id=same)]) if same == name:
                return statement
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return None
            case _ if _mentions(statement, name):
                return None
            case _:
                pass
    return None


def _is_local_enough(
    module: Module, statement: ast.Assign, name: str, following: list[ast.stmt], end: ast.stmt
) -> bool:
    """Tell whether nobody else can see the name in between: a function that reads a name of its module, say."""
    if module.notebook is not None:
        return False  # a cell may be run again, or alone
    scope = module.scopes.scope_of[statement]
    if name in scope.elsewhere:
        return False
    between = following[: following.index(end)]
    if any(
        isinstance(item, ast.If | ast.For | ast.While | ast.Try | ast.With | ast.Return | ast.Match) for item in between
    ):
        return False
    found = module.scopes.bindings(name, scope)
    function = standing.enclosing_function(module, statement)
    return not any(
        isinstance(node, ast.Name)
        and isinstance(node.ctx, ast.Load)
        and module.scopes.bindings(name, module.scopes.scope_of[node]) is found
        and standing.enclosing_function(module, node) is not function
        for node in module.mentions.get(name, ())
    )


def _calls_the_same(block: list[ast.stmt], end: ast.stmt, call: ast.Call) -> bool:
    """Tell whether a model of the same maker takes its place: another one may be a reader's choice left open."""
    if isinstance(end, ast.Assign):
        return isinstance(end.value, ast.Call) and ast.dump(end.value.func) == ast.dump(call.func)
    after = block[block.index(end) + 1 :]
    return any(
        isinstance(node, ast.Call) and ast.dump(node.func) == ast.dump(call.func)
        for later in after
        for node in walk(later)
    )
