"""Where code stands: in which function, class, `with` block and loop."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.resolving import qualified_name

if TYPE_CHECKING:
    from wattleak.source.module import Module

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Loop = ast.For | ast.AsyncFor | ast.While | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def enclosing_function(module: Module, node: ast.AST) -> FunctionNode | None:
    """Return the innermost function around `node`, whose decorators and defaults are not inside it."""
    parents = module.scopes.parent_of
    child = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
            if isinstance(child, ast.stmt) and child in parent.body:
                return parent
        elif isinstance(parent, ast.Lambda) and child is parent.body:
            return parent
        child = parent
    return None


def owner_class(module: Module, function: ast.AST) -> ast.ClassDef | None:
    """Return the class that a function is a method of."""
    parent = module.scopes.parent_of.get(function)
    while isinstance(parent, ast.If | ast.Try | ast.With):
        parent = module.scopes.parent_of.get(parent)
    return parent if isinstance(parent, ast.ClassDef) else None


def enclosing_class(module: Module, node: ast.AST) -> ast.ClassDef | None:
    """Return the class in whose body or methods `node` stands."""
    parents = module.scopes.parent_of
    while node in parents:
        node = parents[node]
        if isinstance(node, ast.ClassDef):
            return node
    return None


def decorators(module: Module, node: ast.AST) -> list[str | None]:
    """Return the dotted names of the decorators of a function or class; None for one that is not known."""
    return [
        qualified_name(module, item.func if isinstance(item, ast.Call) else item)
        for item in getattr(node, "decorator_list", [])
    ]


def contexts(module: Module, node: ast.AST) -> list[str | None]:
    """Return the dotted names of the `with` blocks around `node`, up to the end of its function; None: not known."""
    parents = module.scopes.parent_of
    found: list[str | None] = []
    child = node
    while child in parents and not isinstance(
        child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef
    ):
        parent = parents[child]
        if isinstance(parent, ast.With | ast.AsyncWith) and child in parent.body:
            for item in parent.items:
                context = item.context_expr
                found.append(qualified_name(module, context.func if isinstance(context, ast.Call) else context))
        child = parent
    return found


def loops_around(module: Module, node: ast.AST) -> list[Loop]:
    """Return the loops and comprehensions that repeat `node`, innermost first, up to the end of its function.

    What is looped over, and the `else` of a loop, run once. The first iterable of a comprehension does too.
    """
    parents = module.scopes.parent_of
    found: list[Loop] = []
    child = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            break
        if (isinstance(parent, _LOOPS) and child in parent.body) or (
            isinstance(parent, ast.While) and child is parent.test
        ):
            found.append(parent)
        elif isinstance(parent, _COMPREHENSIONS):
            first = parent.generators[0]
            if child is not first:
                found.append(parent)
        elif isinstance(parent, ast.comprehension) and child is not parent.iter:
            owner = parents[parent]
            if isinstance(owner, _COMPREHENSIONS) and owner.generators[0] is parent:
                found.append(owner)
        child = parent
    return found
