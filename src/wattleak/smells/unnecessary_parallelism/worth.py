"""What a number of threads is worth, followed through the project: constants of other files, what callers give."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.source.calls import Located
from wattleak.source.referents import Expression, Instance
from wattleak.source.resolving import referents
from wattleak.source.values import evaluate
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from wattleak.source.module import Module
    from wattleak.source.values import Value


class Worth(NamedTuple):
    """The one thing that a number can be, and every place where the code says so."""

    value: Value
    written: tuple[Located, ...]
    is_given: bool = False  # it is an argument of the function around it


def worth(module: Module, node: ast.expr) -> Worth | None:
    """Return what `node` is worth whenever it runs; None: several numbers, or nobody knows."""
    own = evaluate(module, node)
    if own is not None:
        return Worth(own, (Located(module, node),))
    found = [_of(referent) for referent in referents(module, node) or ()]
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found) or len({each.value for each in known}) > 1:
        return None
    return Worth(known[0].value, tuple(place for each in known for place in each.written), _is_given(module, node))


def _of(referent: object) -> Worth | None:
    match referent:
        case Expression(module=home, node=node) | Instance(module=home, call=ast.Call() as node):
            value = evaluate(home, node)
            return None if value is None else Worth(value, (Located(home, node),))
        case _:
            return None


def _is_given(module: Module, node: ast.expr) -> bool:
    names = [piece for piece in walk(node) if isinstance(piece, ast.Name)]
    return any(
        isinstance(binding.node, ast.arg)
        for name in names
        for binding in module.scopes.bindings(name.id, module.scopes.scope_of[name])
    )
