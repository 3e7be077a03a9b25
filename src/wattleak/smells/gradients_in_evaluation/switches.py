"""Whether gradients are, or may be, off where a model runs: in blocks, decorators, and anybody who calls it."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from wattleak.source.learning import gradients_off
from wattleak.source.learning.asking import resolved
from wattleak.source.learning.callers import callers
from wattleak.source.referents import Class, Function, Instance, name_of
from wattleak.source.standing import enclosing_function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

_HOPS = 3  # calls between what turns gradients off and the model

_SWITCH = re.compile(r"grad|inference|eval|no_sync_and|(^|[._])mode($|[._])|freeze|frozen", re.IGNORECASE)
"""What context managers are called that may turn gradients off."""

_WORDS = re.compile(r"no_grad|inference_mode|set_grad_enabled")

_PLAIN_DECORATORS = re.compile(
    r"^(builtins|functools|abc|typing|typing_extensions|contextlib|torch\.(compile|jit|profiler|autograd\.profiler)|"
    r"click|typer|hydra|fire|numba|beartype|jaxtyping|pytest|tqdm|wandb|mlflow|ray|line_profiler|memory_profiler|"
    r"tenacity|retry|loguru|logging|time|celery|flask|fastapi|streamlit|gin|sacred|draccus|pyrallis|tyro|accelerate|"
    r"torch\.distributed\.elastic|torch\.amp|torch\.cuda\.amp|torch\.autocast|wattleak)(\.|$)"
)
"""Decorators of libraries that leave gradients as they are."""


_PLAIN_METHODS = frozenset({"setter", "getter", "command", "register", "route", "register_module"})


def may_be_off(module: Module, node: ast.AST) -> bool:
    """Tell whether gradients are off where `node` runs, or may be: in its function, or in one that calls it."""
    return _may_be_off(module, node, _HOPS, set())


def is_switched(module: Module, node: ast.AST, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether a function itself turns gradients off where `node` runs in it, or may; callers are not asked."""
    return _in_a_switch(module, node) or any(_may_switch(module, each) for each in function.decorator_list)


def _may_be_off(module: Module, node: ast.AST, hops: int, seen: set[ast.AST]) -> bool:
    if gradients_off(module, node) is True or _is_switched_by_statements(module) or _in_a_switch(module, node):
        return True
    function = enclosing_function(module, node)
    if function is None or function in seen:
        return False
    if isinstance(function, ast.Lambda) or any(_may_switch(module, each) for each in function.decorator_list):
        return True
    seen.add(function)
    used = callers(module, function) if hops > 0 else None
    if used is None:
        return False
    if any(_may_be_off(where, call, hops - 1, seen) for where, call in used.sites):
        return True
    # `trainer.validate(...)` where nobody knows what trainer is, and `mp.spawn(validate)`.
    return any(gradients_off(where, mention) is True or _is_wrapped(where, mention) for where, mention in used.others)


def _in_a_switch(module: Module, node: ast.AST) -> bool:
    parents = module.scopes.parent_of
    child = node
    while child in parents and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        parent = parents[child]
        if isinstance(parent, ast.With | ast.AsyncWith) and child in parent.body:
            for item in parent.items:
                if _context_may_switch(module, item.context_expr):
                    return True
        child = parent
    return False


def _context_may_switch(module: Module, context: ast.expr) -> bool:
    function = context.func if isinstance(context, ast.Call) else context
    known = resolved(module, function)
    if known is None:
        match function:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                return _SWITCH.search(name) is not None or isinstance(function, ast.Name)
            case _:
                return True
    for referent in known:
        match referent:
            case Function(module=home) | Class(module=home) | Instance(of=Class(module=home)):
                if _WORDS.search(home.text):
                    return True
            case _ if _SWITCH.search(name_of(referent) or "grad"):
                return True
            case _:
                pass
    return False


def _may_switch(module: Module, decorator: ast.expr) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    known = resolved(module, function)
    if known is None:
        return not (
            isinstance(function, ast.Attribute) and function.attr in {"setter", "getter", "command", "register"}
        )
    for referent in known:
        match referent:
            case Function(module=home) | Class(module=home) | Instance(of=Class(module=home)):
                if _WORDS.search(home.text):
                    return True
            case _ if not _PLAIN_DECORATORS.search(name_of(referent) or ""):
                return True
            case _:
                pass
    return False


def _is_wrapped(module: Module, mention: ast.expr) -> bool:
    """`validate = torch.no_grad()(validate)`."""
    parent = module.scopes.parent_of.get(mention)
    if not isinstance(parent, ast.Call) or parent.func is mention:
        return False
    return isinstance(parent.func, ast.Call) and _WORDS.search(ast.unparse(parent.func)) is not None


def _is_switched_by_statements(module: Module) -> bool:
    """Tell whether a module turns gradients on and off by statements, whose order is not followed."""
    if "set_grad_enabled" not in module.text and "__enter__" not in module.text:
        return False
    for node in walk(module.tree):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name))) if name in {
                "set_grad_enabled",
                "_set_grad_enabled",
                "__enter__",
            }:
                return True
            case _:
                pass
    return False
