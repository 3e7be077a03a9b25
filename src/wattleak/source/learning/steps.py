"""Which calls train, which run a model, and which calls of the project lead to one that does."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.learning import classes
from wattleak.source.learning.asking import resolved
from wattleak.source.learning.frameworks import Framework, frameworks
from wattleak.source.learning.inference import things
from wattleak.source.learning.memory import of_module
from wattleak.source.learning.reaching import origin, reaching
from wattleak.source.learning.things import Thing
from wattleak.source.referents import Class, Function, Instance, Library, Partial
from wattleak.source.scopes import Kind
from wattleak.source.standing import enclosing_class
from wattleak.source.walking import children, walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
LOOPS = (ast.For, ast.While)
HOPS = 2  # calls between a loop and what trains in it


class Effect(Enum):
    """What running a piece of code does."""

    UPDATE = "update"  # gradients are computed or applied
    FORWARD = "forward"  # a model is run
    TRAINING_LOOP = "training loop"
    EVALUATION_LOOP = "evaluation loop"
    FIT = "fit"  # a whole training inside the library


@dataclass(slots=True)
class Region:
    """What runs as often as its owner: a loop, a function or the module, without the loops and functions inside it."""

    calls: list[ast.Call] = field(default_factory=list)
    loops: list[ast.For | ast.While] = field(default_factory=list)


@of_module
def regions(module: Module) -> dict[ast.AST, Region]:
    """Return the regions of a module by their owners."""
    found: dict[ast.AST, Region] = {module.tree: Region()}
    waiting: list[tuple[ast.AST, ast.AST]] = [(child, module.tree) for child in children(module.tree)]
    while waiting:
        node, owner = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                found[node] = Region()
                waiting += [(child, owner) for child in node.decorator_list]
                waiting += [(child, node) for child in node.body]
                continue
            case ast.Lambda():
                continue  # it runs when somebody calls it
            case ast.For():
                found[owner].loops.append(node)
                found[node] = Region()
                waiting += [(child, owner) for child in (node.iter, *node.orelse)]
                waiting += [(child, node) for child in node.body]
                continue
            case ast.While():
                found[owner].loops.append(node)
                found[node] = Region()
                waiting += [(child, owner) for child in node.orelse]
                waiting += [(child, node) for child in (node.test, *node.body)]
                continue
            case ast.Call():
                found[owner].calls.append(node)
            case _:
                pass
        waiting += [(child, owner) for child in children(node)]
    return found


# -- training ------------------------------------------------------------------------------------------------------

_ALWAYS = frozenset(
    {"apply_gradients", "train_on_batch", "apply_updates", "partial_fit", "optimizer_step", "manual_backward"}
)
_OPTIMIZER_NAMES = re.compile(r"optim|(?:^|_)opt(?:_|$|s$|er$|[A-Z0-9])|^adam|^sgd|solver", re.IGNORECASE)
_TRAIN_OPS = re.compile(r"train_?(?:op|step)|optimi|minimi|_solver$", re.IGNORECASE)
_GRADIENT_MAKERS = frozenset({"grad", "value_and_grad"})


def is_update(module: Module, call: ast.Call) -> bool:  # noqa: PLR0911 - one return for each way to train
    """Tell whether a call computes or applies gradients."""
    function = call.func
    if isinstance(function, ast.Name | ast.Call):
        return _is_gradient_function(module, function)
    if not isinstance(function, ast.Attribute):
        return False
    match function.attr:
        case "backward":
            return not _is_own_function(module, call)
        case name if name in _ALWAYS:
            return True
        case "gradient":
            return _is_tape(module, function.value)
        case "step":
            return _is_step(module, function, call)
        case "minimize":
            return _OPTIMIZER_NAMES.search(last_name(function.value)) is not None and bool(call.args)
        case "run" if "tensorflow" in module.text:
            return any(
                _TRAIN_OPS.search(last_name(node))
                for item in call.args[:1]
                for node in walk(item)
                if isinstance(node, ast.Name | ast.Attribute)
            )
        case _:
            return False


def _is_own_function(module: Module, call: ast.Call) -> bool:
    """`self.backward(...)` of a class of the project is looked into instead, as any call is."""
    match call.func:
        case ast.Attribute(value=ast.Name(id="self" | "ctx")):
            return any(isinstance(one, Function) for one in resolved(module, call.func) or ())
        case _:
            return False


def _is_step(module: Module, function: ast.Attribute, call: ast.Call) -> bool:
    if any(_OPTIMIZER_NAMES.search(last_name(item)) or things(module, item) == _OPTIMIZER for item in call.args[:1]):
        return True  # scaler.step(optimizer)
    base = function.value
    name = last_name(base)
    if "sched" in name.lower():
        return False
    if _OPTIMIZER_NAMES.search(name):
        return True
    return things(module, base) == _OPTIMIZER


_OPTIMIZER = frozenset({Thing.OPTIMIZER})


def _is_tape(module: Module, expression: ast.expr) -> bool:
    if not isinstance(expression, ast.Name):
        return False
    for binding in reaching(module, expression):
        source = origin(module, binding)
        if source is not None and isinstance(source.value, ast.Call) and last_name(source.value.func) == "GradientTape":
            return True
    return False


def _is_gradient_function(module: Module, function: ast.expr) -> bool:
    """`jax.value_and_grad(loss)(params)`, and `grad_fn(params)` for a name that was made so."""
    match function:
        case ast.Call(func=maker):
            return last_name(maker) in _GRADIENT_MAKERS and Framework.JAX in frameworks(module)
        case ast.Name() if Framework.JAX in frameworks(module):
            for binding in reaching(module, function):
                value = binding.value if binding.kind is Kind.VALUE else None
                while isinstance(value, ast.Call) and last_name(value.func) in _COMPILERS and value.args:
                    value = value.args[0]
                if isinstance(value, ast.Call) and last_name(value.func) in _GRADIENT_MAKERS:
                    return True
            return False
        case _:
            return False


# -- running a model -------------------------------------------------------------------------------------------------

_PREDICTING = frozenset({"predict", "generate", "predict_on_batch", "test_on_batch", "forward"})
_LIKE_MODELS = re.compile(
    r"model|net|gen|disc|encoder|decoder|actor|critic|student|teacher|classifier|module", re.IGNORECASE
)


def is_forward(module: Module, call: ast.Call) -> bool:
    """Tell whether a call runs a model: `model(x)`, `self.model(x)`, `model.predict(x)`."""
    function = call.func
    match function:
        case ast.Name():
            return _is_run(module, function) if _may_be_instance(module, function) else False
        case ast.Attribute(value=ast.Name() | ast.Attribute() as base, attr=name) if name in _PREDICTING:
            return _is_run(module, base)
        case ast.Attribute(value=ast.Name(id="self")):
            return _is_run(module, function)
        case ast.Attribute(attr=name) if _LIKE_MODELS.search(name) and isinstance(
            function.value, ast.Name | ast.Attribute
        ):
            return _is_run(module, function)
        case ast.Subscript(value=ast.Name() | ast.Attribute()):
            return _is_run(module, function)
        case _:
            return False


_MODEL = frozenset({Thing.MODEL})


def _is_run(module: Module, function: ast.expr) -> bool:
    """A model, or what is a model in one case and a part of one in another."""
    known = things(module, function)
    return known is not None and Thing.MODEL in known and known <= {Thing.MODEL, Thing.LAYER}


def _may_be_instance(module: Module, name: ast.Name) -> bool:
    scope = module.scopes.scope_of.get(name)
    found = module.scopes.bindings(name.id, scope) if scope is not None else []
    return any(
        binding.kind in {Kind.VALUE, Kind.UNKNOWN, Kind.EACH} and not isinstance(binding.node, FunctionNode)
        for binding in found
    ) or any(binding.kind is Kind.IMPORT and _comes_from_project(module, name) for binding in found)


def _comes_from_project(module: Module, name: ast.Name) -> bool:
    return any(isinstance(one, Instance) for one in resolved(module, name) or ())


_FITTING = frozenset({"fit", "fit_generator", "train"})
_TRAINERS = re.compile(r"trainer", re.IGNORECASE)


def is_fit(module: Module, call: ast.Call) -> bool:
    """Tell whether a call trains inside the library: keras `model.fit`, Lightning and Transformers `trainer.fit`."""
    match call.func:
        case ast.Attribute(value=base, attr="fit" | "fit_generator"):
            spoken = frameworks(module)
            if {Framework.KERAS, Framework.TENSORFLOW} & spoken and things(module, base) == _MODEL:
                return True
            return bool(call.args) and _is_trainer(module, base)
        case ast.Attribute(value=base, attr="train") if not call.args:
            return _is_trainer(module, base)
        case _:
            return False


def _is_trainer(module: Module, base: ast.expr) -> bool:
    if not isinstance(base, ast.Name | ast.Attribute | ast.Call) or not _TRAINERS.search(module.text):
        return False
    for one in resolved(module, base) or ():
        if (
            isinstance(one, Instance)
            and isinstance(one.of, Library)
            and one.of.name.rpartition(".")[2].endswith("Trainer")
        ):
            return True
        if isinstance(one, Instance) and isinstance(one.of, Class):
            return any(name.endswith("Trainer") for name in classes.ancestors(one.of) or ())
    return False


# -- calls of the project --------------------------------------------------------------------------------------------

_COMPILERS = frozenset({"jit", "pmap", "partial", "function", "compile", "checkify", "vmap", "DataParallel"})
_NEVER_OURS = frozenset(
    {
        *("append", "item", "to", "view", "size", "mean", "sum", "cuda", "cpu", "detach", "numpy", "format", "join"),
        *(
            "zero_grad",
            "eval",
            "parameters",
            "items",
            "keys",
            "values",
            "get",
            "max",
            "min",
            "float",
            "long",
            "backward",
        ),
        *("unsqueeze", "squeeze", "reshape", "permute", "flatten", "tolist", "argmax", "softmax", "write", "close"),
        *("add_scalar", "set_description", "set_postfix", "state_dict", "split", "strip", "extend", "info", "debug"),
    }
)


def callees(  # noqa: C901, PLR0912 - one branch for each way to call
    module: Module, call: ast.Call
) -> list[Function]:
    """Return the functions of the project that a call may run; empty: none, or not known."""
    function = call.func
    known: list[Function] = []
    match function:
        case ast.Name():
            scope = module.scopes.scope_of.get(function)
            found = module.scopes.bindings(function.id, scope) if scope is not None else []
            if not found and not module.scopes.last_star_line:
                return []
            for binding in found:
                if isinstance(binding.node, FunctionNode):
                    known.append(Function(module, binding.node))
                elif binding.kind is Kind.VALUE and isinstance(binding.value, ast.Call):
                    known += _compiled(module, binding.value)
            if known or (
                not any(binding.kind is Kind.IMPORT or binding.kind is Kind.VALUE for binding in found) and found
            ):
                return known
        case ast.Attribute(attr=name) if name not in _NEVER_OURS and isinstance(
            function.value, ast.Name | ast.Attribute
        ):
            if next(iter(module.home.mentioning(f"def {name}(")), None) is None:
                return []
        case ast.Call():
            return _compiled(module, function)
        case _:
            return []
    for one in resolved(module, function) or ():
        while isinstance(one, Partial):
            one = one.of  # noqa: PLW2901 - what it is a part of
        if isinstance(one, Function):
            known.append(one)
    return [one for one in known if isinstance(one.node, FunctionNode)]


def _compiled(module: Module, call: ast.Call) -> list[Function]:
    """`step = jax.jit(train_step)`: return train_step."""
    if last_name(call.func) not in _COMPILERS or not call.args:
        return []
    given = call.args[0]
    while isinstance(given, ast.Call) and last_name(given.func) in _COMPILERS and given.args:
        given = given.args[0]
    known = resolved(module, given) if isinstance(given, ast.Name | ast.Attribute) else None
    return [one for one in known or () if isinstance(one, Function) and isinstance(one.node, FunctionNode)]


def last_name(expression: ast.expr) -> str:
    """Return the last name of `a.b(...)[0]`: `b`; nothing where there is none."""
    while isinstance(expression, ast.Subscript | ast.Call):
        expression = expression.value if isinstance(expression, ast.Subscript) else expression.func
    return expression.attr if isinstance(expression, ast.Attribute) else getattr(expression, "id", "")


def in_forward(module: Module, node: ast.AST) -> bool:
    """Tell whether a node stands in a method of a layer or model, whose loops are part of one forward pass."""
    owner = enclosing_class(module, node)
    if owner is None:
        return False
    inside = Class(module, owner)
    return bool(classes.is_module_class(inside)) and not classes.is_lightning_class(inside)


__all__ = ["HOPS", "LOOPS", "Effect", "Region", "callees", "in_forward", "is_fit", "is_forward", "is_update", "regions"]
