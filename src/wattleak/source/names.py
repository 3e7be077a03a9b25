"""From an expression to the dotted name that it stands for: `T.set_num_threads` -> `torch.set_num_threads`."""

from __future__ import annotations

import ast
import builtins
from typing import TYPE_CHECKING

from wattleak.source.scopes import Binding, Kind

if TYPE_CHECKING:
    from wattleak.source.module import Module

_DEPTH = 20  # links from one name to the next; real code uses two or three
_IMPORTERS = frozenset({"importlib.import_module", "builtins.__import__", "pytest.importorskip"})
_BUILTINS = frozenset(dir(builtins))


def dotted_name(module: Module, expression: ast.expr, depth: int = _DEPTH) -> str | None:
    """Return the dotted name of what `expression` refers to, or None when that is not certain.

    Builtins are `builtins.len`. A name that is bound in two different ways is not certain, except for the fallback of
    an optional import (`torch = None`).
    """
    attributes: list[str] = []
    while isinstance(expression, ast.Attribute):
        attributes.append(expression.attr)
        expression = expression.value
    if any(attribute in module.scopes.stored_attributes for attribute in attributes):
        return None
    base = _base_name(module, expression, depth) if depth > 0 else None
    return None if base is None else ".".join((base, *reversed(attributes)))


def sole_binding(module: Module, name: ast.Name) -> Binding | None:
    """Return the one binding that `name` can have, or None: several, none, or hidden behind a later star import."""
    found = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    if len(found) != 1:
        return None
    line = getattr(found[0].node, "lineno", 0)
    return None if line < module.scopes.last_star_line else found[0]


def _base_name(module: Module, expression: ast.expr, depth: int) -> str | None:
    match expression:
        case ast.Name():
            return _name(module, expression, depth)
        case ast.Call(func=function, args=[ast.Constant(value=str(target)), *_]):
            return target if dotted_name(module, function, depth - 1) in _IMPORTERS else None
        case _:
            return None


def _name(module: Module, name: ast.Name, depth: int) -> str | None:
    found = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    if not found:
        known = name.id in _BUILTINS and not module.scopes.last_star_line
        return f"builtins.{name.id}" if known else None
    imports = {binding.target for binding in found if binding.kind is Kind.IMPORT}
    if imports:
        others = [binding for binding in found if binding.kind is not Kind.IMPORT]
        return imports.pop() if len(imports) == 1 and all(map(_is_none, others)) else None
    binding = sole_binding(module, name)
    if binding is None or binding.kind is not Kind.VALUE or binding.value is None:
        return None
    return dotted_name(module, binding.value, depth - 1)


def _is_none(binding: Binding) -> bool:
    return isinstance(binding.value, ast.Constant) and binding.value.value is None
