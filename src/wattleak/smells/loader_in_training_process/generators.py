"""Keras: a Python generator that works for each batch, given to fit: nothing can read ahead of it in parallel."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Confidence
from wattleak.smells.loader_in_training_process import work
from wattleak.smells.loader_in_training_process.case import Case
from wattleak.smells.loader_in_training_process.fitting import fit_calls, is_exceptional, on_gpu
from wattleak.source import flow
from wattleak.source.arguments import argument
from wattleak.source.learning.asking import resolved
from wattleak.source.learning.reaching import reaching
from wattleak.source.referents import Function
from wattleak.source.scopes import Kind
from wattleak.source.walking import own_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module


def cases(module: Module) -> Iterator[Case]:
    """Yield every call of a working generator whose batches a fit of this module trains on, on an accelerator."""
    if ".fit" not in module.text or "keras" not in module.text:
        return
    for fit in fit_calls(module):
        given = argument(module, fit, "x", 0) or argument(module, fit, "generator", 0)
        for located in given.values if given is not None else ():
            made = _made(module, located.node) if located.module is module else None
            function = _generator(module, made) if made is not None else None
            if made is None or function is None or flow.runs_never(module, made) or is_exceptional(module, made):
                continue
            found = work.of_function(function)
            if found is None or found.weight is work.Weight.SLIGHT or not on_gpu(module):
                continue
            name = getattr(function.node, "name", "this generator")
            yield Case(
                made,
                f"{name} makes one batch after the other in the process that trains, while the accelerator waits "
                f"({found.what}); a PyDataset with workers, or tf.data, can read ahead",
                Confidence.MEDIUM,
                None,
            )


def _made(module: Module, node: ast.expr) -> ast.Call | None:
    """Return the call that makes what fit is given, where it is written there or has one name in between."""
    if isinstance(node, ast.Name):
        found = reaching(module, node)
        value = found[0].value if len(found) == 1 and found[0].kind is Kind.VALUE else None
        return value if isinstance(value, ast.Call) else None
    return node if isinstance(node, ast.Call) else None


def _generator(module: Module, call: ast.Call) -> Function | None:
    known = resolved(module, call.func)
    function = next(iter(known)) if known is not None and len(known) == 1 else None
    if not isinstance(function, Function) or isinstance(function.node, ast.Lambda):
        return None
    return function if any(isinstance(node, ast.Yield) for node in own_nodes(function.node)) else None
