"""The edits that take the second reading out of a program, or put one in."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.model import Edit, Fix
from wattleak.smells.data_read_to_count.lengths import Length, trace_of_reading
from wattleak.source.edits import apply
from wattleak.source.loaders import read_by
from wattleak.source.module import Module
from wattleak.source.reading import parse
from wattleak.source.standing import enclosing_function
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.smells.data_read_to_count.counting import Counting

_COUNTERS = ("batches", "number_of_batches", "batches_read")


def fix(module: Module, found: Counting, length: Length) -> Fix | None:
    """Return the fix for a place that counts; None: there is none that is sure to mean the same."""
    if not _is_where_it_seems(module, found.node):
        return None
    made = _asked(module, found) if length is Length.KNOWN else _counted_on_the_way(module, found)
    if made is None or not isinstance(parse(apply(module, made.edits), module.path), Module):
        return None
    return made


def _asked(module: Module, found: Counting) -> Fix | None:
    text = f"len({module.segment(found.counted)})"
    match found.node:
        case ast.For():
            if found.total is None or _is_read_later(module, found.node):
                return None
            text = f"{module.segment(found.total)} += {text}"
        case ast.Call(func=ast.Attribute(attr="reduce")):
            text = f"{module.segment(found.counted)}.cardinality()"  # a tensor, as reduce gives
        case _:
            pass
    trace = trace_of_reading(module, found.counted)
    edits = (Edit(*module.span(found.node), text),)
    return Fix("ask for the length", safe=trace is None, edits=edits, why_unsafe=trace)


def _counted_on_the_way(module: Module, found: Counting) -> Fix | None:
    """Count in the loop that reads the loader anyway, where it stands before in the same block or around it."""
    loop = next(iter(loops_before(module, found)), None)
    if loop is None or isinstance(found.node, ast.For) or loop.body[0].lineno == loop.lineno:
        return None
    scope = module.scopes.scope_of[loop]
    name = next((one for one in _COUNTERS if not module.scopes.bindings(one, scope)), None)
    outside, inside = module.span(loop), module.span(loop.body[0])
    first, body = (module.lines[span.line - 1][: span.column] for span in (outside, inside))
    if name is None or first.strip() or body.strip():
        return None
    end = module.newline
    edits = (
        Edit(outside.line, outside.column, outside.line, outside.column, f"{name} = 0{end}{first}"),
        Edit(inside.line, inside.column, inside.line, inside.column, f"{name} += 1{end}{body}"),
        Edit(*module.span(found.node), name),
    )
    return Fix(
        "count in the loop that reads them",
        safe=False,
        edits=edits,
        why_unsafe="a loop that is left early has counted fewer, and a reading less moves on no random stream",
    )


def loops_before(module: Module, found: Counting) -> Iterator[ast.For]:
    """Yield the loops over the same loader that have ended whenever `found` runs, nearest first."""
    wanted = ast.dump(found.counted)
    parents = module.scopes.parent_of
    child: ast.AST = found.node
    end = enclosing_function(module, child)
    while child in parents and child is not end:
        parent = parents[child]
        for block in (getattr(parent, name, None) for name in ("body", "orelse", "finalbody")):
            if isinstance(block, list) and child in block:
                for earlier in reversed(block[: block.index(child)]):
                    if isinstance(earlier, ast.For) and any(
                        ast.dump(read) == wanted for read in read_by(module, earlier.iter)
                    ):
                        yield earlier
        child = parent


def _is_read_later(module: Module, loop: ast.For) -> bool:
    """Tell whether the program reads the loop's variables anywhere else."""
    names = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
    return any(
        isinstance(mention, ast.Name) and isinstance(mention.ctx, ast.Load)
        for name in names
        for mention in module.mentions.get(name, ())
    )


def _is_where_it_seems(module: Module, node: ast.AST) -> bool:
    """Python 3.11 does not know where the pieces of an f-string stand."""
    parents = module.scopes.parent_of
    while node in parents and not isinstance(node, ast.stmt):
        node = parents[node]
        if isinstance(node, ast.JoinedStr):
            return False
    return True


def asked_lengths(module: Module) -> Iterator[tuple[ast.Call, ast.expr]]:
    """Yield every `len(x)` of the program, with x."""
    for node in walk(module.tree):
        match node:
            case ast.Call(func=ast.Name(id="len"), args=[asked], keywords=[]) if not isinstance(asked, ast.Starred):
                if _is_where_it_seems(module, node):
                    yield node, asked
            case _:
                pass


def read_again(module: Module, loop: ast.For, loader: ast.expr) -> Edit | None:
    """Return the edit that counts `loader` by reading it once more, after `loop`."""
    scope = module.scopes.scope_of[loop]
    name = next((one for one in _COUNTERS if not module.scopes.bindings(one, scope)), None)
    span = module.span(loop)
    indentation = module.lines[span.line - 1][: span.column]
    if name is None or indentation.strip() or len(module.lines[span.end_line - 1]) != span.end_column:
        return None
    text = f"{module.newline}{indentation}{name} = len(list({module.segment(loader)}))"
    return Edit(span.end_line, span.end_column, span.end_line, span.end_column, text)
