"""Sums of what a step reads, `total += loss.item()`: kept on the device and read once after the loop, and back."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.smells.blocking_transfer_each_step.device_values import DeviceValues, Grade
from wattleak.source.learning import Often, how_often
from wattleak.source.standing import enclosing_function
from wattleak.source.values import Number, evaluate
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.smells.blocking_transfer_each_step.transfers import Step, Transfer
    from wattleak.source.module import Module

_READING = frozenset({"item", "cpu", "numpy", "tolist"})


@dataclass(frozen=True, slots=True)
class _Sum:
    """A number that a loop adds up."""

    name: ast.Name
    addition: ast.AugAssign
    reads: list[ast.Name]  # everywhere but in the addition


def kept_on_device(module: Module, step: Step) -> tuple[Edit, ...] | None:
    """Return the edits after which a step reads nothing; None: not everything that it reads is only added up."""
    if step.loop is None:
        return None
    edits: list[Edit] = []
    done: set[str] = set()
    for transfer in step.transfers:
        addition = _addition_of(module, transfer)
        total = None if addition is None else _sum(module, addition, step.loop)
        if total is None or total.name.id in done:
            return None
        done.add(total.name.id)
        read = _read_once(module, total, step.loop, transfer)
        if read is None:
            return None
        edits += [_kept(module, transfer), *read]
    return tuple(edits)


def read_each_step(
    module: Module, loop: ast.For | ast.While, values: DeviceValues, reading: str
) -> tuple[Edit, ...] | None:
    """Return the edits that read the value of a sum in every step: the inverse; None: the loop keeps no such sum."""
    for addition in walk(loop):
        if not isinstance(addition, ast.AugAssign) or how_often(module, addition, loop) is not Often.EACH_TIME:
            continue
        total = _sum(module, addition, loop)
        value = next((node for node in _factors(addition.value) if values.grade(node) is Grade.SURE), None)
        if total is None or value is None:
            continue
        match value:
            case ast.Call(func=ast.Attribute(attr="detach", value=inner), args=[]):
                text = module.segment(inner)
            case _:
                text = module.segment(value)
        edits = [Edit(*module.span(value), f"{_closed(value, text)}.{reading}()")]
        edits += [Edit(*module.span(call), read.id) for read in total.reads if (call := _float_of(module, read))]
        return tuple(edits)
    return None


def _addition_of(module: Module, transfer: Transfer) -> ast.AugAssign | None:
    """Return the `total += ...` that a value goes into by nothing but arithmetic."""
    node: ast.AST = transfer.node
    parents = module.scopes.parent_of
    while True:
        parent = parents.get(node)
        match parent:
            case ast.Call(func=ast.Name(id="float" | "int")) if node in parent.args:
                pass
            case ast.Attribute(attr="item" | "numpy" | "tolist"):
                pass
            case ast.Call(func=function) if function is node:
                pass
            case ast.BinOp(op=ast.Mult() | ast.Add() | ast.Sub()):
                pass
            case ast.BinOp(op=ast.Div(), left=left) if left is node:
                pass
            case ast.AugAssign(op=ast.Add(), target=ast.Name()):
                return parent
            case _:
                return None
        node = parent


def _sum(module: Module, addition: ast.AugAssign, loop: ast.For | ast.While) -> _Sum | None:
    """Return the sum that an addition belongs to; None: its name stands for something else too."""
    name = addition.target
    if not isinstance(name, ast.Name) or not isinstance(addition.op, ast.Add):
        return None
    scope = module.scopes.scope_of[name]
    if name.id in scope.elsewhere:
        return None
    home = module.scopes.bindings(name.id, scope)
    for binding in home:
        if binding.node is name:
            continue
        if binding.value is None or not isinstance(evaluate(module, binding.value), Number):
            return None
    reads = []
    for node in module.mentions.get(name.id, ()):
        if not isinstance(node, ast.Name) or module.scopes.bindings(name.id, module.scopes.scope_of[node]) is not home:
            continue
        if isinstance(node.ctx, ast.Load):
            if enclosing_function(module, node) is not enclosing_function(module, loop):
                return None
            reads.append(node)
    return _Sum(name, addition, sorted(reads, key=lambda read: (read.lineno, read.col_offset)))


def _read_once(module: Module, total: _Sum, loop: ast.For | ast.While, transfer: Transfer) -> list[Edit] | None:
    """Return the edits that turn a sum on the device into a number where it is read; None: it is read in each step."""
    inside = set(walk(loop))
    own, later = [], []
    for read in total.reads:
        if read not in inside:
            later.append(read)
        elif how_often(module, read, loop) is Often.SOMETIMES and not _is_in_text(module, read):
            own.append(read)
        else:
            return None
    number = "int" if _is_whole(module, total, transfer) else "float"
    edits = [edit for read in own for edit in _as_number(module, read, number)]
    if len(later) == 1 and not _is_in_text(module, later[0]):
        return edits + _as_number(module, later[0], number)
    if later:
        end = loop.end_lineno or loop.lineno
        text = module.lines[loop.lineno - 1]
        indent = text[: len(text) - len(text.lstrip())]
        if not text.lstrip().startswith(("for ", "while ")):
            return None  # something shares the line
        column = len(module.lines[end - 1])
        edits.append(
            Edit(end, column, end, column, f"{module.newline}{indent}{total.name.id} = {number}({total.name.id})")
        )
    return edits


def _as_number(module: Module, read: ast.Name, number: str) -> list[Edit]:
    return [] if _float_of(module, read) else [Edit(*module.span(read), f"{number}({read.id})")]


def _float_of(module: Module, read: ast.Name) -> ast.Call | None:
    parent = module.scopes.parent_of.get(read)
    match parent:
        case ast.Call(func=ast.Name(id="float" | "int"), args=[only], keywords=[]) if only is read:
            return parent
        case _:
            return None


def _is_in_text(module: Module, node: ast.AST) -> bool:
    """Tell whether a node stands in an f-string: Python 3.11 does not know where."""
    parents = module.scopes.parent_of
    while node in parents and not isinstance(node, ast.stmt):
        node = parents[node]
        if isinstance(node, ast.JoinedStr):
            return True
    return False


def _is_whole(module: Module, total: _Sum, transfer: Transfer) -> bool:
    """Tell whether what is added up counts something: `right += (guess == label).sum().item()`."""
    whole = any(isinstance(node, ast.Compare) for node in walk(transfer.value))
    starts = [
        binding.value
        for binding in module.scopes.bindings(total.name.id, module.scopes.scope_of[total.name])
        if binding.value is not None
    ]
    return whole and all(isinstance(start, ast.Constant) and isinstance(start.value, int) for start in starts)


def _kept(module: Module, transfer: Transfer) -> Edit:
    """Return the edit that takes the reading away: `loss.item()` becomes `loss.detach()`."""
    node: ast.expr = transfer.node
    parents = module.scopes.parent_of
    # `float(loss.item())`, `loss.cpu().item()`: all of it reads.
    while True:
        parent = parents.get(node)
        match parent:
            case ast.Call(func=ast.Name(id="float" | "int"), args=[only]) if only is node:
                node = parent
            case ast.Attribute(attr=name) if name in _READING and isinstance(above := parents.get(parent), ast.Call):
                node = above
            case _:
                break
    base = transfer.value
    while isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and base.func.attr in _READING:
        base = base.func.value
    text = _closed(base, module.segment(base))
    needs = "torch" in module.text and not any(isinstance(part, ast.Compare) for part in walk(base))
    has = isinstance(base, ast.Call) and isinstance(base.func, ast.Attribute) and base.func.attr == "detach"
    return Edit(*module.span(node), f"{text}.detach()" if needs and not has else text)


def _closed(node: ast.expr, text: str) -> str:
    """Return the text so that a method can be called on it, or arithmetic done."""
    plain = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript)
    return text if plain else f"({text})"


def _factors(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.BinOp(op=ast.Mult() | ast.Add() | ast.Sub(), left=left, right=right):
            yield from _factors(left)
            yield from _factors(right)
        case ast.BinOp(op=ast.Div(), left=left):
            yield from _factors(left)
        case _:
            yield node
