"""Where the smell can be put into a clean program."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.smells.blocking_transfer_each_step.accumulators import read_each_step
from wattleak.smells.blocking_transfer_each_step.device_values import DeviceValues, Grade
from wattleak.source.calls import enclosing_function
from wattleak.source.learning import LoopRole, Often, hot_loops, how_often

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
        for statement in ast.walk(loop):
            name = _known_after(statement, values)
            if name is None or not isinstance(statement, ast.stmt):
                continue
            edits = _read_after(module, statement, f"{name}.{reading}()")
            if edits is not None and how_often(module, statement, loop) is Often.EACH_TIME:
                yield edits


def _known_after(statement: ast.AST, values: DeviceValues) -> str | None:
    """`loss.backward()`, `loss = train_step(batch)`: return the name whose value can be read after it."""
    match statement:
        case ast.Expr(value=ast.Call(func=ast.Attribute(attr="backward", value=ast.Name(id=name)), args=[])):
            return name
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value) if values.grade(value) is Grade.SURE:
            return name
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
