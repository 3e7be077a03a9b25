"""The edits that put a mismatched batch size into a clean program."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from wattleak.smells.minibatch_mismatch.feeding import Feeds, feeds
from wattleak.smells.minibatch_mismatch.ignored import size_of_cut
from wattleak.smells.minibatch_mismatch.inputs import batched, keras_method, makes_loader
from wattleak.smells.minibatch_mismatch.rewriting import replaced, with_keyword, without
from wattleak.smells.minibatch_mismatch.single import split_size
from wattleak.source.arguments import argument, values
from wattleak.source.edits import still_parses
from wattleak.source.learning import LoopRole, hot_loops
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.model import Edit
    from wattleak.source.module import Module

_SMALL = 4  # rows, as in the study; a row at a time where that is what there is


def injected(module: Module) -> Iterator[tuple[Edit, ...]]:
    """Yield the ways to put the smell into a program, the nearest to what people write first."""
    calls = sorted(
        (node for node in walk(module.tree) if isinstance(node, ast.Call)),
        key=lambda call: (call.lineno, call.col_offset),
    )
    for call in calls:
        found = None
        if isinstance(call.func, ast.Attribute) and call.func.attr == "fit" and keras_method(module, call):
            found = _into_fit(module, call)
        elif makes_loader(module, call):
            found = _into_loader(module, call)
        if found and still_parses(module, found):
            yield found
    for loop in hot_loops(module):
        size = split_size(loop.node) if isinstance(loop.node, ast.For) and loop.role is LoopRole.TRAINING else None
        if size is not None:
            yield (replaced(module, size, "1"),)


def _into_fit(  # noqa: PLR0911 - one return for each reason not to
    module: Module, call: ast.Call
) -> tuple[Edit, ...] | None:
    data = argument(module, call, "x", 0)
    if data is None or len(data.values) != 1 or data.values[0].module is not module:
        return None
    given = argument(module, call, "batch_size", 2)
    cut = batched(module, data.values[0].node)
    if cut is None:
        if given is None:
            return None
        if given.is_absent:
            edit = with_keyword(module, call, "batch_size", "1")
            return None if edit is None else (edit,)
        return tuple(replaced(module, one.node, "1") for one in given.values if one.module is module)
    if len(cut.cuts) != 1 or cut.cuts[0].module is not module or given is None or not given.is_absent:
        return None
    size = size_of_cut(cut.cuts[0])
    if size is None or size.module is not module:
        return None
    number = values(module, size.node)
    small = 1 if number is not None and any(isinstance(one, int) and one <= _SMALL for one in number) else _SMALL
    asked = with_keyword(module, call, "batch_size", module.segment(size.node))
    return None if asked is None else (replaced(module, size.node, str(small)), asked)


def _into_loader(module: Module, call: ast.Call) -> tuple[Edit, ...] | None:
    if feeds(module, call) is not Feeds.UPDATE:
        return None
    removed = without(module, call, "batch_size")
    if removed is not None:
        return (removed,)
    return (replaced(module, call.args[1], "1"),) if len(call.args) > 1 else None
