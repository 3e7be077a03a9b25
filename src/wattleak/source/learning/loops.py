"""Loops over batches, and the loops around them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from wattleak.source.learning import steps
from wattleak.source.learning.asking import whole
from wattleak.source.learning.frameworks import learns
from wattleak.source.learning.kinds import is_loader
from wattleak.source.learning.memory import of_module
from wattleak.source.learning.often import varies
from wattleak.source.learning.steps import HOPS, Effect
from wattleak.source.standing import enclosing_function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from wattleak.source.module import Module

Loop = ast.For | ast.While


class LoopRole(Enum):
    """What a loop over batches is for."""

    TRAINING = "training"
    EVALUATION = "evaluation"


@dataclass(frozen=True, slots=True)
class HotLoop:
    """A loop whose iterations each handle a batch."""

    node: ast.For | ast.While
    role: LoopRole
    module: Module


def hot_loops(module: Module) -> list[HotLoop]:
    """Return the loops over batches of a module, in the order of their lines.

    TRAINING: each iteration itself, or a function of the project that it calls (up to two calls deep), computes or
    applies gradients: backward(), optimizer.step(), tape.gradient, apply_gradients, train_on_batch, a function made by
    jax.grad. EVALUATION: it runs a model over a loader, or over what the iteration draws, and does none of those.
    Where a step sums the gradients of several micro-batches, the loop over these and the loop of the steps are both
    hot. Not hot: loops inside a forward pass, over optimizers, over models, and those that feed a model its own output.
    """
    if not learns(module):
        return []
    whole(module)
    analysis = _analysis(module)
    return sorted(analysis.hot.values(), key=lambda hot: hot.node.lineno)


def epoch_loops(module: Module) -> list[Loop]:
    """Return the loops around a hot loop, around a call that reaches one, or around model.fit, in order of lines."""
    if not learns(module):
        return []
    whole(module)
    return sorted(_analysis(module).around, key=lambda loop: loop.lineno)


def hot_loop_around(module: Module, node: ast.AST) -> HotLoop | None:
    """Return the innermost hot loop of the same function that repeats `node`."""
    if not learns(module):
        return None
    whole(module)
    hot = _analysis(module).hot
    parents = module.scopes.parent_of
    child = node
    while child in parents:
        parent = parents[child]
        if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            return None
        if parent in hot and (child in getattr(parent, "body", ()) or child is getattr(parent, "test", None)):
            return hot[parent]
        child = parent
    return None


@dataclass(frozen=True, slots=True)
class _Analysis:
    hot: dict[ast.AST, HotLoop]
    around: list[Loop]


@of_module
def _analysis(module: Module) -> _Analysis:
    hot: dict[ast.AST, HotLoop] = {}
    around: list[Loop] = []
    for owner in steps.regions(module):
        if not isinstance(owner, ast.For | ast.While):
            continue
        said = _effects(module, owner, HOPS)
        if Effect.UPDATE in said and not _goes_over_tools(module, owner) and not _is_epoch_of_backwards(module, owner):
            hot[owner] = HotLoop(owner, LoopRole.TRAINING, module)
        elif {Effect.TRAINING_LOOP, Effect.EVALUATION_LOOP, Effect.FIT} & said:
            around.append(owner)
        elif Effect.FORWARD in said and _evaluates(module, owner):
            hot[owner] = HotLoop(owner, _role(module, owner), module)
    return _Analysis(hot, around)


def _effects(  # noqa: C901, PLR0912 - one branch for each kind of call and loop
    module: Module, owner: ast.AST, hops: int, seen: frozenset[ast.AST] = frozenset()
) -> frozenset[Effect]:
    """Return what one run of a region does. A loop inside it that is hot counts as a loop, not as its steps."""
    kept: dict[tuple[ast.AST, int], frozenset[Effect]] = module.__dict__.setdefault("_learning_effects", {})
    key = (owner, hops)
    if key in kept:
        return kept[key]
    region = steps.regions(module).get(owner)
    if region is None or owner in seen or not learns(module):
        return frozenset()
    cuts = module.home.cuts
    seen |= {owner}
    found: set[Effect] = set()
    for call in region.calls:
        if steps.is_update(module, call):
            found.add(Effect.UPDATE)
        elif steps.is_fit(module, call):
            found.add(Effect.FIT)
        elif steps.is_forward(module, call):
            if not steps.in_forward(module, call):
                found.add(Effect.FORWARD)
        elif hops > 0:
            for callee in steps.callees(module, call):
                found |= _effects(callee.module, callee.node, hops - 1, seen)
    for loop in region.loops:
        inner = _effects(module, loop, hops, seen)
        if Effect.UPDATE in inner:
            found.add(Effect.UPDATE if _goes_over_tools(module, loop) else Effect.TRAINING_LOOP)
        elif Effect.FORWARD in inner and not inner & {Effect.TRAINING_LOOP, Effect.FIT}:
            found.add(Effect.EVALUATION_LOOP if _evaluates(module, loop) else Effect.FORWARD)
        found |= inner & {Effect.TRAINING_LOOP, Effect.EVALUATION_LOOP, Effect.FIT}
    answer = frozenset(found)
    if module.home.cuts == cuts and len(seen) == 1:
        kept[key] = answer
    return answer


def _goes_over_tools(module: Module, loop: ast.AST) -> bool:
    """`for optimizer in optimizers: optimizer.step()`: the loop variable is what steps, not a batch."""
    if not isinstance(loop, ast.For):
        return False
    targets = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
    updates = [call for call in steps.regions(module)[loop].calls if steps.is_update(module, call)]
    return bool(updates) and all(
        any(isinstance(node, ast.Name) and node.id in targets for node in _tools(call)) for call in updates
    )


def _tools(call: ast.Call) -> list[ast.expr]:
    """What a call steps or differentiates: `optimizer` of optimizer.step(), scaler.step(optimizer), loss.backward()."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in {"step", "backward", "optimizer_step"}:
        return []
    base = call.func.value
    while isinstance(base, ast.Subscript) or (isinstance(base, ast.Attribute) and call.func.attr == "step"):
        base = base.value
    return [base, *call.args[:1]]


def _is_epoch_of_backwards(module: Module, loop: ast.AST) -> bool:
    """A pass over the whole loader that only sums gradients: the loop around it, which steps, is that of epochs."""
    return any(
        Effect.UPDATE in _effects(module, inner, HOPS) and isinstance(inner, ast.For) and is_loader(module, inner.iter)
        for inner in steps.regions(module)[loop].loops
    )


# -- evaluation ------------------------------------------------------------------------------------------------------


def _evaluates(module: Module, loop: Loop) -> bool:
    """Tell whether a loop that runs a model does so over a loader, or over batches that it draws itself."""
    if steps.in_forward(module, loop):
        return False
    if isinstance(loop, ast.For) and is_loader(module, loop.iter):
        return True
    if _is_part_of_step(module, loop):
        return False
    calls = steps.regions(module)[loop].calls
    runs = [
        call
        for call in calls
        if steps.is_forward(module, call)
        or any(Effect.FORWARD in _effects(one.module, one.node, HOPS - 1) for one in steps.callees(module, call))
    ]
    return bool(runs) and all(_takes_batches(module, call, loop) for call in runs)


def _takes_batches(module: Module, call: ast.Call, loop: ast.AST) -> bool:
    if isinstance(loop, ast.For) and _runs_target(call, loop):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not isinstance(loop, ast.For | ast.While):
        return False
    names = _closure(given, loop, call)
    if names is None:
        return False  # it is fed its own output: a token after the other, a state after the other
    if isinstance(loop, ast.For):
        targets = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
        if names & targets:
            return True
    return any(varies(module, item, loop) is True for item in given)


def _runs_target(call: ast.Call, loop: ast.For) -> bool:
    """`for model in models: model(x)`."""
    targets = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
    base: ast.expr = call.func
    while isinstance(base, ast.Attribute | ast.Subscript):
        base = base.value
    return isinstance(base, ast.Name) and base.id in targets


def _closure(given: list[ast.expr], loop: ast.AST, call: ast.Call) -> set[str] | None:
    """Return the names that expressions depend on through what the loop assigns; None: on the result of `call`."""
    assigned: dict[str, list[ast.expr]] = {}
    for statement in walk(loop):
        for target, value in _changes(statement):
            root = target
            while isinstance(root, ast.Subscript | ast.Attribute | ast.Starred):
                root = root.value
            for name in walk(root):
                if isinstance(name, ast.Name):
                    assigned.setdefault(name.id, []).append(value)
    found: set[str] = set()
    waiting: list[ast.AST] = list(given)
    while waiting:
        for node in walk(waiting.pop()):
            if node is call:
                return None
            if isinstance(node, ast.Name) and node.id not in found:
                found.add(node.id)
                waiting += assigned.get(node.id, [])
    return found


def _changes(statement: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    """Return what a statement changes, and what with: `x = y`, `x += y`, `x[i] = y`, `x.append(y)`."""
    match statement:
        case ast.Assign(targets=targets, value=value):
            return [(target, value) for target in targets]
        case ast.AugAssign(target=target, value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
            return [(target, value)]
        case ast.Call(func=ast.Attribute(value=target, attr="append" | "extend" | "insert" | "add" | "update")):
            return [(target, value) for value in statement.args]
        case _:
            return []


def _is_part_of_step(module: Module, loop: Loop) -> bool:
    """Tell whether a loop around it trains on the same data: a model that runs on a piece of a batch is part of it."""
    parents = module.scopes.parent_of
    inside = frozenset(walk(loop))
    read = {node.id for node in inside if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    node: ast.AST = loop
    while node in parents and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        node = parents[node]
        if not isinstance(node, steps.LOOPS):
            continue
        if not any(steps.is_update(module, call) for call in steps.regions(module)[node].calls):
            continue
        given = {
            name.id
            for name in walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store) and name not in inside
        }
        kept = {name.id for name in inside if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
        if read & (given - kept) or (kept & given and _is_differentiated_in(node, kept, inside)):
            return True
    return False


def _is_differentiated_in(outer: ast.AST, names: set[str], inside: frozenset[ast.AST]) -> bool:
    """`total = total + model(piece)` in a loop, `total.backward()` after it."""
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "backward"
        and node not in inside
        and any(isinstance(name, ast.Name) and name.id in names for name in walk(node))
        for node in walk(outer)
    )


def _role(module: Module, loop: Loop) -> LoopRole:
    """A loop that sums a loss, whose backward() follows the loop, trains."""
    end = loop.end_lineno or loop.lineno
    summed = {
        name.id
        for statement in walk(loop)
        if isinstance(statement, ast.Assign | ast.AugAssign)
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        for name in walk(target)
        if isinstance(name, ast.Name)
    }
    function = enclosing_function(module, loop) or module.tree
    for node in walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "backward":
            mentioned = {inner.id for inner in walk(node) if isinstance(inner, ast.Name)}
            if node.lineno > end and mentioned & summed:
                return LoopRole.TRAINING
    return LoopRole.EVALUATION
