"""Who wants gradients: what a piece of code does that needs the graph of a forward pass."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.source.learning.asking import resolved
from wattleak.source.referents import Class, Function, Instance
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wattleak.source.module import Module

_ATTRIBUTES = frozenset(
    {
        *("backward", "manual_backward", "grad", "grad_fn", "enable_grad", "retain_grad", "zero_grad", "register_hook"),
        *("register_full_backward_hook", "register_backward_hook", "saved_tensors_hooks"),
        *("jacobian", "hessian", "hvp", "vhp", "vjp", "jvp", "jacrev", "jacfwd", "grad_and_value", "attribute"),
    }
)
"""Attributes that mean gradients, whatever they are of: `loss.backward`, `x.grad`, `torch.autograd.grad`."""

_FUNCTIONS = frozenset({"grad", "jacobian", "hessian", "vjp", "jvp", "jacrev", "jacfwd", "value_and_grad"})

_OPTIMIZER = re.compile(r"(^|_)optim(izer)?s?\d*(_|$)|(^|_)opt(_[a-z]+)?$", re.IGNORECASE)

_TOOLS = re.compile(
    r"\b(captum|torchattacks|foolbox|cleverhans|advertorch|autoattack|robustbench|torchcam|pytorch_grad_cam|"
    r"art\.attacks|art\.estimators|innvestigate|zennit|shap)\b"
)
"""Libraries that ask a model in evaluation mode for gradients."""

_PURPOSES = re.compile(
    r"saliency|attack|advers|(^|_)adv(_|$)|fgsm|(^|_)pgd|grad_?cam|smooth_?grad|integrated_?grad|attribution|explain|"
    r"(^|_)adapt(_|$)|adaptation|(^|_)(tent|ttt)(_|$)|inversion|dream|perturb|influence|fisher|hessian|jacobian",
    re.IGNORECASE,
)
"""What functions are called that need gradients of a model in evaluation mode."""


def has_tools(module: Module) -> bool:
    """Tell whether a library that asks for gradients in evaluation mode is imported."""
    return _TOOLS.search(module.text) is not None


def names_a_purpose(name: str) -> bool:
    """Tell whether a function is called after something that needs gradients."""
    return _PURPOSES.search(name) is not None


def wants_gradients(module: Module, nodes: Iterable[ast.AST], hops: int = 2) -> bool:
    """Tell whether code, or the functions of the project that it calls, uses gradients. Nested functions count."""
    return _wants(module, nodes, hops, set())


def _wants(module: Module, nodes: Iterable[ast.AST], hops: int, seen: set[ast.AST]) -> bool:
    for root in nodes:
        for node in walk(root):
            if _is_use(node):
                return True
            if isinstance(node, ast.Call) and hops > 0:
                for home, inner in _entered(module, node):
                    if inner not in seen:
                        seen.add(inner)
                        if _wants(home, [inner], hops - 1, seen):
                            return True
    return False


def _is_use(node: ast.AST) -> bool:  # noqa: PLR0911 - one for each way
    match node:
        case ast.Attribute(attr="requires_grad", ctx=ast.Store()):
            return True  # what it is set to is looked at by who freezes a model
        case ast.Attribute(attr=name, ctx=ast.Load()) if name in _ATTRIBUTES:
            return True
        case ast.Call(func=ast.Attribute(attr="requires_grad_"), args=arguments):
            return not (arguments and isinstance(arguments[0], ast.Constant) and arguments[0].value is False)
        case ast.Call(func=ast.Attribute(attr="step", value=owner)):
            return _OPTIMIZER.search(_last_name(owner)) is not None
        case ast.Call(func=ast.Name(id=name)):
            return name in _FUNCTIONS or names_a_purpose(name)
        case ast.Call(func=ast.Attribute(attr=name)):
            return names_a_purpose(name)
        case ast.keyword(arg="requires_grad" | "create_graph", value=ast.Constant(value=True)):
            return True
        case _:
            return False


def _last_name(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=value):
            return _last_name(value)
        case _:
            return ""


def _entered(module: Module, call: ast.Call) -> list[tuple[Module, ast.AST]]:
    """Return the code of the project that a call runs: a function, or the forward pass of a model."""
    found: list[tuple[Module, ast.AST]] = []
    for referent in resolved(module, call.func) or ():
        match referent:
            case Function(module=home, node=node):
                found.append((home, node))
            case Instance(of=Class(module=home, node=node)):
                found += [
                    (home, method)
                    for method in node.body
                    if isinstance(method, ast.FunctionDef) and method.name in {"forward", "__call__"}
                ]
            case _:
                pass
    return found


def differentiates(call: ast.Call) -> bool:
    """Tell whether a call asks for the gradients of what it is given: `loss.backward()`, `autograd.grad(loss, x)`."""
    match call.func:
        case ast.Attribute(attr=name):
            return name in {"backward", "manual_backward", "grad", "jacobian", "hessian"}
        case ast.Name(id=name):
            return name in _FUNCTIONS
        case _:
            return False


def is_frozen(module: Module, model: str) -> bool:
    """Tell whether the parameters of `model` (how the code writes it) are told to need no gradients."""
    for node in walk(module.tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="requires_grad_", value=owner), args=[ast.Constant(value=False), *_]
            ) if ast.unparse(owner) == model:
                return True
            case ast.For(iter=ast.Call(func=ast.Attribute(attr="parameters", value=owner))) if ast.unparse(
                owner
            ) == model and _switches_off(node):
                return True
            case _:
                pass
    return False


def _switches_off(loop: ast.For) -> bool:
    for node in own_nodes(loop):
        match node:
            case ast.Assign(targets=[ast.Attribute(attr="requires_grad")], value=ast.Constant(value=False)):
                return True
            case ast.Call(func=ast.Attribute(attr="requires_grad_"), args=[ast.Constant(value=False), *_]):
                return True
            case _:
                pass
    return False
