"""Where a training step waits for the device because it wants a value of it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.smells.blocking_transfer_each_step.device_values import DeviceValues, Grade, goes_to_cpu
from wattleak.source import flow
from wattleak.source.learning import HotLoop, LoopRole, Often, hot_loop_around, hot_loops, how_often, on_accelerator
from wattleak.source.learning.asking import resolved_name
from wattleak.source.learning.callers import callers
from wattleak.source.standing import enclosing_function, loops_around
from wattleak.source.walking import in_order, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_WAITING_METHODS = frozenset({"item", "tolist", "numpy", "cpu"})
_WAITING_FUNCTIONS = frozenset({"float", "int", "bool"})
_WAITING_ARRAYS = frozenset({"numpy.asarray", "numpy.array", "numpy.mean", "numpy.float32", "numpy.float64"})
_SHOWING_METHODS = frozenset({"set_postfix", "format", "set_description", "set_postfix_str"})
_CHECKS = frozenset({"isnan", "isfinite", "isinf", "allclose"})
_TRACED = frozenset({"tensorflow.function", "tensorflow.compat.v2.function", "jax.jit", "torch.jit.script"})


@dataclass(frozen=True, slots=True)
class Transfer:
    """An expression whose value the host waits for."""

    node: ast.expr  # what makes it wait: the call, or the text that shows the value
    value: ast.expr  # what it wants to know


@dataclass(frozen=True, slots=True)
class Step:
    """A training step that waits for the device every time."""

    transfers: tuple[Transfer, ...]  # in the order of the text; not empty
    loop: ast.For | ast.While | None  # None: the step is a function that a training loop calls
    waits_anyway: bool  # something else in it waits too


def waiting_steps(module: Module) -> Iterator[Step]:
    """Yield every training step of this module that waits for the device each time, by the text."""
    steps = [*_loops(module), *_functions(module)]
    yield from sorted(steps, key=lambda step: (step.transfers[0].node.lineno, step.transfers[0].node.col_offset))


def _loops(module: Module) -> Iterator[Step]:
    # Which loops train is a question to the whole project; most loops read nothing that could be on a device.
    reading = {
        loop for loop in walk(module.tree) if isinstance(loop, ast.For | ast.While) and any(map(_may_wait, walk(loop)))
    }
    for loop in hot_loops(module) if reading else ():
        if loop.role is not LoopRole.TRAINING or isinstance(loop.node, ast.AsyncFor):
            continue
        function = enclosing_function(module, loop.node)
        if function is not None and _is_traced(module, function):
            continue
        if not on_accelerator(module) and not _is_given_a_device(module, function):
            continue
        values = DeviceValues(module, function or module.tree)
        found = [
            transfer
            for transfer in _transfers(module, loop.node.body, values)
            if how_often(module, transfer.node, loop.node) is Often.EACH_TIME
        ]
        if found and not _decides(module, loop.node.body, found, values):
            yield Step(tuple(found), loop.node, _waits_anyway(loop.node))


def _is_given_a_device(module: Module, function: ast.AST | None) -> bool:
    """Tell whether a function moves data to a device that its callers choose, and nobody in the project calls it."""
    if not isinstance(function, ast.FunctionDef):
        return False
    arguments = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
    given = {item.arg for item in arguments}
    defaults = (*function.args.defaults, *function.args.kw_defaults)
    if any(isinstance(each, ast.Constant) and each.value == "cpu" for each in defaults):
        return False
    moves = any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "to"
        and any(isinstance(where, ast.Name) and where.id in given and "dev" in where.id for where in node.args)
        for node in walk(function)
    )
    return moves and not callers(module, function).sites


def _may_wait(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _WAITING_METHODS or name in _SHOWING_METHODS or name == "to"
        case ast.Call(func=ast.Name(id=name), args=[ast.Name() | ast.Attribute() | ast.Call(), *_]):
            return name in _WAITING_FUNCTIONS or name == "print"
        case ast.Call(func=ast.Name(id="print" | "float")) | ast.JoinedStr() | ast.BinOp(op=ast.Mod()):
            return True
        case ast.If(test=ast.Compare() | ast.Call() | ast.BoolOp()) if "loss" in ast.unparse(node.test):
            return True
        case _:
            return False


def _functions(module: Module) -> Iterator[Step]:
    """Yield steps that are functions of their own: `loss = train_step(batch)` in a loop, wherever that is."""
    if "backward(" not in module.text and ".gradient(" not in module.text:
        return
    for function in walk(module.tree):
        if not isinstance(function, ast.FunctionDef) or _is_traced(module, function):
            continue
        if not any(_differentiates(node) for node in walk(function)):
            continue
        values = DeviceValues(module, function)
        found = [
            transfer
            for transfer in _transfers(module, function.body, values)
            if not loops_around(module, transfer.node) and not _is_guarded(module, transfer.node, function)
        ]
        if found and not _decides(module, function.body, found, values) and _is_called_each_step(module, function):
            yield Step(tuple(found), None, _waits_anyway(function))


def _is_called_each_step(module: Module, function: ast.FunctionDef) -> bool:
    for site in callers(module, function).sites:
        loop: HotLoop | None = hot_loop_around(site.module, site.call)
        if loop is None or loop.role is not LoopRole.TRAINING:
            continue
        if how_often(site.module, site.call, loop.node) is Often.EACH_TIME and (
            on_accelerator(module) or on_accelerator(site.module)
        ):
            return True
    return False


def _is_guarded(module: Module, node: ast.AST, function: ast.FunctionDef) -> bool:
    inside = set(walk(function))
    return any(test in inside for test in flow.conditions(module, node))


def _is_traced(module: Module, function: ast.AST) -> bool:
    """Tell whether a function runs as a graph: in there nothing can be read."""
    names = [
        resolved_name(module, each.func if isinstance(each, ast.Call) else each)
        for each in getattr(function, "decorator_list", ())
    ]
    return any(name in _TRACED for name in names)


def _differentiates(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="backward" | "manual_backward" | "gradient")):
            return True
        case _:
            return False


# -- what waits ----------------------------------------------------------------------------------------------------


def _transfers(module: Module, body: list[ast.stmt], values: DeviceValues) -> Iterator[Transfer]:
    for node in in_order(body):
        match node:
            case ast.Call():
                value = _wanted(module, node, values)
                if value is not None:
                    yield Transfer(node, value)
            case ast.FormattedValue(value=value) if _is_sure(value, values):
                yield Transfer(_text_of(module, node), value)
            case ast.BinOp(left=ast.Constant(value=str()), op=ast.Mod(), right=value):
                shown = next((each for each in _elements(value) if _is_sure(each, values)), None)
                if shown is not None:
                    yield Transfer(node, shown)
            case ast.If(test=test) | ast.While(test=test):
                decided = _decided(test, values)
                if decided is not None:
                    yield Transfer(test, decided)
            case _:
                pass


def _wanted(  # noqa: PLR0911 - one for each kind
    module: Module, call: ast.Call, values: DeviceValues
) -> ast.expr | None:
    """Return the value of the device that a call waits for."""
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    match call.func:
        case ast.Attribute(attr=name, value=owner) if name in _WAITING_METHODS and not call.args:
            blocking = not any(keyword.arg == "non_blocking" for keyword in call.keywords)
            return owner if blocking and values.grade(owner) > Grade.NO else None
        case ast.Attribute(attr="to", value=owner) if goes_to_cpu(call):
            return owner if values.grade(owner) > Grade.NO else None
        case ast.Name(id=name) if name in _WAITING_FUNCTIONS and len(given) == 1:
            return given[0] if _is_sure(given[0], values) else None
        case ast.Name(id="print"):
            return next((each for each in given if _is_sure(each, values)), None)
        case ast.Attribute(attr=name) if name in _SHOWING_METHODS:
            return next((each for each in given if _is_sure(each, values)), None)
        case ast.Attribute(attr="asarray" | "array" | "mean" | "float32" | "float64"):
            shown = next((each for each in given if _is_sure(each, values)), None)
            return shown if shown is not None and resolved_name(module, call.func) in _WAITING_ARRAYS else None
        case _:
            return None


def _is_sure(node: ast.expr, values: DeviceValues) -> bool:
    if isinstance(node, ast.Starred):
        node = node.value
    if any(isinstance(part, ast.Name) and part.id in values.host for part in walk(node)):
        return False
    return values.grade(node) is Grade.SURE


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _decided(test: ast.expr, values: DeviceValues) -> ast.expr | None:
    """Return the value of the device that a condition asks: `if loss > limit`."""
    match test:
        case ast.Compare(left=left, comparators=[right]) if _is_sure(test, values):
            return left if _is_sure(left, values) else right
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _decided(operand, values)
        case ast.BoolOp(values=tests):
            return next((found for each in tests if (found := _decided(each, values)) is not None), None)
        case ast.Call(func=ast.Attribute(attr=name)) if name in _CHECKS | {"any", "all"} and _is_sure(test, values):
            return test
        case _:
            return None


def _text_of(module: Module, piece: ast.FormattedValue) -> ast.expr:
    """Return the whole f-string: Python 3.11 does not know where its pieces stand."""
    outer = module.scopes.parent_of.get(piece)
    while outer is not None and isinstance(module.scopes.parent_of.get(outer), ast.FormattedValue | ast.JoinedStr):
        outer = module.scopes.parent_of.get(outer)
    return outer if isinstance(outer, ast.expr) else piece


# -- what must wait -------------------------------------------------------------------------------------------------


def _decides(module: Module, body: list[ast.stmt], found: list[Transfer], values: DeviceValues) -> bool:
    """Tell whether the step has to know the value before it goes on: a check for NaN, an end by the loss."""
    waiting: set[ast.AST] = {transfer.node for transfer in found}
    names = {
        target.id
        for node in waiting
        for statement in [_statement(module, node)]
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }

    def is_read(node: ast.expr) -> bool:
        return any(part in waiting or (isinstance(part, ast.Name) and part.id in names) for part in walk(node))

    for node in in_order(body):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in _CHECKS:
                owner = [node.func.value] if isinstance(node.func, ast.Attribute) else []
                if any(is_read(each) or _is_sure(each, values) for each in (*node.args, *owner)):
                    return True
            case ast.Call(func=ast.Attribute(attr="step"), args=arguments) if any(map(is_read, arguments)):
                return True  # `environment.step(action.item())`
            case ast.While(test=test) if is_read(test):
                return True
            case ast.If(test=test, body=block) if is_read(test) and (_leaves(block) or _adds(block, values)):
                return True
            case _:
                pass
    return False


def _statement(module: Module, node: ast.AST) -> ast.AST:
    while not isinstance(node, ast.stmt) and node in module.scopes.parent_of:
        node = module.scopes.parent_of[node]
    return node


def _leaves(block: list[ast.stmt]) -> bool:
    return any(
        isinstance(part, ast.Break | ast.Return | ast.Raise | ast.Continue) for each in block for part in walk(each)
    )


def _adds(block: list[ast.stmt], values: DeviceValues) -> bool:
    """`if margin > fake_loss.item(): loss += fake_loss`: what is computed on the device hangs on it."""
    return any(
        isinstance(part, ast.AugAssign) and values.grade(part.target) is Grade.SURE
        for each in block
        for part in walk(each)
    )


def _waits_anyway(step: ast.AST) -> bool:
    """Tell whether a step reads a value of the device by itself: GradScaler and LBFGS do (PyTorch 2.13)."""
    for node in walk(step):
        match node:
            case ast.Call(func=ast.Attribute(attr="step", value=owner), args=[given, *_]):
                written = f"{ast.unparse(owner)} {ast.unparse(given)}".lower()
                if "scaler" in written or "closure" in written:
                    return True
            case ast.Call(func=ast.Name(id=name)) if "scaler" in name.lower():
                return True
            case _:
                pass
    return False
