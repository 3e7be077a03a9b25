"""The resolver, asked only where it answers at once.

It finds what callers give for a parameter by resolving every mention of the function in the project, which is what a
rule wants once for its one call, and what nobody can afford for every call of a loop. Here an expression that hangs on
a parameter is not known, and `callers` says who gives it, from what imports and classes alone tell.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.referents import Class, Referent, name_of
from wattleak.source.resolving import _STEPS, referents, stores
from wattleak.source.standing import enclosing_class

if TYPE_CHECKING:
    from wattleak.source.module import Module

_PATIENCE = 150  # steps of the resolver for one expression: what needs more hangs on many callers
_DEPTH = 8  # names from one to the next


def resolved(module: Module, expression: ast.expr) -> frozenset[Referent] | None:
    """Return what `resolving.referents` does, and None where the answer hangs on who calls a function."""
    whole(module)
    kept: dict[ast.AST, frozenset[Referent] | None] = module.__dict__.setdefault("_learning_known", {})
    if expression not in kept:
        kept[expression] = None if hangs_on_callers(module, expression) else _ask(module, expression)
    return kept[expression]


def whole(module: Module) -> None:
    """Note that an answer rests on any file of the project: one that is kept would not ask for them again."""
    if module.project is not None:
        module.project.asked_whole = True


def resolved_name(module: Module, expression: ast.expr) -> str | None:
    """Return the one dotted name of an expression, or None: several, or not known."""
    found = resolved(module, expression)
    return name_of(next(iter(found))) if found is not None and len(found) == 1 else None


def _ask(module: Module, expression: ast.expr) -> frozenset[Referent] | None:
    project = module.home
    if project.steps is not None:
        return referents(module, expression)
    project.steps = _STEPS - _PATIENCE
    try:
        return referents(module, expression)
    finally:
        project.steps = None


def hangs_on_callers(module: Module, expression: ast.expr) -> bool:
    """Tell whether what an expression is depends on a parameter, also through names and attributes of `self`."""
    return _hangs(module, expression, _DEPTH, set())


def _hangs(module: Module, node: ast.expr, depth: int, seen: set[ast.AST]) -> bool:  # noqa: PLR0911 - one for each kind
    if depth <= 0 or node in seen:
        return depth <= 0
    seen.add(node)
    match node:
        case ast.Name():
            scope = module.scopes.scope_of.get(node)
            found = module.scopes.bindings(node.id, scope) if scope is not None else []
            return any(_binding_hangs(module, node, binding.node, binding.value, depth, seen) for binding in found)
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            owner = enclosing_class(module, node)
            values = stores(Class(module, owner)).get(name, []) if owner is not None else []
            return any(value is not None and _hangs(module, value, depth - 1, seen) for value in values)
        case (
            ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Call(func=inner) | ast.NamedExpr(value=inner)
        ):
            return _hangs(module, inner, depth, seen)
        case ast.IfExp(body=body, orelse=orelse):
            return _hangs(module, body, depth, seen) or _hangs(module, orelse, depth, seen)
        case ast.BoolOp(values=operands):
            return any(_hangs(module, each, depth, seen) for each in operands)
        case _:
            return False


def _binding_hangs(
    module: Module, name: ast.Name, node: ast.AST, value: ast.expr | None, depth: int, seen: set[ast.AST]
) -> bool:
    if isinstance(node, ast.arg):
        return name.id not in {"self", "cls"}
    return value is not None and _hangs(module, value, depth - 1, seen)


__all__ = ["hangs_on_callers", "resolved", "resolved_name"]
