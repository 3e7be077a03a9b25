"""Where the result of an expression goes."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module


class How(Enum):
    """What is done with a value."""

    DISCARDED = "discarded"  # a statement of its own
    RETURNED = "returned"  # or yielded
    ARGUMENT = "argument"  # of the call `node`
    METHOD = "method"  # `name` of it is called: the call is `node`
    CALLED = "called"  # it is called itself
    ATTRIBUTE = "attribute"  # `name` of it is read
    ATTRIBUTE_STORE = "attribute store"  # it becomes the attribute `name` of something
    ITEM_STORE = "item store"  # `container[key] = it`
    ELEMENT = "element"  # of a list, tuple, set or dict that is written out
    ITERATED = "iterated"  # a loop runs over it
    OPERAND = "operand"  # arithmetic, comparison, a condition, text
    STORED = "stored"  # it gets the name `name`; what is done under that name follows
    DELETED = "deleted"  # del
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Use:
    """One thing that is done with a value. `name` is of the attribute, method or variable."""

    how: How
    node: ast.AST
    name: str | None = None


def uses(module: Module, expression: ast.expr) -> list[Use]:
    """Return what is done with the result of `expression`, through the names that it gets in its scope.

    The order of statements is not looked at: of a name that is given other values too, all uses are returned.
    """
    return list(_uses(module, expression, set()))


def _uses(  # noqa: C901, PLR0912 - one branch for each kind of use
    module: Module, node: ast.expr, seen: set[ast.AST]
) -> Iterator[Use]:
    if node in seen:
        return
    seen.add(node)
    parent = module.scopes.parent_of.get(node)
    above = module.scopes.parent_of.get(parent) if parent is not None else None
    match parent:
        case ast.Expr():
            yield Use(How.DISCARDED, parent)
        case ast.Return() | ast.Yield() | ast.YieldFrom():
            yield Use(How.RETURNED, parent)
        case ast.Lambda(body=body) if body is node:
            yield Use(How.RETURNED, parent)
        case ast.Attribute(attr=name) if isinstance(above, ast.Call) and above.func is parent:
            yield Use(How.METHOD, above, name)
        case ast.Attribute(attr=name, ctx=ast.Load()):
            yield Use(How.ATTRIBUTE, parent, name)
        case ast.Call(func=function):
            yield Use(How.CALLED if function is node else How.ARGUMENT, parent)
        case ast.keyword() | ast.Starred() if isinstance(above, ast.Call):
            yield Use(How.ARGUMENT, above, getattr(parent, "arg", None))
        case ast.Assign(targets=targets):
            for target in targets:
                yield from _stored(module, target, parent, seen)
        case ast.AnnAssign(target=target):
            yield from _stored(module, target, parent, seen)
        case ast.NamedExpr(target=target):
            yield from _stored(module, target, parent, seen)
            yield from _uses(module, parent, seen)
        case ast.AugAssign(target=target) if node is not target:
            yield Use(How.OPERAND, parent, getattr(target, "id", None))
        case ast.For(iter=iterable) | ast.AsyncFor(iter=iterable) | ast.comprehension(iter=iterable) if (
            iterable is node
        ):
            yield Use(How.ITERATED, parent)
        case ast.Tuple() | ast.List() | ast.Set() | ast.Dict():
            yield Use(How.ELEMENT, parent)
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            yield Use(How.ELEMENT, parent)
        case ast.IfExp(body=body, orelse=orelse) if node is body or node is orelse:
            yield from _uses(module, parent, seen)
        case ast.BoolOp() if isinstance(above, ast.Assign | ast.Return | ast.Call):
            yield from _uses(module, parent, seen)
        case ast.Await():
            yield from _uses(module, parent, seen)
        case ast.withitem(optional_vars=optional):
            yield Use(How.OTHER, parent, getattr(optional, "id", None))
        case ast.Delete():
            yield Use(How.DELETED, parent)
        case ast.BinOp() | ast.UnaryOp() | ast.Compare() | ast.BoolOp() | ast.FormattedValue() | ast.If() | ast.While():
            yield Use(How.OPERAND, parent)
        case _ if parent is not None:
            yield Use(How.OTHER, parent)
        case _:
            return


def _stored(module: Module, target: ast.expr, statement: ast.AST, seen: set[ast.AST]) -> Iterator[Use]:
    match target:
        case ast.Name(id=name):
            yield Use(How.STORED, statement, name)
            home = module.scopes.bindings(name, module.scopes.scope_of[target])
            mentions = [
                node
                for node in module.mentions.get(name, ())
                if isinstance(node, ast.Name)
                and not isinstance(node.ctx, ast.Store)
                and module.scopes.bindings(name, module.scopes.scope_of[node]) is home
            ]
            for node in sorted(mentions, key=lambda mention: (mention.lineno, mention.col_offset)):
                yield from _uses(module, node, seen)
        case ast.Attribute(attr=name):
            yield Use(How.ATTRIBUTE_STORE, statement, name)
        case ast.Subscript():
            yield Use(How.ITEM_STORE, statement)
        case _:
            yield Use(How.OTHER, statement)
