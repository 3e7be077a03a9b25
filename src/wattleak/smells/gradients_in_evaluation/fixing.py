"""The fix of each kind of finding, and whether it is safe."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Fix
from wattleak.smells.gradients_in_evaluation import rewriting
from wattleak.smells.gradients_in_evaluation.gradient_uses import wants_gradients
from wattleak.source.edits import still_parses
from wattleak.source.walking import own_nodes, walk

if TYPE_CHECKING:
    from wattleak.smells.gradients_in_evaluation.evaluations import Evaluation
    from wattleak.smells.gradients_in_evaluation.tapes import IdleTape, RecordedEvaluation
    from wattleak.source.module import Module


def evaluation_fix(module: Module, found: Evaluation) -> Fix | None:
    """Return the edits that turn gradients off for an evaluation; None: they cannot be written."""
    name = rewriting.torch_at(module)
    if name is None:
        return None
    torch, imports = name
    function = found.function
    if function is not None and _is_all_evaluation(module, function, found.model):
        if not isinstance(function, ast.FunctionDef):
            return None  # the decorator of a coroutine is done before the coroutine runs
        edits = rewriting.decorate(module, function, f"{torch}.no_grad()")
        title = f"turn gradients off in {function.name}()"
        leaves = _leaves_function(function, found)
    else:
        if any(isinstance(node, ast.Yield | ast.YieldFrom | ast.Await) for node in walk(found.statement)):
            return None  # whoever takes the values would run with gradients off
        edits = rewriting.wrap(module, [found.statement], f"{torch}.no_grad()")
        title = "turn gradients off around the evaluation"
        leaves = _leaves_statement(module, found)
    if edits is None or not still_parses(module, (*imports, *edits)):
        return None
    return Fix(
        title=title,
        safe=not leaves,
        edits=(*imports, *edits),
        why_unsafe="a result of the evaluation that may have a graph is kept, and somebody may differentiate it"
        if leaves
        else None,
    )


def idle_tape_fix(module: Module, tape: IdleTape) -> Fix | None:
    """Return the edits that take away a tape that nobody asks."""
    edits = rewriting.unwrap(module, tape.block) if tape.may_go else None
    if edits is None or not still_parses(module, edits):
        return None
    return Fix(title="take the tape away", safe=True, edits=edits)


def recorded_fix(module: Module, found: RecordedEvaluation) -> Fix | None:
    """Return the edits that stop a tape while an evaluation runs."""
    edits = rewriting.wrap(module, [found.loop], f"{found.tape}.stop_recording()")
    if edits is None or not still_parses(module, edits):
        return None
    return Fix(
        title="stop recording during the evaluation",
        safe=False,
        edits=edits,
        why_unsafe="a gradient that depends on this loop through something else than names would be lost",
    )


def _is_all_evaluation(module: Module, function: ast.FunctionDef | ast.AsyncFunctionDef, model: str) -> bool:
    """Tell whether a function is given its model and does nothing that needs gradients."""
    arguments = function.args
    given = {item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return model.partition(".")[0] in given and not wants_gradients(module, function.body)


def _leaves_function(function: ast.FunctionDef, found: Evaluation) -> bool:
    """Tell whether a tensor that may have a graph is returned or kept outside of the function."""
    arguments = function.args
    given = {item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    elsewhere = {
        name for node in own_nodes(function) if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names
    }
    local = {node.id for node in walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    attached = found.attached
    if attached.outside or attached.names & (elsewhere | given) or attached.names - local:
        return True
    return any(
        isinstance(node, ast.Return | ast.Yield | ast.YieldFrom)
        and node.value is not None
        and attached.holds(node.value)
        for node in own_nodes(function)
    )


def _leaves_statement(module: Module, found: Evaluation) -> bool:
    """Tell whether a tensor that may have a graph is read after the statement, or leaves it another way."""
    statement = found.statement
    inside = set(walk(statement))
    attached = found.attached
    changed = {
        name
        for node in inside
        for name in (
            [node.id]
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            else [node.func.value.id]
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            else []
        )
        if name in attached.names
    }
    if attached.outside or any(
        isinstance(node, ast.Return) and node.value is not None and attached.holds(node.value) for node in inside
    ):
        return True
    end = statement.end_lineno or statement.lineno
    return any(
        node.lineno > end and isinstance(node.ctx, ast.Load)
        for name in changed
        for node in module.mentions.get(name, ())
        if isinstance(node, ast.Name) and node not in inside
    )
