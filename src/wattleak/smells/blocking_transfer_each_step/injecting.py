"""Where the smell can be put into a clean program."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.smells.blocking_transfer_each_step.accumulators import read_each_step
from wattleak.smells.blocking_transfer_each_step.device_values import DeviceValues, Grade
from wattleak.source.learning import LoopRole, Often, hot_loops, how_often
from wattleak.source.standing import enclosing_function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module


def candidates(module: Module) -> Iterator[tuple[Edit, ...]]:
    """Yield what may put the smell into a program: into a sum of a training loop, or after its loss is known."""
    reading = "item" if "torch" in module.text else "numpy"
    nodes = (loop.node for loop in hot_loops(module) if loop.role is LoopRole.TRAINING)
    loops = sorted((node for node in nodes if not isinstance(node, ast.AsyncFor)), key=lambda node: node.lineno)
    for loop in loops:
        values = DeviceValues(module, enclosing_function(module, loop) or module.tree)
        edits = read_each_step(module, loop, values, reading)
        if edits is not None:
            yield edits
    for loop in loops:
        values = DeviceValues(module, enclosing_function(module, loop) or module.tree)
        statements = [node for node in walk(loop) if isinstance(node, ast.stmt)]
        for known in (_differentiated, _loss):
            for statement in statements:
                name = known(statement, values)
                edits = _read_after(module, statement, f"{name}.{reading}()") if name else None
                if edits is not None and how_often(module, statement, loop) is Often.EACH_TIME:
                    yield edits


def _differentiated(statement: ast.stmt, _: DeviceValues) -> str | None:
    """`loss.backward()`: what is differentiated so is one number."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="backward", value=ast.Name(id=name)), args=[])):
            return name
        case _:
            return None


def _loss(statement: ast.stmt, values: DeviceValues) -> str | None:
    """`loss = train_step(batch)`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value) if "loss" in name:
            return name if values.grade(value) is Grade.SURE else None
        case _:
            return None


def _read_after(module: Module, statement: ast.stmt, text: str) -> tuple[Edit, ...] | None:
    """Return the edit that adds a line after a statement that has its lines to itself."""
    span = module.span(statement)
    line = module.lines[span.line - 1]
    indent = line[: span.column]
    rest = module.lines[span.end_line - 1][span.end_column :].strip()
    if indent.strip() or (rest and not rest.startswith("#")):
        return None
    column = len(module.lines[span.end_line - 1])
    return (Edit(span.end_line, column, span.end_line, column, f"{module.newline}{indent}{text}"),)
