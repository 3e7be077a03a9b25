"""The edits that release what is kept, and those that keep it."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.smells.unreleased_tensor_references.holders import Holder
    from wattleak.smells.unreleased_tensor_references.stores import Store
    from wattleak.source.module import Module

_ATOMS = (ast.Name, ast.Attribute, ast.Call, ast.Subscript)


def detached(module: Module, values: Iterable[ast.expr]) -> tuple[Edit, ...]:
    """Return edits that cut each of `values` off its graph."""
    edits: list[Edit] = []
    for value in values:
        span = module.span(value)
        atom = isinstance(value, _ATOMS)
        if not atom:
            edits.append(Edit(span.line, span.column, span.line, span.column, "("))
        closing = ".detach()" if atom else ").detach()"
        edits.append(Edit(span.end_line, span.end_column, span.end_line, span.end_column, closing))
    return tuple(edits)


def not_kept(module: Module, store: Store, holder: Holder) -> tuple[Edit, ...]:
    """Return edits that leave out a store whose holder nobody reads; what is computed for it is still computed."""
    effects = [value for value in store.values if not _is_free(value)]
    if len(effects) > 1:
        return ()
    if effects:
        edits = [Edit(*module.span(store.statement), module.segment(effects[0]))]
    else:
        edits = [_without(module, store.statement)]
    making = _only_making(module, store, holder)
    if making is not None:
        edits.append(_without(module, making))
    return tuple(edits)


def keeping(module: Module, loop: ast.For | ast.AsyncFor | ast.While, name: str) -> tuple[Edit, ...] | None:
    """Return edits that keep `name` of each step of `loop` in a new list; None: there is no place for them."""
    body = loop.body
    first, last = body[0], body[-1]
    if first.lineno == loop.lineno or isinstance(last, ast.Return | ast.Break | ast.Continue | ast.Raise):
        return None
    before, inside = _indentation(module, loop.lineno), _indentation(module, first.lineno)
    if before is None or inside is None or not isinstance(module.scopes.parent_of[loop], _BLOCKS):
        return None
    taken = {*module.mentions, *module.scopes.module.bindings}
    names = itertools.chain(["kept"], (f"kept_{number}" for number in itertools.count(2)))
    new = next(each for each in names if each not in taken)
    line = last.end_lineno or last.lineno
    end = len(module.lines[line - 1])
    return (
        Edit(loop.lineno, 0, loop.lineno, 0, f"{before}{new} = []{module.newline}"),
        Edit(line, end, line, end, f"{module.newline}{inside}{new}.append({name})"),
    )


_BLOCKS = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.For, ast.While, ast.With, ast.If, ast.Try)


def _is_free(value: ast.expr) -> bool:
    """Tell whether computing `value` does nothing besides."""
    return all(
        isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Constant | ast.expr_context)
        for node in walk(value)
    )


def _only_making(module: Module, store: Store, holder: Holder) -> ast.stmt | None:
    """Return the `kept = []` of a name that is mentioned nowhere besides there and in the store."""
    if not holder.is_local or holder.mentions or len(holder.makings) != 1 or not isinstance(store.holder, ast.Name):
        return None
    made = holder.makings[0].node
    statement = module.scopes.parent_of.get(made)
    name = store.holder
    home = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    mentioned = [
        node
        for node in module.mentions.get(name.id, ())
        if isinstance(node, ast.Name) and module.scopes.bindings(node.id, module.scopes.scope_of[node]) is home
    ]
    if len(mentioned) != 2 or not _is_empty(made):
        return None
    match statement:
        case ast.Assign(targets=[ast.Name()]) | ast.AnnAssign(target=ast.Name()):
            return statement
        case _:
            return None


def _is_empty(made: ast.expr) -> bool:
    match made:
        case ast.List(elts=[]) | ast.Dict(keys=[]) | ast.Call(args=[], keywords=[]):
            return True
        case _:
            return False


def _without(module: Module, statement: ast.stmt) -> Edit:
    """Return the edit that takes a statement out; a comment at its end stays."""
    span = module.span(statement)
    before = module.lines[span.line - 1][: span.column]
    after = module.lines[span.end_line - 1][span.end_column :]
    if _is_alone(module, statement) or before.strip() or (after.strip() and not after.lstrip().startswith("#")):
        return Edit(*span, "pass")
    if after.strip():
        return Edit(span.line, span.column, span.end_line, len(module.lines[span.end_line - 1]), after.lstrip())
    if span.end_line < len(module.lines):
        return Edit(span.line, 0, span.end_line + 1, 0, "")
    return Edit(span.line, 0, span.end_line, len(module.lines[span.end_line - 1]), "")


def _is_alone(module: Module, statement: ast.stmt) -> bool:
    parent = module.scopes.parent_of[statement]
    blocks = (getattr(parent, name, None) for name in ("body", "orelse", "finalbody"))
    return any(isinstance(block, list) and block == [statement] for block in blocks)


def _indentation(module: Module, line: int) -> str | None:
    text = module.lines[line - 1]
    indentation = text[: len(text) - len(text.lstrip())]
    return indentation if module.lines[line - 1][len(indentation) :] else None
