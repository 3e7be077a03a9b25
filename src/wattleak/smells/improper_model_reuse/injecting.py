"""Putting the smell into a clean program, so that it learns the same from the same random numbers."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.errors import UsageError
from wattleak.model import Edit
from wattleak.smells.improper_model_reuse import hoisting
from wattleak.smells.improper_model_reuse.rebuilding import rebuilt
from wattleak.smells.improper_model_reuse.repeating import is_epoch_loop
from wattleak.source.edits import apply
from wattleak.source.learning import Framework, builds_model, frameworks, is_optimizer
from wattleak.source.module import Module
from wattleak.source.reading import parse
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

_CARRIED = ("weights_before", "steps_before", "random_before")
"""Names that the injected lines use."""

_STAYS_ITSELF = frozenset(
    {"to", "cuda", "cpu", "train", "eval", "float", "double", "half", "compile", "build", "summary"}
)


class Place(NamedTuple):
    """A model, what is made of it, and the loop over epochs that trains it; all in one block."""

    model: str
    made: tuple[ast.stmt, ...]  # statements that make the model and set it up
    optimizer: str | None
    optimizer_made: ast.stmt | None
    loop: ast.For | ast.While


def injected(module: Module) -> tuple[Edit, ...]:
    """Return the edits. Raises UsageError: there is no place where they would leave the training as it is."""
    for edits in (*_moved(module), *_carried(module)):
        again = parse(apply(module, edits), module.path)
        if isinstance(again, Module) and any(True for _ in rebuilt(again)):
            return edits
    raise UsageError(
        f"{module.path} has no place where a model could be built again without a change of what it learns",
        "build model and optimizer in the function that holds the loop `for epoch in range(...)`; with Keras: "
        "model.fit(..., epochs=1) in such a loop",
    )


def _blocks(module: Module) -> Iterator[tuple[list[ast.stmt], int, ast.For | ast.While]]:
    """Yield every loop over epochs with the block in which it stands, and its place there."""
    for node in walk(module.tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if not isinstance(block, list):
                continue
            for number, statement in enumerate(block):
                if isinstance(statement, ast.For | ast.While) and is_epoch_loop(statement):
                    yield block, number, statement


def _moved(module: Module) -> Iterator[tuple[Edit, ...]]:
    """Yield edits that move the lines that build a model and read its checkpoint into the loop that writes it."""
    for block, number, loop in _blocks(module):
        start = next((index for index in reversed(range(number)) if _built(module, block[index]) is not None), None)
        if start is None:
            continue
        names = hoisting.bound(block[start:number])
        loads = any(
            isinstance(node, ast.Attribute) and node.attr in {"load_weights", "load_state_dict"}
            for statement in block[start:number]
            for node in walk(statement)
        )
        saves = any(
            isinstance(node, ast.Attribute) and node.attr in {"save_weights", "save"}
            for statement in loop.body
            for node in walk(statement)
        )
        elsewhere = [statement for statement in block[start:number] if not hoisting.reads(statement, names)]
        edits = hoisting.move(module, block[start:number], loop.body[0]) if loads and saves and not elsewhere else None
        if edits is not None:
            yield edits


def _built(module: Module, statement: ast.stmt) -> str | None:
    """Return the name of the model that a statement makes: `model = build()`, `model = build().to(device)`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as call):
            while isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Call):
                if call.func.attr not in _STAYS_ITSELF:
                    return None
                call = call.func.value
            return name if builds_model(module, call) else None
        case _:
            return None


def _carried(module: Module) -> Iterator[tuple[Edit, ...]]:
    """Yield edits that build model and optimizer again in every epoch, and carry over what they hold."""
    if any(name in module.mentions for name in _CARRIED):
        return
    keras = Framework.KERAS in frameworks(module)
    for block, number, loop in _blocks(module):
        for start in reversed(range(number)):
            name = _built(module, block[start])
            place = _place(module, name, block[start:number], loop) if name is not None else None
            if place is None or not hoisting.reads_in(loop.body, {place.model}):
                continue
            made = _keras(module, place) if keras else _torch(module, place)
            if made is not None:
                yield made


def _place(module: Module, name: str, before: list[ast.stmt], loop: ast.For | ast.While) -> Place | None:
    """Return what hangs on a model before its loop; None: more than can be built again and carried over."""
    made, optimizer, optimizer_made = [before[0]], None, None
    for statement in before[1:]:
        if not hoisting.reads(statement, {name, *([optimizer] if optimizer else [])}):
            continue
        match statement:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call) if target == name:
                if not (isinstance(call.func, ast.Attribute) and call.func.attr in _STAYS_ITSELF):
                    return None
                made.append(statement)
            case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=method))) if owner == name:
                if method not in _STAYS_ITSELF:
                    return None
                if method != "summary":
                    made.append(statement)
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call) if optimizer is None:
                if not is_optimizer(module, call):
                    return None
                optimizer, optimizer_made = target, statement
            case ast.Expr(value=ast.Call(func=ast.Name(id="print"))):
                pass
            case _:
                return None
    return Place(name, tuple(made), optimizer, optimizer_made, loop)


def _torch(module: Module, place: Place) -> tuple[Edit, ...] | None:
    name, optimizer = place.model, place.optimizer
    if optimizer is None or place.optimizer_made is None or "torch" not in module.scopes.module.bindings:
        return None
    lines = [
        f"{_CARRIED[0]} = {name}.state_dict()",
        f"{_CARRIED[1]} = {optimizer}.state_dict()",
        "with torch.random.fork_rng():",
        *("    " + line for statement in place.made for line in _lines(module, statement)),
        *_lines(module, place.optimizer_made),
        f"{name}.load_state_dict({_CARRIED[0]})",
        f"{optimizer}.load_state_dict({_CARRIED[1]})",
    ]
    return _at_start(module, place.loop, lines)


def _keras(module: Module, place: Place) -> tuple[Edit, ...] | None:
    if place.optimizer is not None:
        return None  # an optimizer of one's own, with state that belongs to the first variables
    name = place.model
    every = f"[*{name}.variables, *{name}.optimizer.variables]"
    lines = [
        f"{_CARRIED[0]} = [variable.numpy() for variable in {every}]",
        f'{_CARRIED[2]} = __import__("random").getstate()',
        *(line for statement in place.made for line in _lines(module, statement)),
        f"{name}.optimizer.build({name}.trainable_variables)",
        f"for variable, value in zip({every}, {_CARRIED[0]}):",
        "    variable.assign(value)",
        f'__import__("random").setstate({_CARRIED[2]})',
    ]
    return _at_start(module, place.loop, lines)


def _lines(module: Module, statement: ast.stmt) -> list[str]:
    """Return the text of a statement, its continuation lines indented as if it stood at the left."""
    own = module.span(statement).column
    first, *rest = hoisting.text_of(module, statement)
    return [first, *(line[own:] if not line[:own].strip() else line for line in rest)]


def _at_start(module: Module, loop: ast.For | ast.While, lines: list[str]) -> tuple[Edit, ...] | None:
    first = loop.body[0]
    column = module.span(first).column
    if first.lineno == loop.lineno:
        return None
    indentation = module.lines[first.lineno - 1][:column]
    text = "".join(indentation + line + module.newline for line in lines)
    return (Edit(first.lineno, 0, first.lineno, 0, text),)
