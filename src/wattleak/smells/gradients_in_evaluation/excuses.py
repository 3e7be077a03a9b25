"""Why an evaluation with gradients on may be right after all, or not have them on."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.smells.gradients_in_evaluation.gradient_uses import differentiates, names_a_purpose
from wattleak.smells.gradients_in_evaluation.runs import FORWARD, passed_on
from wattleak.source.learning.asking import resolved_name
from wattleak.source.learning.callers import callers
from wattleak.source.referents import Class, Library
from wattleak.source.resolving import bases
from wattleak.source.standing import enclosing_class
from wattleak.source.uses import How, uses
from wattleak.source.walking import in_order, walk

if TYPE_CHECKING:
    from wattleak.smells.gradients_in_evaluation.attached import Attached
    from wattleak.source.module import Module

_OPEN_BASES = frozenset(
    {
        *("torch.nn.Module", "torch.nn.modules.Module", "builtins.object", "abc.ABC", "typing.Generic"),
        *("typing.Protocol", "torch.utils.data.Dataset", "builtins.Exception", "enum.Enum"),
    }
)
"""Library classes that do not run the methods of their heirs with gradients off."""

_HARMLESS = ("builtins.", "torch.nn.", "torch.compile", "torch.onnx.", "torch.jit.", "torch.save", "copy.")
"""Beginnings of library names that may be given a model and ask it for no gradients."""


def may_hold_an_evaluation(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if function.name in FORWARD or names_a_purpose(function.name):
        return False
    owner = enclosing_class(module, function)
    return owner is None or _is_open(Class(module, owner), 5)


def _is_open(owner: Class, depth: int) -> bool:
    """Tell whether nothing that a class inherits turns gradients off for its methods, as Lightning does."""
    found = bases(owner)
    if found is None or depth <= 0:
        return False
    for base in found:
        match base:
            case Class():
                if not _is_open(base, depth - 1):
                    return False
            case Library(name=name):
                if name not in _OPEN_BASES:
                    return False
            case _:
                return False
    return True


def is_given_away(module: Module, region: list[ast.stmt], model: str) -> bool:
    """Tell whether the model is given to something that may ask for gradients: an attack, an explainer, a stranger."""
    holders = _made_with(module, model)
    for node in in_order(region):
        if not isinstance(node, ast.Call):
            continue
        called: ast.expr = node.func
        while isinstance(called, ast.Name | ast.Attribute):
            if ast.unparse(called) in holders:
                return True
            called = called.value if isinstance(called, ast.Attribute) else ast.Constant(None)
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if any(isinstance(value, ast.Name | ast.Attribute) and ast.unparse(value) == model for value in given):
            if any(True for _ in passed_on(module, node, model)):
                continue
            name = resolved_name(module, node.func)
            if name is None or not name.startswith(_HARMLESS):
                return True
    return False


def _made_with(module: Module, model: str) -> frozenset[str]:
    """Return the names of what was made with the model: `attack = PGD(model)`, `self.attack = PGD(self.model)`."""
    found = set()
    for node in walk(module.tree):
        match node:
            case ast.Assign(
                targets=[ast.Name() | ast.Attribute() as target],
                value=ast.Call(args=arguments, keywords=keywords) as call,
            ):
                name = ast.unparse(target)
                given = [*arguments, *(keyword.value for keyword in keywords)]
                if name != model and any(
                    isinstance(value, ast.Name | ast.Attribute) and ast.unparse(value) == model for value in given
                ):
                    made = resolved_name(module, call.func)
                    if made is None or not made.startswith(_HARMLESS):
                        found.add(name)
            case _:
                pass
    return frozenset(found)


def is_wanted_later(
    module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef | None, region: list[ast.stmt], attached: Attached
) -> bool:
    """Tell whether a result of the evaluation is differentiated after it: in its function, or by a caller."""
    end = max(statement.end_lineno or statement.lineno for statement in region)
    made = {
        node.id
        for statement in region
        for node in walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in attached.names
    }
    for node in walk(function or module.tree):
        asks = isinstance(node, ast.Call) and node.lineno > end and differentiates(node)
        if asks and any(isinstance(part, ast.Name) and part.id in made for part in walk(node)):
            return True
    if function is None:
        return False
    return any(
        use.how is How.METHOD and use.name == "backward"
        for site in callers(module, function).sites
        for use in uses(site.module, site.call)
    )


def must_be_off(region: list[ast.stmt], attached: Attached) -> bool:
    """Tell whether the code would not run with gradients on: numpy() refuses a tensor that has a graph."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "numpy"
        and attached.holds(node.func.value)
        for statement in region
        for node in walk(statement)
    )
