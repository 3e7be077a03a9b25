"""Loops that cut the batch of a loader again, and train on the pieces: two batch sizes that contradict each other."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Confidence, Severity
from wattleak.smells.minibatch_mismatch.feeding import Feeds, updates
from wattleak.smells.minibatch_mismatch.ignored import size_of_cut
from wattleak.smells.minibatch_mismatch.inputs import batched
from wattleak.smells.minibatch_mismatch.suspicion import Suspicion
from wattleak.source.arguments import argument_values, values
from wattleak.source.loaders import read_by
from wattleak.source.resolving import qualified_name
from wattleak.source.walking import children, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.calls import Located
    from wattleak.source.module import Module

_LEARNS = frozenset({"backward", "gradient", "train_on_batch"})
_NESTED = frozenset({"unsqueeze", "expand_dims"})  # what makes a batch of one row again


class Pieces(NamedTuple):
    """What an inner loop runs over: pieces of `rows` rows of the batch called `name`."""

    name: str
    rows: int


def pieces(module: Module) -> Iterator[Suspicion]:
    """Yield every loop over pieces of a batch that makes an update, or a gradient, for each."""
    if not any(f"{word}(" in module.text for word in _LEARNS):
        return
    for outer in walk(module.tree):
        if not isinstance(outer, ast.For):
            continue
        inner = [node for node in _own_loops(outer) if _learns(node)]
        if not inner:
            continue
        data = [found for read in read_by(module, outer.iter) if (found := batched(module, read)) is not None]
        if not data or data[0].kind not in {"a DataLoader", "a tf.data.Dataset"}:
            continue
        whole = _whole([size for one in data for site in one.cuts if (size := size_of_cut(site)) is not None])
        names = {node.id for node in walk(outer.target) if isinstance(node, ast.Name)}
        for loop in inner:
            cut = _cut(module, loop, names)
            if cut is not None and (whole is None or whole > cut.rows) and (whole or cut.rows == 1):
                yield from _suspicion(module, loop, cut, whole)


def _whole(sizes: list[Located]) -> int | None:
    found = {values(size.module, size.node) for size in sizes}
    only = found.pop() if len(found) == 1 else None
    number = next(iter(only)) if only is not None and len(only) == 1 else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _suspicion(module: Module, loop: ast.For, cut: Pieces, whole: int | None) -> Iterator[Suspicion]:
    made = updates(module, loop)
    rows = "one row" if cut.rows == 1 else f"{cut.rows} rows"
    batch = f"the batch of {whole}" if whole else "the batch"
    if made is Feeds.UPDATE:
        yield Suspicion(
            loop.iter,
            f"{batch} that the loader gives is cut again, and each piece of {rows} is an update of its own",
            Severity.WARNING,
            Confidence.HIGH if whole else Confidence.MEDIUM,
        )
    elif made is Feeds.EVALUATION and cut.rows == 1:
        yield Suspicion(
            loop.iter,
            f"{batch} that the loader gives is run through the model row by row and summed to one update",
            Severity.INFO,
            Confidence.MEDIUM,
        )


def _own_loops(outer: ast.For) -> Iterator[ast.For]:
    waiting: list[ast.AST] = list(outer.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.For):
            yield node
        waiting.extend(children(node))


def _learns(loop: ast.For) -> bool:
    calls = [node.func.attr for node in _calls(loop) if isinstance(node.func, ast.Attribute)]
    # Gradients clipped or disturbed row by row are what differential privacy needs.
    private = any(name.startswith("clip_grad") for name in calls)
    return not private and not _LEARNS.isdisjoint(calls)


def _calls(loop: ast.For) -> Iterator[ast.Call]:
    return (node for statement in loop.body for node in walk(statement) if isinstance(node, ast.Call))


def _cut(module: Module, loop: ast.For, names: set[str]) -> Pieces | None:
    """Return the pieces of one of the batches `names` that a loop runs over; None: it runs over something else."""
    for read in read_by(module, loop.iter):
        found = _split(module, read, names)
        if found is not None:
            return found
    steps = _rows_of(module, loop.iter, names)
    if steps is not None and isinstance(loop.target, ast.Name):
        return steps if _takes(module, loop, steps, loop.target.id) else None
    over = {read.id for read in read_by(module, loop.iter) if isinstance(read, ast.Name)} & names
    targets = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
    if over and any(_makes_a_batch(node, targets) for node in walk(loop)):
        return Pieces(min(over), 1)
    return None


def _split(module: Module, read: ast.expr, names: set[str]) -> Pieces | None:
    """`images.split(4)`, `torch.split(images, 4)`."""
    if not isinstance(read, ast.Call) or not isinstance(read.func, ast.Attribute) or read.func.attr != "split":
        return None
    if isinstance(read.func.value, ast.Name) and read.func.value.id in names:
        owner, position = read.func.value, 0
    elif qualified_name(module, read.func) == "torch.split" and read.args and isinstance(read.args[0], ast.Name):
        owner, position = read.args[0], 1
    else:
        return None
    if owner.id not in names or argument_values(module, read, "dim", position + 1, default=0) != frozenset({0}):
        return None
    sizes = argument_values(module, read, "split_size", position)
    size = next(iter(sizes)) if sizes and len(sizes) == 1 else None
    return Pieces(owner.id, size) if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def _rows_of(module: Module, iterated: ast.expr, names: set[str]) -> Pieces | None:
    """`range(len(images))`, `range(images.shape[0])`, `range(0, images.size(0), 4)`."""
    if not isinstance(iterated, ast.Call) or qualified_name(module, iterated.func) != "builtins.range":
        return None
    end = iterated.args[0] if len(iterated.args) == 1 else iterated.args[1] if len(iterated.args) > 1 else None
    name = _measured(end)
    if name is None or name not in names:
        return None
    if len(iterated.args) < 3:
        return Pieces(name, 1)
    step = values(module, iterated.args[2])
    size = next(iter(step)) if step and len(step) == 1 else None
    return Pieces(name, size) if isinstance(size, int) and not isinstance(size, bool) and size > 0 else None


def _measured(end: ast.expr | None) -> str | None:
    match end:
        case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]):
            return name
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="size"), args=[ast.Constant(value=0)]):
            return name
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="shape"), slice=ast.Constant(value=0)):
            return name
        case _:
            return None


def _takes(module: Module, loop: ast.For, cut: Pieces, index: str) -> bool:
    """Tell whether the loop takes `batch[i : i + n]`, or makes a batch of `batch[i]`."""
    for node in walk(loop):
        match node:
            case ast.Subscript(value=ast.Name(), slice=ast.Slice(lower=ast.Name(id=lower), upper=ast.BinOp() as upper)):
                by = values(module, upper.right) if isinstance(upper.left, ast.Name) else None
                if lower == index and isinstance(upper.op, ast.Add) and by == frozenset({cut.rows}):
                    return True
            case _ if cut.rows == 1 and _makes_a_batch(node, {index}):
                return True
            case _:
                pass
    return False


def _makes_a_batch(node: ast.AST, names: set[str]) -> bool:
    """Tell whether a node is `row.unsqueeze(0)`, `batch[i].unsqueeze(0)`, `row[None]`, `tf.expand_dims(row, 0)`."""
    match node:
        case ast.Call(func=ast.Attribute(value=value, attr="unsqueeze"), args=[ast.Constant(value=0)]):
            return _is_row(value, names)
        case ast.Call(args=[value, ast.Constant(value=0)], func=ast.Attribute(attr=name)) if name in _NESTED:
            return _is_row(value, names)
        case ast.Call(args=[value], keywords=[ast.keyword(arg="axis" | "dim", value=ast.Constant(value=0))]):
            return isinstance(node.func, ast.Attribute) and node.func.attr in _NESTED and _is_row(value, names)
        case ast.Subscript(value=value, slice=ast.Constant(value=None)):
            return _is_row(value, names)
        case ast.Subscript(value=value, slice=ast.Attribute(attr="newaxis")):
            return _is_row(value, names)
        case _:
            return False


def _is_row(value: ast.expr, names: set[str]) -> bool:
    match value:
        case ast.Name(id=name):
            return name in names
        case ast.Subscript(value=ast.Name(), slice=ast.Name(id=name)):
            return name in names
        case _:
            return False
