"""Moving the building of a model out of its loop, with what sets it up; and back into one."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Edit
from wattleak.smells.improper_model_reuse.constancy import Rounds, is_constant, within
from wattleak.smells.improper_model_reuse.doings import Doing, acts
from wattleak.source.edits import still_parses
from wattleak.source.lined import LINE_END
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wattleak.source.module import Module

_SETS_UP = frozenset({Doing.LOADS, Doing.SETS, Doing.LOOKS})


def hoist(module: Module, call: ast.Call, loop: ast.For | ast.While) -> tuple[Edit, ...] | None:
    """Return edits that move `call`, and what sets its model up, in front of `loop`; None: it is not that simple."""
    statement = _statement(module, call)
    if statement not in loop.body or loop.orelse or not _is_plain(statement, call):
        return None
    start = loop.body.index(statement)
    moved = _setup(module, loop, start)
    names = bound(moved)
    rest = [item for item in loop.body if item not in moved]
    if not rest or not names or any(_rebinds(item, names) for item in rest):
        return None
    if any(reads(item, names) for item in loop.body[:start]) or reads(_head(loop), names):
        return None
    return move(module, moved, loop)


def move(module: Module, statements: Sequence[ast.stmt], before: ast.stmt) -> tuple[Edit, ...] | None:
    """Return edits that put whole lines of `statements` in front of `before`, with its indentation."""
    if not all(_has_lines_of_its_own(module, item) for item in (*statements, before)):
        return None
    edits = []
    text = ""
    for first, last in _runs(module, statements):
        lines = module.lines[first - 1 : last]
        own = _indentation(lines[0])
        wanted = _indentation(module.lines[before.lineno - 1])
        if any(line.strip() and not line.startswith(own) for line in lines):
            return None  # a text over several lines: its own indentation is a part of it
        text += "".join((wanted + line[len(own) :] if line.strip() else "") + module.newline for line in lines)
        edits.append(Edit(first, 0, last + 1, 0, "") if last < len(module.lines) else None)
    if any(edit is None for edit in edits):
        return None
    moved = (Edit(before.lineno, 0, before.lineno, 0, text), *(edit for edit in edits if edit is not None))
    return moved if still_parses(module, moved) else None


def _runs(module: Module, statements: Sequence[ast.stmt]) -> Iterator[tuple[int, int]]:
    """Yield first and last line of every run of statements that follow each other, comments above them included."""
    first: int | None = None
    last = 0
    for item in statements:
        begin, end = _first_line(module, item), item.end_lineno or item.lineno
        if first is not None and begin != last + 1:
            yield first, last
            first = None
        first = begin if first is None else first
        last = end
    if first is not None:
        yield first, last


def _first_line(module: Module, statement: ast.stmt) -> int:
    line = statement.lineno
    own = _indentation(module.lines[line - 1])
    while line > 1 and module.lines[line - 2].startswith(own + "#"):
        line -= 1
    return line


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _has_lines_of_its_own(module: Module, statement: ast.stmt) -> bool:
    span = module.span(statement)
    before = module.lines[span.line - 1][: span.column]
    after = module.lines[span.end_line - 1][span.end_column :].strip()
    return not before.strip() and (not after or after.startswith("#"))


def _statement(module: Module, node: ast.AST) -> ast.stmt:
    parents = module.scopes.parent_of
    while not isinstance(node, ast.stmt):
        node = parents[node]
    return node


def _is_plain(statement: ast.stmt, call: ast.Call) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(target=ast.Name(), value=value):
            return value is call or (isinstance(value, ast.Call) and _starts_with(value, call))
        case _:
            return False


def _starts_with(value: ast.expr, call: ast.Call) -> bool:
    """`build().to(device)`."""
    while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        value = value.func.value
        if value is call:
            return True
    return False


# -- what belongs to the building ----------------------------------------------------------------------------------


def _setup(module: Module, loop: ast.For | ast.While, start: int) -> list[ast.stmt]:
    """Return the statement at `start` of a loop and those after it that only set up what it makes."""
    family = bound([loop.body[start]])
    moved = [loop.body[start]]
    waiting: list[ast.stmt] = []  # `state = torch.load(path)`: it belongs to them if one of them reads it
    for statement in loop.body[start + 1 :]:
        if not reads(statement, family):
            if isinstance(statement, ast.Assign) and _is_fixed(module, statement, loop, family):
                waiting.append(statement)
                continue
            break
        if not _only_sets_up(module, statement, loop, family | bound(waiting)):
            break
        needed = [item for item in waiting if reads(statement, bound([item]))]
        moved += [*needed, statement]
        waiting = [item for item in waiting if item not in needed]
        family |= bound([statement])
    return moved


def _only_sets_up(  # noqa: PLR0911 - one return for each way to find a statement that does more
    module: Module, statement: ast.stmt, loop: ast.For | ast.While, family: set[str]
) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Name()], value=ast.Call() as call):
            return _is_fixed(module, statement, loop, family) and _is_harmless(module, call, family)
        case ast.Expr(value=ast.Call() as call):
            return _arguments_are_fixed(module, call, loop, family) and _is_harmless(module, call, family)
        case ast.If(test=test, body=body, orelse=[]):
            if not all(_is_known_before(module, name, loop, family) for name in _names(test)):
                return False
            own = set(family)
            for inner in body:
                if reads(inner, own):
                    if not _only_sets_up(module, inner, loop, own):
                        return False
                elif not (isinstance(inner, ast.Assign) and _is_fixed(module, inner, loop, own)):
                    return False
                own |= bound([inner])
            return True
        case _:
            return False


def _is_harmless(module: Module, call: ast.Call, family: set[str]) -> bool:
    """Tell whether a call neither trains nor asks: it makes an optimizer, compiles, loads."""
    receiver = call.func
    while isinstance(receiver, ast.Attribute):
        receiver = receiver.value
    if isinstance(call.func, ast.Attribute) and isinstance(receiver, ast.Name) and receiver.id in family:
        name = call.func.attr
        return name in _SETTING_UP
    inside = [item for item in walk(call) if isinstance(item, ast.Name) and item.id in family]
    if isinstance(call.func, ast.Name) and call.func.id in family:
        return False  # a forward pass
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if last[:1].isupper():
        return True  # an object that holds it: an optimizer, a trainer
    done = [act for item in inside for act in acts(module, item, _statement(module, item), in_loop=False)]
    return bool(done) and all(act.doing in _SETS_UP for act in done)


_SETTING_UP = frozenset(
    {
        *("to", "cuda", "cpu", "eval", "half", "float", "bfloat16", "double", "compile", "build", "load_weights"),
        *("load_state_dict", "set_weights", "requires_grad_", "summary", "add", "train"),
    }
)


def _arguments_are_fixed(module: Module, call: ast.Call, loop: ast.For | ast.While, family: set[str]) -> bool:
    return all(
        _is_expression_fixed(module, item, loop, family)
        for item in (*call.args, *(keyword.value for keyword in call.keywords))
    )


def _is_fixed(module: Module, statement: ast.Assign, loop: ast.For | ast.While, family: set[str]) -> bool:
    """Tell whether an assignment gives the same in every round, or a part of what is set up."""
    match statement:
        case ast.Assign(targets=[ast.Name()], value=value):
            return _is_expression_fixed(module, value, loop, family)
        case _:
            return False


def _is_expression_fixed(module: Module, value: ast.expr, loop: ast.For | ast.While, family: set[str]) -> bool:
    if not any(name.id in family for name in _names(value)):
        return is_constant(module, value, Rounds(module, loop))
    return all(_is_known_before(module, name, loop, family) for name in _names(value))


def _is_known_before(module: Module, name: ast.Name, loop: ast.For | ast.While, family: set[str]) -> bool:
    if name.id in family:
        return True
    found = module.scopes.bindings(name.id, module.scopes.scope_of[name])
    return not any(within(module, binding.node, loop) for binding in found)


def _names(node: ast.AST) -> list[ast.Name]:
    return [item for item in walk(node) if isinstance(item, ast.Name) and isinstance(item.ctx, ast.Load)]


def bound(statements: Sequence[ast.stmt]) -> set[str]:
    """Return the names that statements give a value."""
    return {
        node.id
        for statement in statements
        for node in walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def reads(node: ast.AST, names: set[str]) -> bool:
    """Tell whether one of `names` stands in `node`."""
    return any(isinstance(item, ast.Name) and item.id in names for item in walk(node))


def reads_in(statements: Sequence[ast.stmt], names: set[str]) -> bool:
    """Tell whether one of `names` stands in one of `statements`."""
    return any(reads(statement, names) for statement in statements)


def text_of(module: Module, statement: ast.stmt) -> list[str]:
    """Return the lines of a statement without the indentation of the first."""
    return LINE_END.split(module.segment(statement))


def _rebinds(statement: ast.stmt, names: set[str]) -> bool:
    """Tell whether what stays in the loop binds one of the names, or clears the session that the model lives in."""
    return any(
        (isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr == "clear_session")
        or (isinstance(node, ast.Name) and node.id == "clear_session")
        for node in walk(statement)
    )


def _head(loop: ast.For | ast.While) -> ast.expr:
    return loop.iter if isinstance(loop, ast.For) else loop.test
