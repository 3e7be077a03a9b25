"""Where a tf.GradientTape records an evaluation: nobody asks it, or the loop that it records is not asked about."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.source.learning.asking import resolved_name
from wattleak.source.learning.callers import callers
from wattleak.source.standing import enclosing_function, loops_around
from wattleak.source.walking import children, own_nodes, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_ASKING = frozenset({"gradient", "jacobian", "batch_jacobian"})


@dataclass(frozen=True, slots=True)
class IdleTape:
    """A tape that records in a loop, and whose gradients nobody asks for."""

    block: ast.With
    call: ast.Call  # the call that makes the tape
    may_go: bool  # it is the only thing that the block is for


@dataclass(frozen=True, slots=True)
class RecordedEvaluation:
    """A loop that runs a model with `training=False` under a tape whose gradients have nothing to do with it."""

    tape: str
    loop: ast.For | ast.While
    run: ast.Call


def idle_tapes(module: Module) -> Iterator[IdleTape]:
    """Yield every tape that is made again and again and asked for nothing."""
    for block, item in _tapes(module):
        match item.optional_vars:
            case None:
                pass
            case ast.Name() as name if not _mentions(module, block, name):
                pass
            case _:
                continue
        if _is_repeated(module, block) and any(isinstance(node, ast.Call) for node in _inside(block)):
            call = item.context_expr
            if isinstance(call, ast.Call):
                yield IdleTape(block, call, len(block.items) == 1)


def _is_repeated(module: Module, block: ast.With) -> bool:
    """Tell whether a block stands in a loop, or in a function that somebody calls in one.

    What tf.function has traced does not record again: a function that it decorates does not count.
    """
    function = enclosing_function(module, block)
    if isinstance(function, ast.FunctionDef):
        if any("function" in ast.unparse(decorator) for decorator in function.decorator_list):
            return False
        if not loops_around(module, block):
            return any(loops_around(site.module, site.call) for site in callers(module, function).sites)
    return bool(loops_around(module, block))


def recorded_evaluations(module: Module) -> Iterator[RecordedEvaluation]:
    """Yield every loop of an evaluation that a tape records although no gradient depends on it."""
    for block, item in _tapes(module):
        if not isinstance(item.optional_vars, ast.Name):
            continue
        asked = _mentions(module, block, item.optional_vars)
        targets = [target for target in (_asked_for(module, mention) for mention in asked) if target is not None]
        if not asked or len(targets) != len(asked):
            continue  # the tape is given away, or told what to watch: nobody knows what for
        needed = _dependencies(module, block, targets)
        for loop in _outermost_loops(block):
            run = next((node for node in walk(loop) if isinstance(node, ast.Call) and _is_evaluation(node)), None)
            if run is None or any(mention in set(walk(loop)) for mention in asked):
                continue
            if not _changed_names(loop) & needed:
                yield RecordedEvaluation(item.optional_vars.id, loop, run)


def _tapes(module: Module) -> Iterator[tuple[ast.With, ast.withitem]]:
    for block in walk(module.tree):
        if isinstance(block, ast.With):
            for item in block.items:
                call = item.context_expr
                if isinstance(call, ast.Call) and resolved_name(module, call.func) in _TAPE:
                    yield block, item


_TAPE = frozenset({"tensorflow.GradientTape", "tensorflow.compat.v2.GradientTape", "tensorflow.autodiff.GradientTape"})


def _mentions(module: Module, block: ast.With, name: ast.Name) -> list[ast.Name]:
    """Return where the name of a tape is read while it stands for this one: until it is given to the next."""
    home = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    same = [
        node
        for node in module.mentions.get(name.id, ())
        if isinstance(node, ast.Name) and module.scopes.bindings(name.id, module.scopes.scope_of[node]) is home
    ]
    again = [node.lineno for node in same if isinstance(node.ctx, ast.Store) and node.lineno > block.lineno]
    function = enclosing_function(module, block)
    end = min(again, default=None)
    return [
        node
        for node in same
        if isinstance(node.ctx, ast.Load)
        # What stands in another function may run at any time.
        and (
            enclosing_function(module, node) is not function
            or (node.lineno >= block.lineno and (end is None or node.lineno < end))
        )
    ]


def _asked_for(module: Module, mention: ast.Name) -> ast.expr | None:
    """`tape.gradient(loss, weights)`: return the loss."""
    parent = module.scopes.parent_of.get(mention)
    above = module.scopes.parent_of.get(parent) if parent is not None else None
    match parent, above:
        case ast.Attribute(attr=name), ast.Call(args=[target, *_]) if name in _ASKING:
            return target
        case _:
            return None


def _dependencies(module: Module, block: ast.With, targets: list[ast.expr]) -> set[str]:
    """Return the names that `targets` are computed from, in the function around the block."""
    needed = {node.id for target in targets for node in walk(target) if isinstance(node, ast.Name)}
    around = enclosing_function(module, block) or module.tree
    while True:
        before = len(needed)
        for node in own_nodes(around):
            match node:
                case ast.Assign() | ast.AugAssign() | ast.AnnAssign() | ast.NamedExpr() | ast.For():
                    value = node.iter if isinstance(node, ast.For) else node.value
                    if value is not None and _stored(node) & needed:
                        needed |= {part.id for part in walk(value) if isinstance(part, ast.Name)}
                case _:
                    pass
        if len(needed) == before:
            return needed


def _stored(statement: ast.AST) -> set[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return {node.id for target in targets if target is not None for node in walk(target) if isinstance(node, ast.Name)}


def _changed_names(loop: ast.For | ast.While) -> set[str]:
    """Return the names that a loop stores to, or whose methods it calls: `losses.append(...)`."""
    found = set()
    for node in walk(loop):
        match node:
            case ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend" | "add" | "assign_add")):
                found.add(name)
            case _:
                pass
    return found


def _outermost_loops(block: ast.With) -> Iterator[ast.For | ast.While]:
    waiting: list[ast.AST] = list(block.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.For | ast.While):
            yield node
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(children(node))


def _is_evaluation(call: ast.Call) -> bool:
    """Tell whether a call says `training=False`."""
    return any(
        keyword.arg == "training" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in call.keywords
    )


def _inside(block: ast.With) -> Iterator[ast.AST]:
    for statement in block.body:
        yield from walk(statement)
