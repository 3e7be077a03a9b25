"""What a call calls, where the resolver alone does not say: a constructor picked by its name."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.source.learning.asking import resolved, resolved_name
from wattleak.source.learning.reaching import reaching
from wattleak.source.referents import Library, Referent
from wattleak.source.scopes import Kind

if TYPE_CHECKING:
    from wattleak.source.module import Module

_HOMES = frozenset({"torchvision.models", "timm.models", "keras.applications", "tensorflow.keras.applications"})


def called(module: Module, function: ast.expr) -> frozenset[Referent] | None:
    """Return what `function` can stand for in a call; None: it can be something that is not known.

    `models.__dict__[name]` and `getattr(models, name)` of torchvision are some model of it (`torchvision.models.any`);
    `MODELS[name]` of a dict that is written out is one of its values.
    """
    known = resolved(module, function)
    if known is not None and not (isinstance(function, ast.Call) and getattr(function.func, "id", "") == "getattr"):
        return known
    match function:
        case ast.Subscript(value=ast.Attribute(value=home, attr="__dict__")):
            return _of_home(module, home)
        case ast.Call(func=ast.Name(id="getattr"), args=[home, *_]):
            return _of_home(module, home)
        case ast.Subscript(value=ast.Name() as table):
            return _of_table(module, table)
        case ast.Name():
            return _of_name(module, function)
        case _:
            return None


def _of_home(module: Module, home: ast.expr) -> frozenset[Referent] | None:
    name = resolved_name(module, home)
    if name not in _HOMES:
        return None
    return frozenset({Library(f"{name}.{'Any' if 'keras' in name else 'any'}")})


def _of_table(module: Module, table: ast.Name) -> frozenset[Referent] | None:
    found: set[Referent] = set()
    for binding in reaching(module, table):
        if binding.kind is not Kind.VALUE or not isinstance(binding.value, ast.Dict) or not binding.value.values:
            return None
        for value in binding.value.values:
            known = resolved(module, value) if isinstance(value, ast.Name | ast.Attribute) else None
            if known is None:
                return None
            found |= known
    return frozenset(found) or None


def _of_name(module: Module, name: ast.Name) -> frozenset[Referent] | None:
    """`make = models.__dict__[args.arch]`, then `make(...)`."""
    found: set[Referent] = set()
    for binding in reaching(module, name):
        if binding.kind is not Kind.VALUE or not isinstance(binding.value, ast.Subscript | ast.Call):
            return None
        known = called(module, binding.value)
        if known is None:
            return None
        found |= known
    return frozenset(found) or None
