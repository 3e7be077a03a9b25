"""Batches that hold the whole data set, or almost: both sizes are written in the code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NamedTuple

from wattleak.model import Confidence, Severity
from wattleak.smells.minibatch_mismatch.feeding import Feeds, feeds
from wattleak.smells.minibatch_mismatch.inputs import batched, is_dataset, keras_method, makes_loader, size_values
from wattleak.smells.minibatch_mismatch.sizes import dataset_rows, most_rows
from wattleak.smells.minibatch_mismatch.suspicion import Suspicion
from wattleak.source.arguments import argument, argument_values
from wattleak.source.resolving import referents
from wattleak.source.walking import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wattleak.source.module import Module

_FEW = 16  # updates in an epoch: a note, and no more than that
_USUAL = 64  # rows: what is written everywhere, and is more than the whole set only in exercises
_ENOUGH_ROWS = 10_000  # of a smaller set, an epoch of few updates is what there is


class Sized(NamedTuple):
    """A batch size, and the rows that it is of."""

    node: ast.expr  # where the batch size is written
    batch: int
    rows: int
    drops_last: bool = False


def larger(module: Module) -> Iterator[Suspicion]:
    """Yield every batch size for training that is more than the rows there are, or leaves few updates in an epoch."""
    if not any(word in module.text for word in ("DataLoader", ".batch(", "batch_size")):
        return
    for call in walk(module.tree):
        if not isinstance(call, ast.Call) or not (call.args or call.keywords):
            continue
        sized = _sized(module, call)
        if sized is not None:
            yield from _judge(sized)


def _judge(sized: Sized) -> Iterator[Suspicion]:
    batch, rows = sized.batch, sized.rows
    if batch > rows and sized.drops_last:
        message = f"batches of {batch} from {rows} rows at most, and drop_last drops them: the loop never runs"
        yield Suspicion(sized.node, message, Severity.ERROR)
    elif batch > rows:
        message = f"batches of {batch} from {rows} rows at most: an epoch is a single update"
        yield Suspicion(sized.node, message, Severity.WARNING)
    elif rows >= _ENOUGH_ROWS and batch < rows and -(-rows // batch) <= _FEW:
        message = (
            f"batches of {batch} from {rows} rows: an epoch makes {-(-rows // batch)} updates, so that more epochs may "
            "be needed for the same accuracy"
        )
        yield Suspicion(sized.node, message, Severity.INFO, Confidence.MEDIUM)


def _sized(module: Module, call: ast.Call) -> Sized | None:
    if isinstance(call.func, ast.Attribute) and call.func.attr == "fit":
        return _of_fit(module, call)
    if isinstance(call.func, ast.Attribute) and call.func.attr == "batch":
        return _of_dataset(module, call)
    if makes_loader(module, call):
        return _of_loader(module, call)
    return None


def _of_fit(module: Module, call: ast.Call) -> Sized | None:
    written = _size(module, call, 2)
    if written is None or keras_method(module, call) != "fit":
        return None
    data = argument(module, call, "x", 0)
    if data is None or len(data.values) != 1 or batched(module, data.values[0].node) is not None:
        return None
    rows = most_rows(data.values[0].module, data.values[0].node)
    return Sized(*written, rows) if rows else None


def _of_dataset(module: Module, call: ast.Call) -> Sized | None:
    written = _size(module, call, 0) if "from_tensor_slices" in module.text else None
    known = referents(module, call) if written else None
    if written is None or not known or not all(is_dataset(one) for one in known):
        return None
    found = [dataset_rows(one) for one in known]
    rows = [number for number in found if number is not None]
    if len(rows) < len(found) or not max(rows) or feeds(module, call) is not Feeds.UPDATE:
        return None
    drops = argument_values(module, call, "drop_remainder", 1, default=False) == frozenset({True})
    return Sized(*written, max(rows), drops)


def _of_loader(module: Module, call: ast.Call) -> Sized | None:
    written = _size(module, call, 1)
    dataset = argument(module, call, "dataset", 0) if written else None
    if written is None or dataset is None or len(dataset.values) != 1:
        return None
    rows = most_rows(dataset.values[0].module, dataset.values[0].node)
    if not rows or written[1] * _FEW < rows or feeds(module, call) is not Feeds.UPDATE:
        return None
    return Sized(*written, rows, argument_values(module, call, "drop_last", 8, default=False) == frozenset({True}))


def _size(module: Module, call: ast.Call, position: int) -> tuple[ast.expr, int] | None:
    """Return the batch size that is written in a call, where it is one known number."""
    keyword = next((item.value for item in call.keywords if item.arg == "batch_size"), None)
    node = keyword or (call.args[position] if len(call.args) > position else None)
    if node is None and any(item.arg is None for item in call.keywords):
        node = call.func  # given by a dict: fit(x, y, **settings)
    if node is None or (isinstance(node, ast.Constant) and isinstance(node.value, int) and node.value <= _USUAL):
        return None
    found = size_values(module, call, position)
    if found is None or len(found) != 1:
        return None
    number = next(iter(found))
    return (node, number) if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None
