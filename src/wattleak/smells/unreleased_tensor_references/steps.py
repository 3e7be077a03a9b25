"""Where a store runs once in each step: in a hot loop, or in a function that a step calls."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.unreleased_tensor_references.stores import Store, store_of, stores
from wattleak.smells.unreleased_tensor_references.tensors import is_callback
from wattleak.source.calls import repetitions
from wattleak.source.learning import LoopRole, Often, epoch_loops, hot_loop_around, hot_loops, how_often
from wattleak.source.learning.classes import is_lightning_class, thing_of
from wattleak.source.learning.things import Thing
from wattleak.source.referents import Class
from wattleak.source.resolving import is_a
from wattleak.source.standing import enclosing_function, owner_class
from wattleak.source.values import Number, evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_FEW = 8  # rounds of a loop that nobody needs to be warned of
_FORWARD = frozenset({"forward", "call"})
_HOOKS = frozenset({"on_train_batch_end", "on_test_batch_end", "on_predict_batch_end", "on_batch_end", "on_epoch_end"})
_LIGHTNING = frozenset({"training_step", "validation_step", "test_step", "predict_step"})


@dataclass(frozen=True, slots=True)
class Step:
    """A store that runs once in each step, or in some of them."""

    store: Store
    loop: ast.For | ast.AsyncFor | ast.While | None  # None: it stands in a function that the step calls
    outermost: (
        ast.For | ast.AsyncFor | ast.While | None
    )  # the same, or where a step has several rounds, the loop of steps
    is_training: bool
    is_rare: bool = False  # under `if step % 100 == 0` and its like
    is_epoch: bool = False  # it runs once an epoch


def steps(module: Module) -> Iterator[Step]:
    """Yield every store of a module that a step runs."""
    seen: set[ast.stmt] = set()
    for hot in hot_loops(module):  # those around others come first
        for store in stores(hot.node.body):
            around = hot_loop_around(module, store.statement)
            often = how_often(module, store.statement, hot.node)
            if store.statement in seen or around is None or often is Often.UNKNOWN:
                continue
            seen.add(store.statement)
            if not _is_short(module, around.node):
                training = around.role is LoopRole.TRAINING
                yield Step(store, around.node, hot.node, training, often is Often.SOMETIMES)
        seen |= {store.statement for store in stores(hot.node.body)}
    for loop in epoch_loops(module):
        for store in stores(loop.body):
            if store.statement not in seen and how_often(module, store.statement, loop) is not Often.UNKNOWN:
                seen.add(store.statement)
                yield Step(store, loop, loop, is_training=True, is_epoch=True)
    for node in module.scopes.scope_of:
        found = store_of(node) if isinstance(node, ast.stmt) else None
        if found is None or found.statement in seen or not _outlives_functions(module, found):
            continue
        function = enclosing_function(module, found.statement)
        if isinstance(function, ast.FunctionDef) and _is_certain(module, found.statement, function):
            role = _of_step(module, function, found.statement)
            if role is not None:
                yield Step(found, None, None, role, is_epoch=function.name == "on_epoch_end")


def _outlives_functions(module: Module, store: Store) -> bool:
    match store.holder:
        case ast.Name(id=name):
            scope = module.scopes.scope_of[store.holder]
            found = module.scopes.bindings(name, scope)
            return scope.parent is not None and found is module.scopes.module.bindings.get(name)
        case ast.Attribute(value=ast.Name(id="self")):
            return True
        case _:
            return False


def _of_step(module: Module, function: ast.FunctionDef, node: ast.AST) -> bool | None:
    """Tell whether a function belongs to a training step (True) or another step (False); None: to none."""
    owner = owner_class(module, function)
    if owner is not None:
        made = Class(module, owner)
        if function.name in _FORWARD and thing_of(made) in {Thing.MODEL, Thing.LAYER}:
            return True
        if function.name in _LIGHTNING and is_lightning_class(made):
            return function.name == "training_step"
        if function.name in _FORWARD | {"backward"} and is_a(made, {"torch.autograd.Function"}):
            return True
        if function.name in _HOOKS and is_callback(made):
            return "test" not in function.name and "predict" not in function.name
    for repetition in repetitions(module, node):
        for hot in hot_loops(repetition.module):
            if hot.node is repetition.loop and not _is_short(repetition.module, hot.node):
                return hot.role is LoopRole.TRAINING
    return None


def _is_certain(module: Module, statement: ast.stmt, function: ast.FunctionDef) -> bool:
    """Tell whether no condition and no loop of the function stands around a statement."""
    parents = module.scopes.parent_of
    node: ast.AST = statement
    while parents[node] is not function:
        node = parents[node]
        if not isinstance(node, ast.With | ast.Try):
            return False
    return True


def _is_short(module: Module, loop: ast.AST) -> bool:
    """Tell whether a loop is written to end after a few rounds."""
    if isinstance(loop, ast.For):
        match loop.iter:
            case ast.Tuple(elts=elements) | ast.List(elts=elements) if len(elements) <= _FEW:
                return not any(isinstance(element, ast.Starred) for element in elements)
            case ast.Call(func=ast.Name(id="range"), args=[stop]):
                match evaluate(module, stop):
                    case Number(value=rounds) if rounds <= _FEW:
                        return True
                    case _:
                        pass
            case _:
                pass
    body: list[ast.stmt] = getattr(loop, "body", [])
    return bool(body) and isinstance(body[-1], ast.Break | ast.Return)
