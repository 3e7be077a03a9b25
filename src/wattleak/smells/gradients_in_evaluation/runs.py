"""Where a model runs again and again after it was put into evaluation mode."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.gradients_in_evaluation.gradient_uses import names_a_purpose
from wattleak.smells.gradients_in_evaluation.switches import is_switched
from wattleak.source.learning.asking import resolved
from wattleak.source.referents import Function
from wattleak.source.standing import loops_around, owner_class
from wattleak.source.walking import in_order, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module
    from wattleak.source.standing import Loop

_HOPS = 2  # calls between the function that says eval() and the one that runs the model

FORWARD = frozenset({"forward", "__call__", "training_step", "closure"})
"""Functions that run a model for somebody else, who may want gradients."""


@dataclass(frozen=True, slots=True)
class Run:
    """A call that runs the model, or leads to it, and the loop that repeats it."""

    call: ast.Call
    loop: Loop


def is_false(call: ast.Call) -> bool:
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return len(given) == 1 and isinstance(given[0], ast.Constant) and given[0].value is False


def region(module: Module, statement: ast.stmt, model: str) -> Iterator[ast.stmt]:
    """Yield the statements of the same block after `eval()`, until the model is put back into training mode."""
    for following in _following(module, statement):
        if _trains_again(module, following, model):
            return
        yield following


def _following(module: Module, statement: ast.stmt) -> list[ast.stmt]:
    parent = module.scopes.parent_of.get(statement)
    for name in ("body", "orelse", "finalbody"):
        block = getattr(parent, name, None)
        if isinstance(block, list) and statement in block:
            return list(block[block.index(statement) + 1 :])
    return []


def _trains_again(module: Module, statement: ast.stmt, model: str, hops: int = _HOPS) -> bool:
    for node in walk(statement):
        match node:
            case ast.Call(func=ast.Attribute(attr="train", value=owner)) if not is_false(node):
                if ast.unparse(owner) == model:
                    return True
            case ast.Call() if hops > 0:
                for home, inner, name in passed_on(module, node, model):
                    if any(_trains_again(home, piece, name, hops - 1) for piece in inner.body):
                        return True
            case _:
                pass
    return False


def runs(
    module: Module, roots: list[ast.stmt], model: str, within: Loop | None = None, hops: int = _HOPS
) -> Iterator[Run]:
    """Yield the calls that run the model again and again, here or in functions that it is given to."""
    for node in in_order(roots):
        if not isinstance(node, ast.Call):
            continue
        loop = within or _loop_inside(module, node, roots)
        if _is_run(node, model):
            if loop is not None:
                yield Run(node, loop)
        elif hops > 0:
            for home, function, name in passed_on(module, node, model):
                if function.name in FORWARD or names_a_purpose(function.name):
                    continue
                for run in runs(home, function.body, name, loop, hops - 1):
                    if not is_switched(home, run.call, function):
                        # In a function that others call too, the place to see is the loop that runs it.
                        yield run if loop is None and home is module else Run(node, run.loop)


def _is_run(call: ast.Call, model: str) -> bool:
    match call.func:
        case ast.Attribute(attr="forward", value=owner):
            return ast.unparse(owner) == model
        case ast.Name() | ast.Attribute():
            return ast.unparse(call.func) == model
        case _:
            return False


def _loop_inside(module: Module, node: ast.AST, roots: list[ast.stmt]) -> Loop | None:
    """Return the innermost loop around `node` that is one of `roots` or inside one, and that comes round again."""
    parents = module.scopes.parent_of
    found = None
    for loop in loops_around(module, node):
        if not comes_round(loop):
            continue
        above: ast.AST | None = loop
        while above is not None and above not in roots:
            above = parents.get(above)
        if above is None:
            break
        found = found or loop
    return found


def comes_round(loop: Loop) -> bool:
    """Tell whether a loop is one: `for batch in loader: ...; break` takes the first."""
    return not (isinstance(loop, ast.For | ast.While) and isinstance(loop.body[-1], ast.Break))


def passed_on(
    module: Module, call: ast.Call, model: str
) -> Iterator[tuple[Module, ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Yield the functions of the project that a call gives the model to, and what they call it."""
    given = [
        (number, keyword)
        for number, keyword, value in (
            *((number, None, value) for number, value in enumerate(call.args)),
            *((None, keyword.arg, keyword.value) for keyword in call.keywords),
        )
        if isinstance(value, ast.Name | ast.Attribute) and ast.unparse(value) == model
    ]
    own = isinstance(call.func, ast.Attribute) and model.startswith(f"{ast.unparse(call.func.value)}.")
    if not given and not own:
        return
    for referent in resolved(module, call.func) or ():
        if not isinstance(referent, Function) or isinstance(referent.node, ast.Lambda):
            continue
        node = referent.node
        names = [item.arg for item in (*node.args.posonlyargs, *node.args.args)]
        is_method = owner_class(referent.module, node) is not None and names[:1] == ["self"]
        for number, keyword in given:
            if keyword is not None:
                yield referent.module, node, keyword
            elif number is not None and number + is_method < len(names):
                yield referent.module, node, names[number + is_method]
        if own and is_method and isinstance(call.func, ast.Attribute):
            owner = ast.unparse(call.func.value)
            yield referent.module, node, f"self{model[len(owner) :]}"


def runs_or_takes(call: ast.Call, model: str) -> bool:
    """Tell whether a call runs the model, or may: it is given the model."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return _is_run(call, model) or any(
        isinstance(value, ast.Name | ast.Attribute) and ast.unparse(value) == model for value in given
    )
