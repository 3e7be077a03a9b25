"""Where a PyTorch model that was put into evaluation mode runs in a loop while gradients are on."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.gradients_in_evaluation import excuses
from wattleak.smells.gradients_in_evaluation.attached import Attached
from wattleak.smells.gradients_in_evaluation.gradient_uses import has_tools, is_frozen, wants_gradients
from wattleak.smells.gradients_in_evaluation.runs import (
    Run,
    comes_round,
    is_false,
    region,
    runs,
    runs_or_takes,
)
from wattleak.smells.gradients_in_evaluation.switches import may_be_off
from wattleak.source.learning import FileRole, Framework, LoopRole, file_role, frameworks, hot_loops, is_model
from wattleak.source.learning.callers import callers
from wattleak.source.standing import enclosing_function, loops_around
from wattleak.source.walking import in_order, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module
    from wattleak.source.standing import Loop

_PLACES = frozenset(
    {"to", "cuda", "cpu", "xpu", "mps", "half", "float", "double", "bfloat16", "train", "eval", "requires_grad_"}
)
"""Methods of a model that give the model."""


_PURPOSE = re.compile(
    r"(^|_)(val(id(ate|ation)?)?|dev|eval(uate|uation)?|test|predict(ions?)?|infer(ence)?|accuracy)(_|$)"
)
"""What functions are called that evaluate a model, and the data that they do it on."""

_WITH_OTHERS = frozenset({Framework.TORCH, Framework.KERAS, Framework.TENSORFLOW})


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A model that runs with gradients on although nobody wants them."""

    model: str  # how the code writes it
    run: ast.Call  # where its forward pass is repeated
    statement: ast.stmt  # the statement after `eval()` that holds all of it
    function: ast.FunctionDef | ast.AsyncFunctionDef | None  # around it; None: the module itself
    is_known: bool  # that it is a model; False: it is called like one
    attached: Attached  # the names of the function, or module, that can hold a graph


def evaluations(module: Module) -> Iterator[Evaluation]:
    """Yield every evaluation whose gradients are on and wanted by nobody, in the order of the text."""
    if has_tools(module):
        return
    found: dict[ast.AST, Evaluation] = {}
    if any(text in module.text for text in ("eval()", "train(False)", "train(mode=False)")):
        for statement in walk(module.tree):
            model = _put_into_evaluation(statement) if isinstance(statement, ast.Expr | ast.Assign) else None
            if model is not None and isinstance(statement, ast.stmt):
                evaluation = _after(module, statement, model)
                if evaluation is not None:
                    found.setdefault(evaluation.run, evaluation)
    if frameworks(module) & _WITH_OTHERS == {Framework.TORCH}:
        for evaluation in _by_name(module):
            found.setdefault(evaluation.run, evaluation)
    yield from sorted(found.values(), key=lambda each: (each.run.lineno, each.run.col_offset))


def _by_name(module: Module) -> Iterator[Evaluation]:
    """`for x, y in test_loader: model(x)`, or in a function validate(), that forgot `eval()` too."""
    named = [
        loop
        for loop in walk(module.tree)
        if isinstance(loop, ast.For)
        and (_PURPOSE.search(_function_name(module, loop)) or _PURPOSE.search(_data_name(loop.iter)))
    ]
    if not named or file_role(module) is FileRole.TEST:
        return  # tests are called test too
    for hot in hot_loops(module):
        if hot.role is not LoopRole.EVALUATION or not isinstance(hot.node, ast.For) or hot.node not in named:
            continue
        function = _function(module, hot.node)
        text = module.text if function is None else module.segment(function)
        for call in in_order([hot.node]):
            if not isinstance(call, ast.Call) or not is_model(module, call.func):
                continue
            model = _written(call.func)
            # What has been put into evaluation mode has been looked at.
            if model is None or f"{model}.eval(" in text:
                continue
            found = _judged(module, function, [hot.node], model, [(Run(call, hot.node), hot.node)])
            if found is not None:
                yield found


def _function(module: Module, loop: ast.For) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    function = enclosing_function(module, loop)
    return None if isinstance(function, ast.Lambda) else function


def _function_name(module: Module, loop: ast.For) -> str:
    function = _function(module, loop)
    return function.name if function is not None else ""


def _data_name(iterable: ast.expr) -> str:
    """Return what the data of a loop is called: `enumerate(tqdm(self.val_loader))` is val_loader."""
    while isinstance(iterable, ast.Call) and iterable.args:
        iterable = iterable.args[0]
    match iterable:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(name))):
            return name
        case _:
            return ""


def _put_into_evaluation(statement: ast.Expr | ast.Assign) -> str | None:
    """`model.eval()`, `net = Net().to(device).eval()`, `model.train(False)`: return how the model is written."""
    node = statement.value
    puts = False
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _PLACES:
        match node:
            case ast.Call(func=ast.Attribute(attr="eval"), args=[], keywords=[]):
                puts = True
            case ast.Call(func=ast.Attribute(attr="train")):
                puts |= is_false(node)
            case ast.Call(func=ast.Attribute(attr="requires_grad_"), args=[ast.Constant(value=False)]):
                return None
            case _:
                pass
        node = node.func.value
    if not puts:
        return None
    if isinstance(statement, ast.Assign):
        if len(statement.targets) != 1:
            return None
        node = statement.targets[0]
    return _written(node)


def _written(node: ast.expr) -> str | None:
    """Return a name or a chain of attributes as text."""
    inner = node
    while isinstance(inner, ast.Attribute):
        inner = inner.value
    return ast.unparse(node) if isinstance(inner, ast.Name) else None


def _after(module: Module, statement: ast.stmt, model: str) -> Evaluation | None:
    function = enclosing_function(module, statement)
    if isinstance(function, ast.Lambda):
        return None
    following = list(region(module, statement, model))
    candidates = [(run, each) for each in following for run in runs(module, [each], model)]
    around = loops_around(module, statement)
    if not candidates and around:
        # `for batch in loader: model.eval(); model(batch)`: the loop is around `eval()` itself.
        candidates = [(run, each) for each in following for run in runs(module, [each], model, around[0])]
        following = [*following, around[0]] if isinstance(around[0], ast.stmt) else following
    if not candidates and function is not None:
        # `def predict(model, x): model.eval(); return model(x)`, and the loop is around the call of it.
        loop = _loop_of_callers(module, function)
        candidates = [(run, each) for each in following for run in runs(module, [each], model, loop)] if loop else []
    named = [node for node in walk(statement) if isinstance(node, ast.Name | ast.Attribute)]
    is_known = any(ast.unparse(node) == model and is_model(module, node) for node in named)
    return _judged(module, function, following, model, candidates, is_known=is_known)


def _loop_of_callers(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Loop | None:
    """Return a loop in which somebody calls a function, and in which nobody wants gradients."""
    for site in callers(module, function).sites:
        for loop in loops_around(site.module, site.call):
            if comes_round(loop):
                return None if wants_gradients(site.module, [loop]) else loop
    return None


def _judged(
    module: Module,
    function: ast.FunctionDef | ast.AsyncFunctionDef | None,
    body: list[ast.stmt],
    model: str,
    candidates: list[tuple[Run, ast.stmt]],
    *,
    is_known: bool = True,
) -> Evaluation | None:
    """Return the first of `candidates` whose gradients are on, if nothing in `body` or elsewhere wants gradients."""
    if not candidates or (function is not None and not excuses.may_hold_an_evaluation(module, function)):
        return None
    if not is_known and "torch" not in module.text:
        return None
    attached = Attached(function or module.tree, lambda call: runs_or_takes(call, model))
    if (
        wants_gradients(module, body)
        or is_frozen(module, model)
        or excuses.is_given_away(module, body, model)
        or excuses.must_be_off(body, attached)
        or excuses.is_wanted_later(module, function, body, attached)
    ):
        return None
    for run, holder in candidates:
        if not may_be_off(module, run.call) and not may_be_off(module, holder):
            return Evaluation(model, run.call, holder, function, is_known, attached)
    return None
