"""Code that goes through something only to learn how many elements it has."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.loaders import read_by
from wattleak.source.names import dotted_name
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module


class Counting(NamedTuple):
    """`node` reads all of `counted`. It is an expression whose value is the number, or a loop that adds to `total`."""

    node: ast.expr | ast.For
    counted: ast.expr
    total: ast.expr | None = None


def countings(module: Module) -> Iterator[Counting]:
    """Yield every place that counts what it could have asked for, whatever it counts."""
    for node in walk(module.tree):
        found = _counting(module, node)
        if found is None:
            continue
        read = read_by(module, found.counted)
        if len(read) == 1:
            yield found._replace(counted=read[0])


def _counting(module: Module, node: ast.AST) -> Counting | None:
    match node:
        case ast.Call(func=ast.Name(id="len"), args=[inner], keywords=[]) if _is(module, node.func, "len"):
            counted = _collected(module, inner)
            return None if counted is None else Counting(node, counted)
        case ast.Call(func=ast.Name(id="sum"), args=[ast.GeneratorExp() | ast.ListComp() as inner], keywords=[]):
            one = isinstance(inner.elt, ast.Constant) and inner.elt.value == 1 and inner.elt.value is not True
            counted = _all_of(inner) if one and _is(module, node.func, "sum") else None
            return None if counted is None else Counting(node, counted)
        case ast.Call(func=ast.Attribute(value=counted, attr="reduce"), args=[_, ast.Lambda() as step], keywords=[]):
            return Counting(node, counted) if _adds_one(step) else None
        case ast.For(iter=counted, body=[ast.AugAssign(op=ast.Add()) as step], orelse=[]):
            plain = isinstance(step.target, ast.Name | ast.Attribute)
            return Counting(node, counted, step.target) if plain and _is_one(step.value) else None
        case _:
            return None


def _is(module: Module, function: ast.expr, builtin: str) -> bool:
    return dotted_name(module, function) == f"builtins.{builtin}"


def _is_one(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) in {int, float} and node.value == 1


def _collected(module: Module, node: ast.expr) -> ast.expr | None:
    """Return what `list(x)`, `tuple(x)` and `[... for b in x]` take all of."""
    match node:
        case ast.Call(func=ast.Name(id="list" | "tuple" as name), args=[counted], keywords=[]):
            if not _is(module, node.func, name) or isinstance(counted, ast.Starred):
                return None
            return _all_of(counted) if isinstance(counted, ast.GeneratorExp) else counted
        case ast.ListComp():
            return _all_of(node)
        case ast.List(elts=[ast.Starred(value=counted)]):
            return counted
        case _:
            return None


def _all_of(comprehension: ast.GeneratorExp | ast.ListComp) -> ast.expr | None:
    match comprehension.generators:
        case [ast.comprehension(iter=counted, ifs=[], is_async=0)]:
            # What is done with each element may be the purpose: [model(x) for x in loader].
            calls = any(isinstance(node, ast.Call | ast.Await | ast.NamedExpr) for node in walk(comprehension.elt))
            return None if calls else counted
        case _:
            return None


def _adds_one(step: ast.Lambda) -> bool:
    """`lambda n, _: n + 1`, as tf.data.Dataset.reduce takes it."""
    names = [argument.arg for argument in step.args.args]
    match step.body:
        case ast.BinOp(left=ast.Name(id=first), op=ast.Add(), right=one) if names[:1] == [first]:
            return len(names) == 2 and _is_one(one)
        case ast.BinOp(left=one, op=ast.Add(), right=ast.Name(id=first)) if names[:1] == [first]:
            return len(names) == 2 and _is_one(one)
        case _:
            return False
