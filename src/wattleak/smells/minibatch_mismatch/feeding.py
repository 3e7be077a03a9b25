"""What a loader or a data set feeds: loops that train, loops that only evaluate, and `fit`."""

from __future__ import annotations

import ast
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.smells.minibatch_mismatch.inputs import chain, is_dataset, keras_method
from wattleak.source import flow
from wattleak.source.arguments import argument
from wattleak.source.calls import Site
from wattleak.source.learning import LoopRole, Often, hot_loops, how_often, imported, importers
from wattleak.source.loaders import is_same_node, origins, read_by
from wattleak.source.referents import Function
from wattleak.source.resolving import referents
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.learning import HotLoop
    from wattleak.source.module import Module

_UPDATES = frozenset({"step", "apply_gradients", "apply", "train_on_batch", "minimize", "update"})
_HOPS = 2


class Feeds(Enum):
    """What is done with one batch."""

    UPDATE = "every batch is an update"
    ACCUMULATION = "several batches make an update"
    EVALUATION = "no batch is an update"
    UNKNOWN = "unknown"


def feeds(module: Module, call: ast.Call) -> Feeds | None:
    """Return what the batches of a loader or data set that `call` makes are used for; None: no use of it is known.

    Where it is used in more than one way, training counts.
    """
    found = {
        use
        for user in dict.fromkeys((module, *_users(module)))
        for use in (*_of_loops(user, module, call), *_of_fits(user, module, call))
    }
    return next((use for use in Feeds if use in found), None)


def updates(module: Module, loop: ast.For | ast.While) -> Feeds:
    """Return how often a loop makes an update of the model."""
    found = set(_updates(module, loop))
    return next((use for use in Feeds if use in found), Feeds.EVALUATION)


def _users(module: Module) -> Iterator[Module]:
    """Yield the other files in which a loader may be used: those that it is handed to, and those that ask for it."""
    for user in (*imported(module), *importers(module)):
        if any(word in user.text for word in ("backward", "apply_gradients", "train_on_batch", ".fit(", "no_grad")):
            yield user


def _of_loops(user: Module, module: Module, call: ast.Call) -> Iterator[Feeds]:
    for loop in hot_loops(user):
        if not isinstance(loop.node, ast.For) or not _reads(user, loop.node.iter, module, call):
            continue
        yield Feeds.EVALUATION if loop.role is LoopRole.EVALUATION else _of_training(user, loop)


def _of_training(user: Module, loop: HotLoop) -> Feeds:
    made = updates(user, loop.node)
    return Feeds.UNKNOWN if made is Feeds.EVALUATION else made  # gradients for something else than an update


def _of_fits(user: Module, module: Module, call: ast.Call) -> Iterator[Feeds]:
    if not any(f".{method}(" in user.text for method in ("fit", "evaluate", "predict")):
        return
    for node in walk(user.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        method = keras_method(user, node)
        given = argument(user, node, "x", 0) if method else None
        if given is None or not any(_gives(data.module, data.node, module, call) for data in given.values):
            continue
        yield Feeds.UPDATE if method == "fit" else Feeds.EVALUATION


def _reads(user: Module, iterated: ast.expr, module: Module, call: ast.Call) -> bool:
    return any(_gives(user, read, module, call) for read in read_by(user, iterated))


def _gives(user: Module, expression: ast.expr, module: Module, call: ast.Call) -> bool:
    """Tell whether an expression is the loader that `call` makes, or a data set that `call` cuts."""
    site = Site(module, call)
    for home, node in origins(user, expression) or ():
        for referent in referents(home, node) or ():
            if is_dataset(referent):
                if any(is_same_node(made, site) for _, made in chain(referent)):
                    return True
            elif isinstance(node, ast.Call) and is_same_node(Site(home, node), site):
                return True
    return False


def _updates(module: Module, loop: ast.For | ast.While) -> Iterator[Feeds]:
    for node in walk(loop):
        if not isinstance(node, ast.Call):
            continue
        if _is_update(node):
            often = how_often(module, node, loop)
            yield {Often.EACH_TIME: Feeds.UPDATE, Often.SOMETIMES: Feeds.ACCUMULATION}.get(often, Feeds.UNKNOWN)
        elif isinstance(node.func, ast.Name):
            for referent in referents(module, node.func) or ():
                if isinstance(referent, Function):
                    yield from _inside(referent, _HOPS)


def _inside(function: Function, hops: int) -> Iterator[Feeds]:
    if isinstance(function.node, ast.Lambda) or hops <= 0:
        return
    for node in own_nodes(function.node):
        if not isinstance(node, ast.Call):
            continue
        if _is_update(node):
            guarded = any(True for _ in flow.conditions(function.module, node))
            yield Feeds.UNKNOWN if guarded else Feeds.UPDATE
        elif isinstance(node.func, ast.Name):
            for referent in referents(function.module, node.func) or ():
                if isinstance(referent, Function) and referent.node is not function.node:
                    yield from _inside(referent, hops - 1)


def _is_update(call: ast.Call) -> bool:
    """`optimizer.step()`, not `scheduler.step(loss)` and not `env.step(action)`."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _UPDATES:
        return False
    owner = call.func.value
    word = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    if call.func.attr == "step":
        return not any(part in word.lower() for part in ("sched", "env", "prof", "bar", "writer"))
    if call.func.attr in {"apply", "update"}:
        return "opt" in word.lower()
    return True
