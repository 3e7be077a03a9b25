"""What is kept: a tensor with the graph that made it, what a model computed without one, or nothing of the kind."""

from __future__ import annotations

import ast
import re
from enum import IntEnum
from typing import TYPE_CHECKING

from wattleak.smells.unreleased_tensor_references.spending import Spent, spent
from wattleak.source.learning import Framework, Graph, frameworks, graph_of, is_model, runs_module
from wattleak.source.learning.inference import things
from wattleak.source.learning.reaching import origin, reaching
from wattleak.source.learning.things import Thing
from wattleak.source.names import dotted_name
from wattleak.source.referents import Class, Function
from wattleak.source.resolving import is_a, referents
from wattleak.source.standing import enclosing_class, enclosing_function
from wattleak.source.walking import own_nodes

if TYPE_CHECKING:
    from wattleak.smells.unreleased_tensor_references.steps import Step
    from wattleak.source.module import Module

_MODEL = re.compile(r"(?:\w+_)?(?:model|net|network)", re.IGNORECASE)
_LINKS = 6  # names and functions between a value and the model


class Kept(IntEnum):
    """What a value is, the heaviest last."""

    NOTHING = 0  # a number, a detached tensor, an input, or nobody knows
    SMALL = 1  # a tensor of TensorFlow that is no output of a model: a loss
    OUTPUT = 2  # what a model or layer computed, without graph
    GRAPH = 3  # a tensor of PyTorch with its graph


def kept(module: Module, value: ast.expr, step: Step | None = None) -> Kept:
    """Return what `value` is where it stands, in `step` where it is known."""
    if isinstance(value, ast.Constant):
        return Kept.NOTHING
    if not is_torch(module):
        return Kept.OUTPUT if is_output(module, value) else Kept.SMALL if _is_loss(module, value) else Kept.NOTHING
    match graph_of(module, value):
        case Graph.ATTACHED:
            return Kept.GRAPH
        case Graph.DETACHED:
            return Kept.OUTPUT if is_output(module, value) else Kept.NOTHING
        case Graph.UNKNOWN if step is not None:
            return _unknown(module, value, step)
        case _:
            return Kept.NOTHING


def _unknown(module: Module, value: ast.expr, step: Step) -> Kept:
    """Return what a value is, where it is not known whether gradients are switched off around its function."""
    if step.loop is None:
        return Kept.OUTPUT if is_output(module, value) or _is_of_operation(module, value) else Kept.NOTHING
    match spent(module, value, step.loop):
        case Spent.ROOT:
            return Kept.GRAPH  # backward() would fail if they were
        case Spent.SHARED if is_output(module, value) or _is_called_model(module, value):
            return Kept.GRAPH
        case _:
            return Kept.NOTHING


def _is_called_model(module: Module, value: ast.expr) -> bool:
    """Tell whether `value` came from something that a caller gives and that is called a model."""
    if not isinstance(value, ast.Name):
        return False
    found = [origin(module, binding) for binding in reaching(module, value)]
    return bool(found) and all(
        source is not None
        and not (source.each or source.entered or source.path)
        and isinstance(source.value, ast.Call)
        and isinstance(source.value.func, ast.Name)
        and _MODEL.fullmatch(source.value.func.id) is not None
        and referents(module, source.value.func) is None
        for source in found
    )


def _is_of_operation(module: Module, value: ast.expr) -> bool:
    """Tell whether `value` is made of an argument of an operation that a torch.autograd.Function defines."""
    function, owner = enclosing_function(module, value), enclosing_class(module, value)
    if owner is None or not isinstance(function, ast.FunctionDef) or not function.args.args:
        return False
    if not is_a(Class(module, owner), {"torch.autograd.Function"}):
        return False
    tensor = value.func.value if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) else value
    plain = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr != "clone"
    return isinstance(tensor, ast.Name) and not plain and tensor.id in {item.arg for item in function.args.args[1:]}


def is_torch(module: Module) -> bool:
    """Tell whether the tensors of a file are PyTorch's: it imports that, or nothing else."""
    found = frameworks(module)
    return Framework.TORCH in found or not found & {Framework.KERAS, Framework.TENSORFLOW}


def is_output(  # noqa: PLR0911 - one return for each kind
    module: Module, value: ast.expr, path: tuple[int, ...] = (), links: int = _LINKS
) -> bool:
    """Tell whether the piece of `value` at `path` is what a model or layer returned: large, unlike a loss."""
    if links <= 0:
        return False
    match value:
        case ast.Call(func=ast.Attribute(attr="gradient") as method) if not is_torch(module):
            return dotted_name(module, method) is None  # of a GradientTape: as large as the model; not numpy.gradient
        case ast.Call(func=ast.Attribute(attr="predict" | "predict_on_batch", value=model)):
            return not is_torch(module) and (is_model(module, model) or _is_watched(module, model))
        case ast.Call(func=ast.Attribute() as function) if _is_watched(module, function):
            return True
        case ast.Call():
            return runs_module(module, value) or _returns_output(module, value, path, links - 1)
        case ast.Subscript(value=inner, ctx=ast.Load()):
            return is_output(module, inner, (), links - 1)
        case ast.Name() if not path:
            found = [origin(module, binding) for binding in reaching(module, value)]
            return bool(found) and all(
                source is not None
                and not (source.each or source.entered)
                and is_output(module, source.value, source.path, links - 1)
                for source in found
            )
        case _:
            return False


def _is_watched(module: Module, expression: ast.expr) -> bool:
    """Tell whether `expression` is the `self.model` of a Keras callback."""
    match expression:
        case ast.Attribute(attr="model", value=ast.Name(id="self")):
            owner = enclosing_class(module, expression)
            return owner is not None and is_callback(Class(module, owner))
        case _:
            return False


def is_callback(owner: Class) -> bool:
    """Tell whether a class is a Keras callback."""
    return is_a(owner, {"keras.callbacks.Callback", "tensorflow.keras.callbacks.Callback"}) is True


def _is_loss(module: Module, value: ast.expr, links: int = _LINKS) -> bool:
    """Tell whether `value` is what a loss function of a library returned."""
    match value:
        case ast.Call(func=function):
            return things(module, function) == frozenset({Thing.LOSS})
        case ast.Name() if links > 0:
            found = [origin(module, binding) for binding in reaching(module, value)]
            return bool(found) and all(
                source is not None
                and not (source.each or source.entered or source.path)
                and _is_loss(module, source.value, links - 1)
                for source in found
            )
        case _:
            return False


def _returns_output(module: Module, call: ast.Call, path: tuple[int, ...], links: int) -> bool:
    """Tell whether a function of the project returns an output, at `path` of the tuple that it returns."""
    known = referents(module, call.func)
    if not known:
        return False
    for one in known:
        if not isinstance(one, Function) or isinstance(one.node, ast.Lambda):
            return False
        returned = [node.value for node in own_nodes(one.node) if isinstance(node, ast.Return)]
        pieces = [_piece(value, path) for value in returned if value is not None]
        if not pieces or any(piece is None or not is_output(one.module, piece, (), links) for piece in pieces):
            return False
    return True


def _piece(value: ast.expr, path: tuple[int, ...]) -> ast.expr | None:
    for position in path:
        if not isinstance(value, ast.Tuple | ast.List) or position >= len(value.elts):
            return None
        value = value.elts[position]
    return value
